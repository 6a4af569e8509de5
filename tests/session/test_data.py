"""What is loaded, what is said of it, and what does not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.stacks import MrcStackCollection, StackWriter
from napari_cryoorient.particles import ArrayImages, NegatedImages
from napari_cryoorient.session.data import (
    LoadError,
    ProjectedPoses,
    load_data,
    load_what_can_be,
    summary,
)
from napari_cryoorient.session.display_filter import LowPassFiltered, display_low_pass_of
from napari_cryoorient.session.export import export_poses
from napari_cryoorient.session.inspection import Predictions, inspect
from napari_cryoorient.session.session import Session
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import Projections

from .conftest import BOX, PIXEL_SIZE, N, Stack


def test_summary_says_what_matters(made: Stack) -> None:
    rows = dict(summary(load_data(made.star, made.map)))
    assert rows["Particles"] == f"{N} images, {BOX} px of {PIXEL_SIZE:g}\N{NO-BREAK SPACE}Å"
    assert (rows["Poses"], rows["CTF"]) == ("yes", "yes")
    assert rows["Map"] == f"{BOX} voxels of {PIXEL_SIZE:g}\N{NO-BREAK SPACE}Å"


def test_projections_for_the_eye_are_those_of_the_core(made: Stack) -> None:
    data = load_data(made.star, made.map)
    assert data.particles is not None
    assert data.particles.poses is not None
    assert data.projector is not None
    rows = np.array([5, 2])
    seen = ProjectedPoses(data.projector, data.particles.poses).read(rows)
    core = Projections(read_map(made.map), data.particles.poses).read(rows)
    np.testing.assert_allclose(seen, core, rtol=1e-6)


def test_a_map_of_another_scale_is_a_warning_with_a_mend(made: Stack, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.mrc"
    write_map(replace(read_map(made.map), pixel_size_angstrom=1.0), wrong)
    data = load_data(made.star, wrong)
    assert not data.is_trainable
    assert "Pixel sizes do not belong together" in data.warnings[0]
    mended = load_data(made.star, wrong, map_pixel_size_angstrom=data.corrected_pixel_size_angstrom)
    assert mended.is_trainable
    assert not mended.warnings


def test_dark_particles_are_noticed_and_shown_turned(made: Stack, tmp_path: Path) -> None:
    shutil.copy(made.star, tmp_path / "particles.star")
    bright = MrcStackCollection.of_one(made.star.with_suffix(".mrcs"), PIXEL_SIZE)
    images = bright.read(np.arange(N))
    with StackWriter(tmp_path / "particles.mrcs", N, BOX, PIXEL_SIZE) as writer:
        writer.append(-images)
    data = load_data(tmp_path / "particles.star", made.map)
    assert data.is_negated
    assert "Contrast is inverted" in data.warnings[0]
    assert data.particles is not None
    np.testing.assert_array_equal(
        NegatedImages(data.particles.images).read(np.array([3]))[0], images[3]
    )
    session = Session()
    session.change_settings(invert_contrast="no")
    session.set_data(data)
    assert not session.data.is_negated
    assert "as they are, as requested" in session.data.warnings[0]
    session.change_settings(invert_contrast="auto")
    assert session.data.is_negated
    assert session.data.warnings == data.warnings
    bright_ones = load_data(made.star, made.map)
    assert not bright_ones.is_negated
    assert bright_ones.with_contrast("yes").is_negated


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"There is no such file.*gone\.star$") as caught:
        load_data(tmp_path / "gone.star", None)
    assert caught.value.role == "stack"


def test_what_can_be_used_is_loaded_and_of_the_rest_it_is_said_why(made: Stack, tmp_path: Path):
    data, problems = load_what_can_be(made.star, tmp_path / "gone.mrc")
    assert data.particles is not None
    assert data.density is None
    assert data.map_path is None
    assert problems["map"].path == tmp_path / "gone.mrc"
    assert problems["map"].sentence.startswith("There is no such file")
    assert load_what_can_be(tmp_path, made.map)[1]["stack"].sentence.startswith("This is a folder")


def test_noise_is_first_shown_filtered_and_a_clean_stack_as_it_is():
    noise = np.random.default_rng(0).normal(size=(8, 64, 64)).astype(np.float32)
    assert display_low_pass_of(ArrayImages(noise, 1.3)) == 20.0
    y, x = np.mgrid[-32:32, -32:32] * 1.3
    blob = np.exp(-(x**2 + y**2) / 2 / 20**2).astype(np.float32)[None]
    assert display_low_pass_of(ArrayImages(blob, 1.3)) is None


def test_confidence_comes_back_from_what_was_exported(made: Stack, tmp_path: Path):
    data = load_data(made.star, made.map)
    assert data.confidence is None
    particles = data.particles
    confidence = np.linspace(0.1, 0.9, len(particles))
    found = Predictions(Path("p"), particles.poses, confidence, None, None)
    out = made.star.with_name("with_confidence.star")
    export_poses(data, inspect(data, None, found), out)
    again = load_data(out, made.map)
    np.testing.assert_allclose(again.confidence, confidence, atol=1e-5)
    own = inspect(again, None, None)
    assert "confidence" in own.criteria
    assert own.ranking("confidence")[0] == 0
    export_poses(again, own, made.star.with_name("once_more.star"))
    once_more = load_data(made.star.with_name("once_more.star"), None)
    np.testing.assert_allclose(once_more.confidence, confidence, atol=1e-5)


def test_what_is_exported_elsewhere_says_where_its_images_are(made: Stack, tmp_path: Path):
    data = load_data(made.star, made.map)
    seen = inspect(data, None, None)
    assert export_poses(data, seen, made.star.with_name("beside.star")).beside is None
    elsewhere = tmp_path / "elsewhere" / "poses.star"
    elsewhere.parent.mkdir()
    assert export_poses(data, seen, elsewhere).beside == made.star
    named = export_poses(data, seen, elsewhere, project_dir=made.star.parent)
    assert named.beside is None


def test_low_pass_keeps_the_mean_and_calms_the_noise(made: Stack) -> None:
    images = MrcStackCollection.of_one(made.star.with_suffix(".mrcs"), PIXEL_SIZE)
    rows = np.arange(4)
    seen, calm = images.read(rows), LowPassFiltered(images, 40.0).read(rows)
    np.testing.assert_allclose(calm.mean((1, 2)), seen.mean((1, 2)), atol=1e-3)
    assert calm.std() < seen.std()


def test_a_stack_alone_gets_a_star_file_and_keeps_its_folder_as_it_was(
    made: Stack, tmp_path: Path
) -> None:
    stack = tmp_path / "images.mrcs"
    shutil.copy(made.star.with_suffix(".mrcs"), stack)
    content = stack.read_bytes()
    data = load_data(stack, made.map)
    assert data.star_path == tmp_path / "cryoorient" / "images.star"
    assert data.is_trainable
    assert data.particles is not None
    assert (data.particles.poses, data.particles.ctf) == (None, None)
    assert len(data.particles) == N
    np.testing.assert_array_equal(
        data.particles.images.read(np.arange(N)),
        MrcStackCollection.of_one(made.star.with_suffix(".mrcs"), PIXEL_SIZE).read(np.arange(N)),
    )
    assert "without poses and CTF" in data.notes[0]
    assert dict(summary(data))["Poses"] == "none in the STAR file"
    assert stack.read_bytes() == content


def test_a_star_file_beside_the_stack_is_used_if_it_is_the_stack_s(
    made: Stack, tmp_path: Path
) -> None:
    assert load_data(made.star.with_suffix(".mrcs"), None).star_path == made.star
    shutil.copy(made.star.with_suffix(".mrcs"), tmp_path / "other.mrcs")
    shutil.copy(made.star, tmp_path / "other.star")  # which names particles.mrcs
    assert load_data(tmp_path / "other.mrcs", None).star_path == (
        tmp_path / "cryoorient" / "other.star"
    )


def test_a_stack_without_a_pixel_size_is_refused(tmp_path: Path) -> None:
    with StackWriter(tmp_path / "bare.mrcs", 3, BOX, PIXEL_SIZE) as writer:
        writer.append(np.ones((3, BOX, BOX), np.float32))
    with (tmp_path / "bare.mrcs").open("r+b") as file:
        file.seek(40)  # the cell's edges
        file.write(bytes(12))
    with pytest.raises(InputError, match="no pixel size"):
        load_data(tmp_path / "bare.mrcs", None)
    assert not (tmp_path / "cryoorient").exists()


def test_optics_groups_are_counted(made: Stack) -> None:
    assert dict(summary(load_data(made.star, None)))["Optics groups"] == "1"


def test_joined_stacks_are_shown_in_one_scale_and_said_to_be(made: Stack, tmp_path: Path) -> None:
    images = MrcStackCollection.of_one(made.star.with_name("particles.mrcs"), PIXEL_SIZE)
    read = images.read(np.arange(N))
    is_second = np.arange(N) >= N // 2
    with StackWriter(tmp_path / "particles.mrcs", N, BOX, PIXEL_SIZE) as writer:
        writer.append(read * np.where(is_second, np.float32(30), np.float32(1))[:, None, None])
    tables = starfile.read(made.star, always_dict=True)
    optics = pd.concat([tables["optics"]] * 2, ignore_index=True)
    optics["rlnOpticsGroup"], optics["rlnOpticsGroupName"] = [1, 2], ["a", "b"]
    tables["optics"], tables["particles"]["rlnOpticsGroup"] = optics, 1 + is_second
    starfile.write(tables, tmp_path / "particles.star")
    data = load_data(tmp_path / "particles.star", made.map)
    assert data.particles is not None
    shown = data.particles.images.read(np.arange(N))
    assert shown[is_second].std() == pytest.approx(shown[~is_second].std(), rel=0.2)
    assert any("brought to the scale of the largest" in note for note in data.notes)


def test_the_map_beside_the_images_is_the_one_they_are_compared_with(tmp_path: Path) -> None:
    small = demo_density(24, 4.0)
    random = np.random.default_rng(0)
    voxels = np.pad(small.voxels, 12)
    voxels = voxels + np.float32(0.1 * voxels.max()) * random.normal(size=voxels.shape)
    write_map(replace(small, voxels=voxels.astype(np.float32)), tmp_path / "map.mrc")
    with StackWriter(tmp_path / "noise.mrcs", 20, 48, 4.0) as writer:
        writer.append(random.normal(size=(20, 48, 48)).astype(np.float32))
    data = load_data(tmp_path / "noise.mrcs", tmp_path / "map.mrc")
    assert any("noise fills the map's box" in note for note in data.notes)
    assert data.projector is not None
    views = data.projector(torch.eye(3)[None])[0].numpy()
    assert np.abs(views[:3, :3]).max() < 0.05 * np.abs(views).max()

"""Images that tell nothing stop no command: they keep their poses, with a confidence of 0."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.alignment.likelihood import BandData
from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import angular_distance_deg
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import read_particles, read_star, write_poses
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.refine import refine_inputs
from napari_cryoorient.tasks.search import search_inputs
from napari_cryoorient.tasks.train import run_training

N, BOX = 20, 32
HEADER_BYTES = 1024
FIGURE_OF_MERIT = "rlnParticleFigureOfMerit"
# Row: what its image becomes.
SPOILED = {2: np.nan, 5: np.inf, 8: 7.0, 11: 1e38, 14: 0.0}
GOOD = np.setdiff1d(np.arange(N), list(SPOILED))


def pixels(path: Path, n: int, box: int) -> np.memmap:
    return np.memmap(path, "<f4", "r+", HEADER_BYTES, (n, box, box))


def spoil(path: Path, n: int = N, box: int = BOX) -> None:
    """Put odd images into a stack, one pixel of them where that is enough."""
    images = pixels(path, n, box)
    for row, value in SPOILED.items():
        if np.isfinite(value) and value < 1e30:
            images[row] = value
        elif np.isfinite(value):
            images[row] *= np.float32(value / np.abs(images[row]).max())
        else:
            images[row, 3, 4] = value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_map(demo_density(BOX, 8.0), folder / "input.mrc")
    line = f"simulate {folder / 'input.mrc'} -o {folder} --n {N} --snr 2 --seed 3"
    assert main(line.split()) == 0
    spoil(folder / "particles.mrcs")
    with (folder / "particles.mrcs").open("r+b") as file:  # statistics that are wrong
        for offset in (76, 80, 84, 216):
            file.seek(offset)
            file.write(np.float32(np.nan).tobytes())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "work"
    shutil.copytree(made, copy)
    monkeypatch.chdir(copy)
    return copy


def confidences(star: str) -> np.ndarray:
    return ParticleTable(read_star(star)).floats(FIGURE_OF_MERIT)


def errors_deg(star: str) -> np.ndarray:
    pair = [read_particles(name)[0].poses for name in (star, "particles.star")]
    return angular_distance_deg(*(torch.from_numpy(p.rotations) for p in pair)).numpy()


def test_search_and_refine_go_on_and_keep_the_poses_of_empty_images(folder, capsys):
    for line in (
        "search particles.star --map map.mrc -o found.star",
        "refine particles.star --map map.mrc -o refined.star",
    ):
        assert main(line.split()) == 0
        told = capsys.readouterr().err
        for sentence in (
            "3 rows (3, 6, 12), the first 000003@particles.mrcs: values, or a CTF, that are not",
            "2 rows (9, 15), the first 000009@particles.mrcs: one grey value",
            "5 rows (3, 6, 9 ...), the first 000003@particles.mrcs: no pose can be found",
        ):
            assert told.count(sentence) == 1
        star = line.split()[-1]
        errors, confidence = errors_deg(star), confidences(star)
        assert len(errors) == N
        assert errors[list(SPOILED)].max() < 1e-3
        assert not confidence[list(SPOILED)].any()
        assert np.median(errors[GOOD]) < 3
        assert confidence[GOOD].min() > 0


def test_a_particle_without_pose_keeps_none(folder):
    particles = replace(read_particles("particles.star")[0], poses=None)
    inputs = pair_inputs(particles, read_map("map.mrc"))
    found = search_inputs(inputs, np.arange(4), torch.device("cpu"))
    np.testing.assert_array_equal(found.rows, np.arange(4))
    np.testing.assert_array_equal(found.poses.rotations[2], np.eye(3))
    np.testing.assert_array_equal(found.poses.shifts_angstrom[2], np.zeros(2))
    assert found.confidence[2] == 0
    assert found.confidence[[0, 1, 3]].min() > 0


def test_reconstruct_leaves_them_out(folder):
    particles, star = read_particles("particles.star")
    write_poses(star, particles.poses[GOOD], Path("good.star"), rows=GOOD)
    for name in ("particles", "good"):
        assert main(f"reconstruct {name}.star -o {name}.map.mrc".split()) == 0
    maps = [read_map(f"{name}.map.mrc").voxels for name in ("particles", "good")]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("value", [np.nan, 3.0])
@pytest.mark.parametrize(
    "line",
    [
        "search particles.star --map map.mrc -o out.star",
        "refine particles.star --map map.mrc -o out.star",
        "reconstruct particles.star -o out.mrc",
        "train particles.star --map map.mrc -o out --steps 1",
    ],
)
def test_a_stack_of_nothing_else_is_refused_in_one_sentence(folder, capsys, line, value):
    pixels(folder / "particles.mrcs", N, BOX)[:] = value
    assert main(line.split()) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "particles.star" in told
    assert ("blank" if value == 3.0 else "not finite") in told
    assert not any(folder.glob("out*"))


def test_training_learns_from_none_and_predict_keeps_their_poses(files, paper_config, tiny_network):
    run = files.star.parent / "run"
    spoil(files.star.parent / "particles.mrcs", len(files.images), files.images.shape[-1])
    run_training(paper_config(), files.star, files.map, run)
    with np.load(run / "split.npz") as arrays:
        split = [set(arrays[f"{part}_rows"].tolist()) for part in ("train", "test")]
    assert not split[0] & set(SPOILED)
    assert not split[1] & set(SPOILED)
    assert len(split[0] | split[1]) == len(files.images) - len(SPOILED)
    notes = " ".join(RunReader(run).run().notes)
    assert "5 particles with unusable images: neither learned from" in notes
    out = files.star.parent / "predicted.star"
    assert main(["predict", str(files.star), "--run", str(run), "-o", str(out)]) == 0
    good = np.setdiff1d(np.arange(len(files.images)), list(SPOILED))
    for star in (run / "poses.star", out):
        poses, confidence = read_particles(star)[0].poses, confidences(star)
        np.testing.assert_allclose(
            poses.rotations[list(SPOILED)], files.poses.rotations[list(SPOILED)], atol=1e-5
        )
        assert not confidence[list(SPOILED)].any()
        assert confidence[good].all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_predict_takes_few_particles(files, paper_config, tiny_network, n, capsys):
    folder = files.star.parent
    run_training(paper_config(), files.star, files.map, folder / "run")
    particles, star = read_particles(files.star)
    rows = np.arange(n)
    write_poses(star, particles.poses[rows], folder / "few.star", rows=rows)
    line = ["predict", str(folder / "few.star"), "--run", str(folder / "run")]
    assert main([*line, "-o", str(folder / "out.star")]) == 0
    assert len(read_particles(folder / "out.star")[0]) == n
    pixels(folder / "particles.mrcs", len(files.images), files.images.shape[-1])[:n] = np.nan
    capsys.readouterr()
    assert main([*line, "-o", str(folder / "none.star")]) == 2
    assert "is usable" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (folder / "none.star").exists()


@pytest.mark.parametrize("factor", [-6e4, np.nan])
def test_an_image_whose_ctf_overflows_is_left_out(folder, factor):
    """A B-factor of -60000 square angstrom leaves single precision."""
    particles, _ = read_particles("particles.star")
    particles = particles.subset(GOOD)
    factors = np.zeros(len(GOOD))
    factors[1] = factor
    particles = replace(particles, ctf=replace(particles.ctf, b_factor_angstrom2=factors))
    inputs = pair_inputs(particles, read_map("map.mrc"))
    found = search_inputs(inputs, np.arange(4), torch.device("cpu"))
    assert np.isfinite(found.poses.rotations).all()
    assert found.confidence[1] == 0
    np.testing.assert_array_equal(found.poses.rotations[1], particles.poses.rotations[1])
    assert found.confidence[[0, 2, 3]].min() > 0


def test_poses_that_are_no_numbers_are_no_start(folder):
    particles, _ = read_particles("particles.star")
    particles.poses.rotations[6] = np.nan
    inputs = pair_inputs(particles, read_map("map.mrc"))
    with pytest.raises(InputError, match=r"1 poses of p are not .* particle 7"):
        refine_inputs(inputs, torch.device("cpu"), name="p")


def test_band_data_that_is_not_finite_is_zero():
    parts = [torch.ones(3, 4, dtype=dtype) for dtype in (torch.complex64, *[torch.float32] * 2)]
    parts[1][1, 2] = torch.inf
    data = BandData(*parts).without_overflow()
    for part in (data.cross, data.power, data.energy):
        assert part.abs().sum(1).tolist() == [4, 0, 4]


def test_ctf_columns_do_not_matter_where_the_ctf_is_left_out(folder, capsys):
    text = (folder / "particles.star").read_text()
    changed, n = re.subn(r"(opticsGroup1\s+)300\S*", r"\g<1>3e9", text)
    assert n == 1
    (folder / "bad.star").write_text(changed)
    assert main(["reconstruct", "bad.star", "-o", "bad.mrc"]) == 2
    assert main(["reconstruct", "bad.star", "-o", "bad.mrc", "--no-ctf"]) == 0
    assert capsys.readouterr().err.count("the CTF is left out, as requested") == 1
    assert main(["reconstruct", "particles.star", "-o", "good.mrc", "--no-ctf"]) == 0
    np.testing.assert_array_equal(read_map("bad.mrc").voxels, read_map("good.mrc").voxels)

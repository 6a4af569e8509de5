"""A map that the particles do not show is called so, and one they show is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.api.search import search
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import Data, load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.verdict import verdict_on_poses, verdict_on_search
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    write_simulation,
)

from .conftest import BOX, PIXEL_SIZE, AtOnce, Stack, Told


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noisy")
    settings = SimulationSettings(n=64, snr=0.05, shift_sigma_angstrom=4.0)
    return write_simulation(draw_simulation(demo_density(BOX, PIXEL_SIZE), settings), folder)


def test_the_right_map_is_not_doubted_even_in_noise(noisy: Path):
    data = load_data(noisy, noisy.with_name("map.mrc"))
    assert verdict_on_poses(data) == ""


def test_poses_that_have_nothing_to_do_with_the_images_are_called_so(noisy: Path):
    data = load_data(noisy, noisy.with_name("map.mrc"))
    particles = data.particles
    shuffled = particles.poses[np.roll(np.arange(len(particles)), 7)]
    said = verdict_on_poses(replace(data, particles=replace(particles, poses=shuffled)))
    assert said.startswith("These particles do not show this map")


def test_the_verdict_comes_with_the_data_and_goes_with_them(made: Stack, noisy: Path):
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    session = controller.session
    assert session.verdict == ""
    session.set_verdict("These particles do not show this map.")
    controller.load(noisy, noisy.with_name("map.mrc"))
    assert session.verdict == ""


def test_a_foreign_map_is_told_from_the_stack_s_own_poses(shared_data: Path):
    star = shared_data / "particles" / "aspire_sample" / "sample_particles_relion31.star"
    data = load_data(star, shared_data / "maps" / "bgal_D2_96px_2.2A.mrc")
    assert "do not show this map" in verdict_on_poses(data)


def searched(star: Path, map_path: Path, symmetry: str = "C1") -> tuple[Data, Predictions]:
    """Search some particles as the panel's button does."""
    data = load_data(star, map_path)
    found = search(data.particles, data.density, symmetry=symmetry, subset=32, device="cpu")
    names = list(data.particles.names)
    rows = np.array([names.index(name) for name in found.particles.names])
    errors = None
    if data.particles.poses is not None:
        errors = pose_errors(
            found.poses, data.particles.poses[rows], symmetry_matrices(symmetry)
        ).angles_deg
    confidence = found.confidence
    return data, Predictions(star, found.poses, confidence, errors, None, symmetry, "search", rows)


@pytest.fixture(scope="module")
def searched_in_noise(noisy: Path) -> tuple[Data, Predictions]:
    return searched(noisy, noisy.with_name("map.mrc"))


def test_a_search_that_is_sure_of_nothing_says_so(
    searched_in_noise: tuple[Data, Predictions], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("napari_cryoorient.tasks.doubts.N_SEARCHED", 8)
    data, found = searched_in_noise
    unsure = replace(found, confidence=np.full(len(found.poses), 0.03))
    assert "sure of 3% of them" in verdict_on_search(data, unsure)
    unknown = replace(found, confidence=np.full(len(found.poses), np.nan))
    assert verdict_on_search(data, unknown) == ""
    assert verdict_on_search(data, replace(found, confidence=None)) == ""


def test_the_right_map_beats_its_decoys(searched_in_noise: tuple[Data, Predictions]):
    assert verdict_on_search(*searched_in_noise) == ""


@pytest.mark.parametrize(
    ("map_name", "symmetry", "is_right"),
    [("bgal_D2_96px_2.2A.mrc", "D2", True), ("ribosome70S_C1_96px_4.0A.mrc", "C1", False)],
)
def test_real_particles_are_told_from_a_foreign_map_after_a_search(
    shared_data: Path, map_name: str, symmetry: str, is_right: bool
):
    star = shared_data / "particles" / "empiar10061_bgal" / "particles_192_1.274A.star"
    said = verdict_on_search(*searched(star, shared_data / "maps" / map_name, symmetry))
    assert said == "" if is_right else "no better" in said or "do not show this map" in said


def test_poses_that_a_search_finds_elsewhere_do_not_clear_a_foreign_map(shared_data: Path):
    star = shared_data / "particles" / "aspire_sample" / "sample_particles_relion30.star"
    assert verdict_on_search(*searched(star, shared_data / "maps" / "emd_1832.map"))

"""A map that the particles do not show is called so, and one they show is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.demo.density import demo_density
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.verdict import verdict_on_poses, verdict_on_search
from napari_cryoorient.simulate import SimulationSettings, draw_simulation, write_simulation

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


def test_a_search_that_is_sure_of_nothing_says_so():
    assert verdict_on_search(np.full(20, 0.8)) == ""
    assert verdict_on_search(None) == ""
    assert "sure of 3% of them" in verdict_on_search(np.full(20, 0.03))

"""What the compact network starts from and is told while it learns."""

from __future__ import annotations

import math

import pytest
import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.training.first_layer import (
    N_FAR,
    N_NEAR,
    WhatIsTold,
    mean_projection,
    start_from_map,
)

BOX, PIXEL, B = 24, 8.0, 50


@pytest.fixture(scope="module")
def projector() -> Projector:
    density = demo_density(BOX, PIXEL)
    return Projector(torch.from_numpy(density.voxels), pixel_size_angstrom=PIXEL)


@pytest.fixture(scope="module")
def network(projector: Projector) -> CompactNetwork:
    made = CompactNetwork(
        box=BOX,
        field_of_view_angstrom=BOX * PIXEL,
        spacing_deg=20.0,
        width=48,
        depth=1,
        max_order=12,
        finds_centre=True,
    )
    views = random_rotations(64, torch.Generator().manual_seed(1))
    power = projector.fourier(views).abs().square().mean()
    made.filter.set_powers(torch.full((BOX // 2 + 1,), power), torch.full((BOX // 2 + 1,), power))
    made.centring.set_statistics(mean_projection(projector, 1.0, BOX), 1.0)
    return made


@torch.no_grad()
def test_the_first_layer_answers_most_to_the_view_it_was_made_of(network, projector):
    start_from_map(network, projector, 1.0, None)
    views = random_rotations(48, torch.Generator().manual_seed(0))
    seen = network.filter(projector(views), None)
    answers = network.copies(network.harmonics(seen), torch.zeros(1, 1))[:, 0]
    assert (answers.argmax(1) == torch.arange(48)).float().mean() > 0.9


def told_of(network: CompactNetwork):
    generator = torch.Generator().manual_seed(2)
    tells = WhatIsTold(network, 10.0)
    rotations = random_rotations(B, generator)
    shifts = 10.0 * torch.randn(B, 2, generator=generator)
    drawn = torch.rand(B, tells.n_drawn, generator=generator)
    return rotations, shifts, tells(rotations, shifts, drawn)


def test_the_angles_next_to_the_true_one_come_first_and_stand_for_all(network):
    rotations, _, told = told_of(network)
    n = network.n_training_angles
    traces = network.grid.traces(rotations, told.angles)
    every = torch.arange(B)
    best = traces.amax(1)
    assert bool((best[:, :1] >= best[:, 2:] - 1e-4).all())
    _, true = network.grid.nearest(rotations)
    off = torch.remainder(told.angles[:, 0] - true + math.pi, 2 * math.pi) - math.pi
    assert float(off.abs().max()) <= math.pi / n + 1e-5
    assert float(traces[every, told.views, 0].median()) > 1 + 2 * math.cos(math.radians(25))
    assert told.angles.shape == (B, N_NEAR + N_FAR)
    torch.testing.assert_close(told.log_counts.exp().sum(1), torch.full((B,), float(n)))
    apart = torch.remainder(told.angles[:, :, None] - told.angles[:, None], 2 * math.pi)
    steps = apart / (2 * math.pi / n)
    assert float((steps - steps.round()).abs().max()) < 1e-3


def test_centres_are_told_of_half_the_images_and_found_for_the_others(network, projector):
    rotations, shifts, told = told_of(network)
    is_told = ~told.centres_angstrom.isnan().any(1)
    assert 0.3 < is_told.float().mean() < 0.7
    off = (told.centres_angstrom - shifts)[is_told]
    assert 0.5 < float(off.norm(dim=1).median()) < 10.0
    network.train()
    with torch.no_grad():
        prediction = network(projector(rotations, shifts), None, told)
    assert prediction.extra["logits"].shape == (B, network.grid.n_directions, N_NEAR + N_FAR)
    # A shift head that has learned nothing leaves what was told, or found.
    left = prediction.shifts_angstrom[is_told] - told.centres_angstrom[is_told]
    assert float(left.abs().max()) < 1e-3
    found = prediction.shifts_angstrom[~is_told]
    assert found.isfinite().all()
    assert float((found - shifts[~is_told]).norm(dim=1).median()) < float(
        shifts[~is_told].norm(dim=1).median()
    )

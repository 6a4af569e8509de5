"""What a network proposes to a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.networks.proposals import N_PLACES, NetworkProposer, probable_places
from napari_cryoorient.particles import ArrayImages, ParticleSet

CPU = torch.device("cpu")
BOX, PIXEL, N = 16, 5.0, 7
KEYS = {
    "box": BOX,
    "field_of_view_angstrom": BOX * PIXEL,
    "spacing_deg": 25.0,
    "width": 16,
    "hidden": 16,
    "depth": 1,
    "max_order": 6,
}


@pytest.fixture(scope="module")
def particles() -> ParticleSet:
    images = np.random.default_rng(0).normal(size=(N, BOX, BOX)).astype(np.float32)
    return ParticleSet(ArrayImages(images, PIXEL), None, None, np.zeros(N, dtype=np.int64))


def network(representation: str = "distribution") -> CompactNetwork:
    torch.manual_seed(0)
    made = CompactNetwork(**KEYS, representation=representation)
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.shift_head.weight)
    return made


def test_weights_are_those_of_the_distribution_whatever_the_chunks(particles, monkeypatch):
    whole = NetworkProposer(network(), particles, box=BOX, device=CPU)
    rows = np.array([5, 0, 3, 6])
    proposed = whole.propose(rows)
    assert proposed.log_weights.shape == (4, 1, len(whole.directions))
    torch.testing.assert_close(proposed.log_weights.exp().sum(2), torch.ones(4, 1))
    alone = network().eval()
    with torch.no_grad():
        prediction = alone(torch.from_numpy(particles.images.read(rows)), None)
    # A view's share is that of all its in-plane angles; half of them tell it nearly as well.
    share = prediction.extra["logits"].flatten(1).softmax(1).view(4, len(whole.directions), -1)
    for told, expected in zip(proposed.log_weights[:, 0].exp(), share.sum(2), strict=True):
        assert torch.corrcoef(torch.stack([told, expected]))[0, 1] > 0.9
    torch.testing.assert_close(whole.directions, alone.grid.references[:, 2], rtol=0, atol=0)
    monkeypatch.setattr("napari_cryoorient.networks.prediction.CPU_PIXELS", 2 * BOX**2)
    in_pieces = NetworkProposer(network(), particles, box=BOX, device=CPU).propose(rows)
    # Products of bfloat16 are summed in another order.
    torch.testing.assert_close(in_pieces.log_weights, proposed.log_weights, rtol=0.02, atol=0.1)
    torch.testing.assert_close(
        in_pieces.shifts_angstrom, proposed.shifts_angstrom, rtol=0.05, atol=0.5
    )


def test_a_network_that_finds_centres_proposes_places_each_with_its_views(particles):
    made = CompactNetwork(**KEYS, finds_centre=True)
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.shift_head.weight)
    made.centring.set_statistics(torch.ones(BOX // 2 + 1), 2.0)
    proposed = NetworkProposer(made, particles, box=BOX, device=CPU).propose(np.arange(N))
    assert proposed.log_weights.shape == (N, N_PLACES, made.grid.n_directions)
    assert proposed.shifts_angstrom.shape == (N, N_PLACES, 2)
    total = proposed.log_weights.exp().sum((1, 2))
    torch.testing.assert_close(total, torch.ones(N))
    # The views of two places are not the same.
    first, second = proposed.log_weights.softmax(2).unbind(1)[:2]
    assert float((first - second).abs().sum(1).min()) > 0.1


def test_places_are_means_of_near_cells_the_heaviest_first():
    shifts = torch.tensor([[[0.0, 0.0], [20.0, 0.0], [22.0, 0.0], [0.0, 2.0]]])
    weights = torch.tensor([[0.2, 0.3, 0.3, 0.2]]).log()
    places, masses = probable_places(weights, shifts, 2)
    torch.testing.assert_close(places, torch.tensor([[[21.0, 0.0], [0.0, 1.0]]]))
    torch.testing.assert_close(masses.exp(), torch.tensor([[0.6, 0.4]]))


def test_a_network_of_single_poses_has_no_hypotheses(particles):
    with pytest.raises(InputError, match="one pose an image"):
        NetworkProposer(network("quaternion"), particles, box=BOX, device=CPU)

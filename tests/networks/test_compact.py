from __future__ import annotations

import math

import pytest
import torch

from napari_cryoorient.geometry.rotations import (
    angular_distance_deg,
    random_rotations,
    turn_in_plane,
)
from napari_cryoorient.networks.build import build_network
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.projection.fourier_slice import Projector

BOX = 32
PIXEL = 5.0
REPRESENTATIONS = ["distribution", "quaternion", "axis-angle", "6d"]


@pytest.fixture(scope="module")
def projector() -> Projector:
    generator = torch.Generator().manual_seed(3)
    axis = torch.arange(BOX) - BOX // 2
    zyx = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).float()
    volume = torch.zeros(BOX, BOX, BOX)
    for _ in range(8):
        centre = torch.randn(3, generator=generator) * 3.5
        volume += torch.exp(-((zyx - centre) ** 2).sum(-1) / 5.0)
    return Projector(volume, pixel_size_angstrom=PIXEL)


def network(representation: str = "distribution", **changes: int) -> CompactNetwork:
    torch.manual_seed(0)
    made = CompactNetwork(
        box=BOX,
        field_of_view_angstrom=BOX * PIXEL,
        representation=representation,
        spacing_deg=20.0,
        width=32,
        hidden=32,
        depth=2,
        max_order=12,
        **changes,
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    # Smooth blobs have no power at high frequencies; whitening would only show rounding there.
    radius = torch.arange(BOX // 2 + 1)
    made.filter.set_powers(torch.exp(-(radius**2) / 30.0), torch.full((BOX // 2 + 1,), 0.01))
    return made.eval()


@torch.no_grad()
def test_turning_the_image_turns_the_whole_distribution(projector: Projector) -> None:
    made = network()
    rotations = random_rotations(4, torch.Generator().manual_seed(0))
    turn = turn_in_plane(torch.tensor(2 * math.pi * 7 / made.n_angles))
    before = made(projector(rotations), None).extra["logits"]
    after = made(projector(turn @ rotations), None).extra["logits"]
    expected = torch.roll(before, 7, dims=2)
    spread = expected - expected.mean()
    assert (after - expected).norm() < 0.05 * spread.norm()


@torch.no_grad()
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_pose_and_shift_turn_with_the_image(projector: Projector, representation: str) -> None:
    made = network(representation)
    rotations = random_rotations(4, torch.Generator().manual_seed(0))
    shifts = torch.tensor([[9.0, -4.0]]).expand(4, -1)
    turn = turn_in_plane(torch.tensor(2 * math.pi * 5 / made.n_angles))
    before = made(projector(rotations, shifts), None)
    after = made(projector(turn @ rotations, shifts @ turn[:2, :2].T), None)
    assert angular_distance_deg(after.rotations, turn @ before.rotations).max() < 3.0
    assert before.shifts_angstrom is not None
    assert after.shifts_angstrom is not None
    expected = before.shifts_angstrom @ turn[:2, :2].T
    assert (after.shifts_angstrom - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_every_representation_gives_rotations_and_gradients(
    projector: Projector, representation: str
) -> None:
    made = network(representation).train()
    prediction = made(projector(random_rotations(3, torch.Generator().manual_seed(1))), None)
    product = prediction.rotations @ prediction.rotations.transpose(1, 2)
    torch.testing.assert_close(product, torch.eye(3).expand(3, 3, 3), atol=1e-4, rtol=0)
    assert torch.linalg.det(prediction.rotations).min() > 0.99
    assert prediction.confidence is not None
    assert ((prediction.confidence > 0) & (prediction.confidence <= 1.0001)).all()
    prediction.rotations[:, 0].sum().backward()
    gradient = made.head.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@torch.no_grad()
def test_the_description_and_the_weights_make_the_same_network(projector: Projector) -> None:
    made = network()
    again = build_network(made.description)
    again.load_state_dict(made.state_dict())
    images = projector(random_rotations(2, torch.Generator().manual_seed(1)))
    one, other = made(images, None), again.eval()(images, None)
    assert torch.equal(one.rotations, other.rotations)
    assert torch.equal(one.extra["logits"], other.extra["logits"])

"""Entering slices is the adjoint of the projector, whatever computes it."""

from __future__ import annotations

import torch

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.maps.insertion import SliceSums, add_in_order, half_space_to_volume
from napari_cryoorient.projection.fourier_slice import Projector, divide_by_interpolator
from support.waits import WaitCounter

BOX, RADIUS, PADDING = 16, 6.5, 2


def test_entering_slices_is_the_adjoint_of_projecting():
    generator = torch.Generator().manual_seed(0)
    rotations = random_rotations(5, generator, dtype=torch.float64)
    rotations[0] = torch.eye(3)  # exactly on the grid
    volume = torch.randn(BOX, BOX, BOX, generator=generator, dtype=torch.float64)
    volume.requires_grad_()
    projector = Projector(volume, max_radius=RADIUS, padding=PADDING)
    projected = projector.coefficients(rotations)
    sums = SliceSums(BOX, padding=PADDING, max_radius=RADIUS, dtype=torch.float64)
    # The two go through the half plane in different orders.
    places = list(projector.positions)
    entered = torch.tensor([places.index(place) for place in sums.positions])
    slices = torch.randn(5, len(entered), 2, generator=generator, dtype=torch.float64)
    slices = torch.view_as_complex(slices)

    product = (slices.conj() * projected[:, entered]).real.sum()
    (by_autograd,) = torch.autograd.grad(product, volume)
    sums.insert(rotations, slices, torch.zeros_like(slices.real))
    # The plain inverse divides by the number of voxels; the half space counts each pair once.
    scale = 0.5 * (PADDING * BOX) ** 3
    whole = torch.complex(*sums.hermitian()[:2])
    volume_of = half_space_to_volume(lambda rows: whole[:, rows], sums.edge, BOX, PADDING)
    back = scale * volume_of
    back = divide_by_interpolator(back, PADDING)
    # <slices, P volume> = <P^T slices, volume>
    torch.testing.assert_close((back * volume).sum(), product, rtol=1e-10, atol=0)
    torch.testing.assert_close(back, by_autograd, rtol=1e-9, atol=1e-9)


def test_every_coefficient_is_entered_once_with_all_its_weight():
    sums = SliceSums(BOX)
    n = len(sums.positions)
    ones = torch.ones(3, n)
    sums.insert(random_rotations(3), torch.complex(ones, ones), 2 * ones)
    assert torch.isclose(sums.sums[2].sum(), torch.tensor(6.0 * n))
    # The half of a disc of radius 8: each coefficient or its mirror, the centre alone.
    half = BOX // 2
    disc = sum(
        x * x + y * y <= half * half for x in range(-half, half + 1) for y in range(-half, half + 1)
    )
    # The half plane has no row -N/2; at kx = 0 its mirror +N/2 stands for it.
    assert n == (disc + 1) // 2


def entered(
    *, in_order: bool | None = None, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, int]:
    """Return the sums of some slices, and the waits that entering a few of them would cost."""
    generator = torch.Generator().manual_seed(3)

    def new() -> SliceSums:
        return SliceSums(BOX, max_radius=RADIUS, dtype=dtype, in_order=in_order)

    sums, few = new(), new()
    n = len(sums.positions)
    rotations = random_rotations(200, generator, dtype=dtype)
    slices = torch.view_as_complex(torch.randn(200, n, 2, generator=generator).to(dtype))
    weights = torch.rand(200, n, generator=generator).to(dtype)
    sums.insert(rotations, slices, weights)
    with WaitCounter() as counter:
        few.insert(rotations[:4], slices[:4], weights[:4])
    return sums.sums, counter.total


def test_slices_entered_in_order_add_up_to_the_same():
    exact, _ = entered(dtype=torch.float64)
    in_any, no_waits = entered(in_order=False)
    in_order, waits = entered(in_order=True)
    torch.testing.assert_close(in_order, in_any, rtol=1e-5, atol=1e-4)
    off, off_in_order = (float((each - exact).abs().max()) for each in (in_any, in_order))
    assert off_in_order < 2 * off  # no less precise for it
    assert (no_waits, waits) == (0, 1)  # of all rings together, as a GPU takes them


def test_one_place_gets_its_values_in_their_order():
    """In single precision 1e8 + 1 - 1e8 is 0, and 1e8 - 1e8 + 1 is 1."""
    sums = torch.zeros(2, 5)
    places = torch.tensor([3, 1, 3, 1, 3, 1, 0])
    values = torch.tensor([1e8, 1e8, 1.0, -1e8, -1e8, 1.0, 7.0])
    add_in_order(sums, places, torch.stack([values, 2 * values]))
    assert sums.tolist() == [[7.0, 1.0, 0.0, 0.0, 0.0], [14.0, 2.0, 0.0, 0.0, 0.0]]
    add_in_order(sums, places[:0], values[None, :0].expand(2, 0))
    assert float(sums.sum()) == 24.0


def test_a_cpu_adds_in_order_without_a_sort():
    torch.use_deterministic_algorithms(True)
    try:
        _, waits = entered()
    finally:
        torch.use_deterministic_algorithms(False)
    assert waits == 0

"""Derivatives that come with interpolated values are those of automatic differentiation."""

from __future__ import annotations

import torch

from napari_cryoorient.projection.interpolation import (
    _grid_sampled_slice,
    interpolate_half_space,
    interpolate_with_gradient,
)

EDGE = 9


def a_transform_and_points() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shape = (2, 2 * EDGE + 1, 2 * EDGE + 1, EDGE + 1)
    transform = torch.randn(shape, generator=generator, dtype=torch.float64)
    points = (torch.rand(4, 3, 50, generator=generator, dtype=torch.float64) * 2 - 1) * (EDGE - 1)
    return transform, points


def test_values_and_derivatives_are_those_of_autograd() -> None:
    transform, points = a_transform_and_points()
    value, real, imaginary = interpolate_with_gradient(transform, points)
    assert not value.requires_grad
    torch.testing.assert_close(value, interpolate_half_space(transform, points))
    watched = points.clone().requires_grad_()
    other = _grid_sampled_slice(transform, watched)
    torch.testing.assert_close(value, other.detach())
    (by_real,) = torch.autograd.grad(other.real.sum(), watched, retain_graph=True)
    (by_imaginary,) = torch.autograd.grad(other.imag.sum(), watched)
    torch.testing.assert_close(real, by_real)
    torch.testing.assert_close(imaginary, by_imaginary)
    assert bool((points[:, 0] < 0).any())  # the half that is folded was looked at too

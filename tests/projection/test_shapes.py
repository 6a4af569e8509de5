"""The check of shapes checks: a wrong one is noticed, and the room's functions are under it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import pytest
import torch
from torch import Tensor

from napari_cryoorient.alignment.refine import gauss_newton
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.search.shifts import ShiftPrior
from napari_cryoorient.alignment.search.view_bank import ViewBank
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.resample import fourier_to_images, images_to_fourier
from support.shapes import WrongShape, checked


def cropped(
    images: Annotated[Tensor, "*b n n"], box: int, weights: Annotated[Tensor, "*b"] | None = None
) -> Annotated[Tensor, "*b box box//2+1"]:
    return images[..., :box, : box // 2 + (1 if box < 8 else 2)]


def test_what_fits_the_signature_passes() -> None:
    assert checked(cropped)(torch.ones(5, 3, 16, 16), 6).shape == (5, 3, 6, 4)
    assert checked(cropped)(torch.ones(16, 16), box=4).shape == (4, 3)
    assert checked(cropped)(torch.ones(5, 16, 16), 6, torch.ones(5)).shape == (5, 6, 4)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ((torch.ones(16, 15), 6), "images"),
        ((torch.ones(5, 16, 16), 6, torch.ones(4)), "weights"),
        ((torch.ones(16, 16), 8), "->"),
    ],
    ids=["not square", "another number", "what it returns"],
)
def test_what_does_not_is_noticed(arguments: tuple[object, ...], where: str) -> None:
    with pytest.raises(WrongShape, match=where):
        checked(cropped)(*arguments)


def test_the_room_is_checked() -> None:
    with pytest.raises(WrongShape, match="images_to_fourier"):
        images_to_fourier(torch.ones(8, 6))
    with pytest.raises(WrongShape, match="fourier_to_images"):
        fourier_to_images(torch.ones(8, 6, dtype=torch.complex64))
    projector = Projector(torch.ones(8, 8, 8))
    with pytest.raises(WrongShape, match="rotations"):
        projector(torch.eye(3))
    with pytest.raises(WrongShape, match="ctf"):
        projector(torch.eye(3)[None], None, torch.ones(1, 8, 4))


def test_the_alignment_is_checked_too() -> None:
    at = replace(Hypotheses(*[torch.ones(2)] * 8), curvature=torch.eye(5).repeat(2, 1, 1))
    at = replace(at, gradient=torch.ones(2, 5))
    assert gauss_newton.damped_step(at, torch.ones(2)).shape == (2, 5)
    with pytest.raises(WrongShape, match="damping"):
        gauss_newton.damped_step(at, torch.ones(2, 1))


def test_shifts_of_a_search_are_checked():
    with pytest.raises(WrongShape, match="shifts_angstrom"):
        ShiftPrior(1.0, 5.0).log_density(torch.zeros(4, 3))
    with pytest.raises(WrongShape, match="directions"):
        ViewBank.neighbours_among(None, torch.zeros(4, 2))

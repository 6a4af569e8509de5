from __future__ import annotations

import pytest
import torch
from torch import Tensor


def blobs(box: int, *, sigma: float = 1.6, dtype: torch.dtype = torch.float64) -> Tensor:
    """A lopsided map of five Gaussian blobs within 0.3 of the box of its centre."""
    generator = torch.Generator().manual_seed(3)
    axis = torch.arange(box, dtype=dtype) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    volume = torch.zeros(box, box, box, dtype=dtype)
    for weight in (1.0, 0.9, 0.7, 0.6, 0.5):
        centre = (torch.rand(3, generator=generator, dtype=dtype) - 0.5) * 0.35 * box
        squared = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
        volume += weight * torch.exp(-squared / (2 * sigma**2))
    return volume


@pytest.fixture(scope="session")
def density() -> Tensor:
    """The blobs in 32 voxels, float64."""
    return blobs(32)

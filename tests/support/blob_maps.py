"""Made maps of known symmetry."""

from __future__ import annotations

import torch

from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import DensityMap


def blobs(
    symmetry: str,
    turn: torch.Tensor | None = None,
    box: int = 40,
    *,
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    n_missing: int = 0,
) -> DensityMap:
    """Lopsided blobs at every equivalent place, the group's axes turned by ``turn``.

    The axes meet at ``centre`` (x, y, z in voxels); ``n_missing`` equivalent places are empty.
    """
    generator = torch.Generator().manual_seed(7)
    group = symmetry_matrices(symmetry)
    if turn is not None:
        group = turn @ group @ turn.T
    axis = torch.arange(box, dtype=torch.float64) - box // 2
    xyz = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flip(-1)
    volume = torch.zeros(box, box, box, dtype=torch.float64)
    for _ in range(4):
        direction = torch.nn.functional.normalize(
            torch.randn(3, generator=generator, dtype=torch.float64), dim=0
        )
        far = direction * (7 + 7 * torch.rand(1, generator=generator).double())
        for place in (group @ far)[n_missing:] + torch.tensor(centre, dtype=torch.float64):
            volume += torch.exp(-(xyz - place).square().sum(-1) / 4.5)
    return DensityMap(volume.float().numpy(), 4.0)

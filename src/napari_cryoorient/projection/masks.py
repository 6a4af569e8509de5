"""A soft mask around a molecule, found from its map."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.geometry.soft_edges import soft_edge
from napari_cryoorient.particles import Images
from napari_cryoorient.projection.resample import lowpass

# What belongs together shows at this resolution; finer detail is noise to a mask.
LOWPASS_ANGSTROM = 15.0
_LEAST_LOWPASS_VOXELS = 4.0


def molecule_mask(
    voxels: Images,
    pixel_size_angstrom: float,
    *,
    extend_angstrom: float | None = None,
    edge_angstrom: float | None = None,
) -> Images:
    """Return a soft mask ``(N, N, N)`` around the densest connected part of a map.

    The map is low-passed, and cut where Otsu's threshold parts molecule from solvent; the largest
    piece, its holes filled, is extended and given a soft edge.  Both widths are three voxels, and
    never less than 10 angstrom.
    """
    import scipy.ndimage  # loads slowly, and few commands make a mask

    box = voxels.shape[-1]
    wide = max(3 * pixel_size_angstrom, 10.0)
    extend, edge = (wide if value is None else value for value in (extend_angstrom, edge_angstrom))
    resolution = max(LOWPASS_ANGSTROM, _LEAST_LOWPASS_VOXELS * pixel_size_angstrom)
    smooth = lowpass(
        torch.tensor(voxels, dtype=torch.float32), resolution, pixel_size_angstrom, n_dimensions=3
    ).numpy()
    axis = np.arange(box) - box // 2
    squares = axis * axis
    in_sphere = squares[:, None, None] + squares[:, None] + squares < (box // 2) ** 2
    binary = (smooth > otsu_threshold(smooth[in_sphere])) & in_sphere
    pieces, n = scipy.ndimage.label(binary)
    if n > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        binary = pieces == int(sizes.argmax())
    binary = scipy.ndimage.binary_fill_holes(binary)
    away = scipy.ndimage.distance_transform_edt(~binary) * pixel_size_angstrom
    return soft_edge(away - extend, edge)


def otsu_threshold(values: Images, n_bins: int = 256) -> float:
    """Return the value that parts a histogram into two classes of the least spread (Otsu, 1979)."""
    counts, edges = np.histogram(values, bins=n_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sum_below = np.cumsum(counts * centres)
    mean_below = sum_below / np.maximum(below, 1)
    mean_above = (sum_below[-1] - sum_below) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    return float(edges[1:][int(between.argmax())])

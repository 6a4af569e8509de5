"""Whether particles show the map at all: a plain sentence from a few of them against decoys.

For a STAR file's poses the decoys are the same particles at random orientations.  Poses that were
found with this map agree with it better than those whatever it shows; a search is compared with one
that has a map of random detail to find (``decoys``).
"""

from __future__ import annotations

import numpy as np

from napari_cryoorient.config import InvertContrast
from napari_cryoorient.particles import DensityMap, Floats, Poses
from napari_cryoorient.session.correlations import correlations_of
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.decoys import decoy_of
from napari_cryoorient.session.inspection import Predictions

N_COMPARED, N_AT_LEAST = 64, 8
# The mean of the differences has to lie so many of its standard errors above zero.
CLEAR = 2.0
# With decoys of the map so many particles are searched again: some seconds.
N_SEARCHED, N_DECOYS = 24, 3
# Poses farther apart than this are of different views.
FAR_DEG = 30.0
# A search that is sure of fewer than this part of the particles found nothing.
LEAST_CONFIDENCE = 0.15


def verdict_on_poses(data: Data, seed: int = 0) -> str:
    """Say whether the stack's own poses show the map; empty where they do or nothing can be said.

    Raises:
        InputError: where an image cannot be read.

    """
    from scipy.spatial.transform import Rotation

    particles = data.particles
    if particles is None or particles.poses is None or data.projector is None:
        return ""
    n = min(len(particles), N_COMPARED)
    if n < N_AT_LEAST:
        return ""
    rows = np.unique(np.linspace(0, len(particles) - 1, n).astype(np.int64))
    poses = particles.poses[rows]
    random = Rotation.random(len(rows), rng=np.random.default_rng(seed)).as_matrix()
    at_poses = correlations_of(data, poses, rows)
    at_random = correlations_of(data, Poses(random, poses.shifts_angstrom), rows)
    if _is_clear(at_poses - at_random):
        return ""
    return (
        "These particles do not show this map at the STAR file's poses: they correlate with it "
        f"no better ({at_poses.mean():.3f}) than at random orientations ({at_random.mean():.3f}). "
        "Check that map and poses belong together."
    )


def verdict_on_search(data: Data, found: Predictions, seed: int = 0) -> str:
    """Say whether a search found the map in the particles; empty where it did.

    A few particles are searched again, with the map and with decoys of it: a map that the
    particles show agrees with them better than each of its decoys. Where the stack's own poses do
    not show the map and the search has found others, both cannot be right.

    Raises:
        InputError: where an image cannot be read.

    """
    confidence = found.confidence
    belong = "Check that map and particles belong together."
    if confidence is not None and np.isfinite(confidence).any():
        sure = float(np.nanmean(confidence))
        if sure < LEAST_CONFIDENCE:
            return (
                "These particles do not show this map: the search is sure of "
                f"{100 * sure:.0f}% of them. {belong}"
            )
    differences = _beyond_decoys(data, found, seed)
    if any(not _is_clear(difference) for difference in differences):
        return (
            "These particles do not show this map: a search with a map of random detail finds "
            f"them as well. {belong}"
        )
    if found.errors_deg is not None:
        apart = float(np.median(found.errors_deg))
        if apart > FAR_DEG and verdict_on_poses(data, seed):
            return (
                "The STAR file's poses do not show this map, and the search's lie "
                f"{apart:.0f}\N{DEGREE SIGN} from them (median). {belong}"
            )
    return ""


def _beyond_decoys(data: Data, found: Predictions, seed: int) -> list[Floats]:
    """Return by how much each of a few particles correlates better with the map than with decoys.

    None where there are too few particles to tell.
    """
    from napari_cryoorient.api.search import search

    particles, density = data.particles, data.density
    n = len(found.poses)
    if particles is None or density is None or n < N_AT_LEAST:
        return []
    rows = np.arange(len(particles)) if found.rows is None else found.rows
    some = rows[np.unique(np.linspace(0, n - 1, min(n, N_SEARCHED)).astype(np.int64))]
    few = particles[some]
    contrast: InvertContrast = "yes" if data.is_negated else "no"

    def correlations(reference: DensityMap, symmetry: str) -> Floats:
        estimates = search(
            few, reference, symmetry=symmetry, invert_contrast=contrast, device="cpu", seed=seed
        )
        return np.asarray(estimates.correlation)

    with_map = correlations(density, found.symmetry)
    return [with_map - correlations(decoy_of(density, seed + i), "C1") for i in range(N_DECOYS)]


def _is_clear(differences: Floats) -> bool:
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return bool(differences.mean() > CLEAR * error)

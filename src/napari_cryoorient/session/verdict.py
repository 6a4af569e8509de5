"""Whether particles show the map at all: a plain sentence from a few of them against decoys.

The decoys are the same particles at random orientations.  Poses that were found with this map agree
with it better than decoys whatever it shows; of those the search's own confidence has to tell.
"""

from __future__ import annotations

import numpy as np

from napari_cryoorient.particles import Floats, Poses
from napari_cryoorient.session.correlations import correlations_of
from napari_cryoorient.session.data import Data

N_COMPARED, N_AT_LEAST = 64, 8
# The mean of the differences has to lie so many of its standard errors above zero.
CLEAR = 2.0
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
    difference = at_poses - at_random
    error = difference.std(ddof=1) / np.sqrt(len(rows))
    if difference.mean() > CLEAR * error:
        return ""
    return (
        "These particles do not show this map at the STAR file's poses: they correlate with it "
        f"no better ({at_poses.mean():.3f}) than at random orientations ({at_random.mean():.3f}). "
        "Check that map and poses belong together."
    )


def verdict_on_search(confidence: Floats | None) -> str:
    """Say whether a search found the map in the particles; empty where it did."""
    if confidence is None or not len(confidence) or confidence.mean() >= LEAST_CONFIDENCE:
        return ""
    return (
        "These particles do not show this map: the search is sure of "
        f"{100 * confidence.mean():.0f}% of them. Check that map and particles belong together."
    )

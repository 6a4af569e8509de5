"""Whether particles show the map at all: a plain sentence from a few of them against nulls.

For a STAR file's poses the nulls are the same particles at random orientations.  Poses that were
found with this map agree with it better than those whatever it shows; a search is compared with one
on images without a particle and one with maps of random detail.
"""

from __future__ import annotations

import numpy as np

from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Predictions

# Poses farther apart than this are of different views.
FAR_DEG = 30.0
# A search that is sure of fewer than this part of the particles found nothing.
LEAST_CONFIDENCE = 0.15


def verdict_on_poses(data: Data, seed: int = 0) -> str:
    """Say whether the stack's own poses show the map; empty where they do or nothing can be said.

    Raises:
        InputError: where an image cannot be read.

    """
    if data.particles is None or data.density is None or data.projector is None:
        return ""
    from napari_cryoorient.tasks.doubts import doubt_about_poses

    doubt = doubt_about_poses(
        data.particles, data.density, invert_contrast=_contrast(data), seed=seed
    )
    return doubt or ""


def verdict_on_search(data: Data, found: Predictions, seed: int = 0) -> str:
    """Say whether a search found the map in the particles; empty where it did.

    A few particles are searched again, with the map and with nulls.  Where the stack's own poses do
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
    if (doubt := _doubt_by_nulls(data, found, seed)) is not None:
        return doubt
    if found.errors_deg is not None:
        apart = float(np.median(found.errors_deg))
        if apart > FAR_DEG and verdict_on_poses(data, seed):
            return (
                "The STAR file's poses do not show this map, and the search's lie "
                f"{apart:.0f}\N{DEGREE SIGN} from them (median). {belong}"
            )
    return ""


def _doubt_by_nulls(data: Data, found: Predictions, seed: int) -> str | None:
    """Say so where a few of the particles fit nulls as well as the map."""
    particles = data.particles
    if particles is None or data.density is None:
        return None
    from napari_cryoorient.tasks.doubts import doubt_about_search

    return doubt_about_search(
        particles,
        data.density,
        np.arange(len(particles)) if found.rows is None else found.rows,
        found.symmetry,
        invert_contrast=_contrast(data),
        seed=seed,
    )


def _contrast(data: Data) -> str:
    return "yes" if data.is_negated else "no"

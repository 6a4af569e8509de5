"""Whether particles show a map at all: a sentence of doubt from a few of them, or None."""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.given_poses import N_AT_LEAST, pose_agreement
from napari_cryoorient.alignment.nulls.report import doubt_by_nulls
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet
from napari_cryoorient.stack.grey_scales import in_one_scale
from napari_cryoorient.stack.pairing import pair_inputs

# So many particles are searched again, with nulls: some seconds.
N_SEARCHED = 24


def doubt_about_poses(
    particles: ParticleSet, density: DensityMap, *, invert_contrast: str = "auto", seed: int = 0
) -> str | None:
    """Compare the particles' own poses with random ones; raises InputError for unreadable images.

    None where they show the map, or too few are there to tell.
    """
    if particles.poses is None or len(particles) < N_AT_LEAST:
        return None
    inputs = pair_inputs(particles, density, invert_contrast=invert_contrast)
    found = pose_agreement(inputs.particles, inputs.density, seed)
    return None if found is None or found.is_clear else found.describe()


def doubt_about_search(
    particles: ParticleSet,
    density: DensityMap,
    rows: Integers,
    symmetry: str,
    *,
    invert_contrast: str = "auto",
    seed: int = 0,
) -> str | None:
    """Search a few of the particles ``rows`` again, with nulls; raises InputError as above.

    None where they fit the map better than nulls do, or too few are there to tell.
    """
    n = len(rows)
    if n < N_AT_LEAST:
        return None
    some = rows[np.unique(np.linspace(0, n - 1, min(n, N_SEARCHED)).astype(np.int64))]
    # The scale of a group shows in all of them.
    in_scale, _ = in_one_scale(particles)
    inputs = pair_inputs(in_scale[some], density, invert_contrast=invert_contrast)
    likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
    search = GlobalSearch(likelihood, symmetry_matrices(symmetry))
    return doubt_by_nulls(inputs.density, search, seed=seed)

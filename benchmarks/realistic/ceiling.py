"""How many poses could be found: a climb from the truth stays, and nothing likelier was found.

The likelihood is the program's own, with all that its search has learned of the stack, and the
climb is in the whole band.  A particle counts where the climb ends within ten degrees of the truth,
and the pose that the search found is either right too or no more likely than that end.  Unlike the
rest of ``realistic`` this shares code with inference: it says what a perfect search of that
likelihood would find, and nothing of how good the likelihood is.
"""

from __future__ import annotations

import numpy as np
import torch

from napari_cryoorient import Poses
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.refine.hypotheses import climb
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import load_inputs
from realistic.molecules import MOLECULES
from realistic.scores import CLOSE_DEG, RIGHT_DEG, errors_deg
from realistic.stacks import PARTICLE, Stack

N_STEPS, LARGEST_TURN_DEG, CHUNK = 12, 8.0, 250


def ceiling_scores(stack: Stack, molecule: str) -> dict[str, float]:
    """Return ``median_deg``, ``under_5`` and ``under_10`` of the ends that count.

    Particles that do not count are 180 degrees off; shares are of the particles.
    """
    torch.set_num_threads(1)
    group = MOLECULES[molecule].group
    inputs = load_inputs(stack.star, stack.reference)
    particles = inputs.particles
    search = GlobalSearch(
        ParticleLikelihood(inputs.density, particles, torch.device("cpu")),
        symmetry_matrices(stack.symmetry),
    )
    found = FoundPoses.joined(list(search.search(particles.usable_rows())))
    truth = Poses(stack.rotations[found.rows], stack.shifts_angstrom[found.rows])
    ends, likelihoods = [], []
    for start in range(0, len(found.rows), CHUNK):
        some = slice(start, start + CHUNK)
        rows = found.rows[some]
        at = climb(
            search.likelihood,
            search.likelihood.load(rows),
            torch.arange(len(rows)),
            torch.from_numpy(truth.rotations[some]).float(),
            torch.from_numpy(truth.shifts_angstrom[some]).float(),
            radius=search.likelihood.radius,
            n_steps=N_STEPS,
            largest_turn_deg=LARGEST_TURN_DEG,
        )
        ends.append(at.rotations.double().numpy())
        likelihoods.append(at.log_likelihood.double().numpy())
    errors = errors_deg(np.concatenate(ends), truth.rotations, group)
    is_found = errors_deg(found.poses.rotations, truth.rotations, group) < RIGHT_DEG
    is_likeliest = is_found | (np.concatenate(likelihoods) >= found.log_likelihood)
    errors = np.where((errors < RIGHT_DEG) & is_likeliest, errors, 180.0)
    errors = errors[stack.kinds[found.rows] == PARTICLE]
    if not len(errors):
        return {}
    return {
        "median_deg": float(np.median(errors)),
        "under_5": float(np.mean(errors < CLOSE_DEG)),
        "under_10": float(np.mean(errors < RIGHT_DEG)),
    }

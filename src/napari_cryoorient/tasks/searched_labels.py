"""Labels from a global search of a part of the stack, to learn from where a stack has no poses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import Integers, ParticleSet, Poses
from napari_cryoorient.reporting import Reporter
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.search import random_rows

# Particles labelled to learn from, and to test on.
N_TRAIN, N_TEST = 2000, 200
# Labels less sure than this teach nothing.
LEAST_CONFIDENCE = 0.5
FEWEST_LABELS = 2


@dataclass(frozen=True)
class SearchedLabels:
    """The stack with the poses found; only those of ``train_rows`` and ``test_rows`` mean anything.

    The other poses are the identity.
    """

    particles: ParticleSet
    train_rows: Integers
    test_rows: Integers


def searched_labels(
    inputs: PairedInputs,
    train_rows: Integers,
    test_rows: Integers,
    *,
    symmetry: str,
    seed: int,
    device: torch.device,
    reporter: Reporter,
    n_train: int = N_TRAIN,
    n_test: int = N_TEST,
) -> SearchedLabels:
    """Search a random part of both sets of rows; the same seed gives the same labels.

    Raises InputError where hardly any label is sure, and KeyboardInterrupt when asked to stop.
    """
    learn = train_rows[random_rows(len(train_rows), n_train, seed)]
    test = test_rows[random_rows(len(test_rows), n_test, seed)]
    rows = np.concatenate([learn, test])
    reporter.say(f"Labels: searching {len(rows)} particles globally.")
    search = GlobalSearch(
        ParticleLikelihood(inputs.density, inputs.particles, device), symmetry_matrices(symmetry)
    )
    parts = list(search.search(rows, Reporter(should_stop=reporter.should_stop)))
    if sum(len(part.rows) for part in parts) < len(rows):
        raise KeyboardInterrupt
    found = FoundPoses.joined(parts)
    sure = found.confidence >= LEAST_CONFIDENCE
    sure_learn, sure_test = learn[sure[: len(learn)]], test[sure[len(learn) :]]
    if len(sure_learn) < FEWEST_LABELS or not len(sure_test):
        raise InputError(
            f"The search is sure of {int(sure.sum())} of {len(rows)} particles only: the stack is "
            "too noisy for labels, or is of another particle than the map; use --labels simulated."
        )
    reporter.say(
        f"Labels: {len(sure_learn)} particles to learn from and {len(sure_test)} to test on, of "
        f"mean confidence {found.confidence[sure].mean():.2f}. {_reach_of_test_errors(found, test)}"
    )
    poses = Poses(
        np.tile(np.eye(3), (len(inputs.particles), 1, 1)), np.zeros((len(inputs.particles), 2))
    )
    poses.rotations[rows] = found.poses.rotations
    poses.shifts_angstrom[rows] = found.poses.shifts_angstrom
    return SearchedLabels(replace(inputs.particles, poses=poses), sure_learn, sure_test)


def _reach_of_test_errors(found: FoundPoses, test: Integers) -> str:
    """Say which test particles the errors are measured on, and how wrong their labels may be."""
    confidence = found.confidence[len(found.rows) - len(test) :]
    sure = confidence[confidence >= LEAST_CONFIDENCE]
    return (
        f"Test errors are measured on {len(sure) / len(test):.0%} of the test particles, the ones "
        f"easier to label; about {1 - sure.mean():.0%} of these labels are expected to be off by "
        "more than 10 degrees themselves."
    )

"""Which refined particles ``predict --refine`` searches for as well."""

from __future__ import annotations

import numpy as np

from napari_cryoorient.alignment.refine.local import RefinedPoses
from napari_cryoorient.alignment.refine.two_groups import Strengths
from napari_cryoorient.particles import Poses
from napari_cryoorient.tasks.refine import doubtful_rows


def test_unsure_weak_far_and_those_the_network_was_unsure_of():
    n = 8
    poses = Poses(np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)))
    strengths = Strengths(np.ones(n), np.full(n, 50.0))
    moved, is_weak = np.full(n, 2.0), np.zeros(n, dtype=bool)
    moved[1], is_weak[2] = 25.0, True
    rows = np.arange(10, 10 + n)
    refined = RefinedPoses(
        *(rows, poses, np.ones(n), np.ones(n), moved, np.zeros(n), is_weak),
        *(np.zeros(n, dtype=bool), strengths, strengths, np.full(n, 9.0)),
    )
    confidence, of_network = np.ones(n), np.full(n, 0.01)
    confidence[3], of_network[4] = 0.9, 0.004
    assert doubtful_rows(refined, confidence).tolist() == [11, 12, 13]
    assert doubtful_rows(refined, confidence, of_network).tolist() == [11, 12, 13, 14]

"""What particles are ranked by."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from napari_cryoorient.session.criteria import CRITERIA, Criterion, column_title
from napari_cryoorient.session.inspection import Inspection


def test_every_criterion_has_one_declaration():
    assert tuple(CRITERIA) == get_args(Criterion)


@pytest.mark.parametrize("criterion", get_args(Criterion))
def test_every_criterion_ranks_the_worst_first(criterion: Criterion):
    figures = np.array([0.5, 0.1, 0.9])
    source = "other file" if criterion.endswith("difference") else "network"
    inspection = Inspection(
        "predictions",
        np.arange(3),
        errors_deg=figures,
        shift_errors_angstrom=figures,
        confidence=figures,
        correlations=figures,
        probability_of_a=figures,
        presence=figures,
        pose_probability=figures,
        source=source,
    )
    is_an_error = "error" in criterion or "difference" in criterion
    worst_first = [2, 0, 1] if is_an_error else [1, 0, 2]
    np.testing.assert_array_equal(inspection.ranking(criterion), worst_first)


def test_a_column_tells_its_unit():
    assert column_title("shift error") == "shift error (Å)"
    assert column_title("correlation") == "correlation"

"""What the training loop tells, and what it is told: frozen data across the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Outcome = Literal["stopped", "finished"]


@dataclass(frozen=True)
class Metrics:
    """One line of ``metrics.jsonl``; test figures are those of the last test, None before it.

    RMSE (equation 16) is per pixel, in the map's grey scale at the working box; the relative ones
    are divided by the standard deviation of the true projections.  ``angular_error_deg`` and
    ``shift_error_angstrom`` are medians over the test particles.
    """

    step: int
    seconds: float
    w: float
    loss: float
    qd: float
    reprojection: float
    learning_rate: float
    images_per_second: float
    time_left_s: float | None
    train_rmse: float
    train_relative_rmse: float
    test_rmse: float | None = None
    test_relative_rmse: float | None = None
    angular_error_deg: float | None = None
    shift_error_angstrom: float | None = None
    n_test: int = 0


@dataclass(frozen=True)
class Preview:
    """Fixed test particles, ``k`` of them, as the network sees them at ``step``.

    ``rows`` are rows of the STAR file (-1: made from the map); images and projections (k, N, N).
    """

    step: int
    rows: NDArray[np.int64]
    input: NDArray[np.float32]
    true_projection: NDArray[np.float32]
    predicted_projection: NDArray[np.float32]
    true_rotations: NDArray[np.float64]
    predicted_rotations: NDArray[np.float64]
    true_shifts_angstrom: NDArray[np.float64]
    predicted_shifts_angstrom: NDArray[np.float64]
    angular_error_deg: NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """What one turn of the loop has to say; every part may be missing.

    ``checkpoint`` refers to live tensors: write it before asking for the next report.
    """

    metrics: Metrics | None = None
    preview: Preview | None = None
    checkpoint: dict[str, Any] | None = None
    note: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Request:
    """What the user wants right now; ``w`` None means: as before."""

    w: float | None = None
    stop: bool = False


class Control(Protocol):
    """Where the loop learns what the user wants; polled every step, so it must be cheap."""

    def poll(self) -> Request:
        """Return the latest request."""
        ...


class NoControl:
    """Nobody is steering."""

    def poll(self) -> Request:
        """Return an empty request."""
        return Request()

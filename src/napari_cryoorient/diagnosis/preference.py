"""Which of two poses a particle image prefers, by the likelihood of its pixels.

Both poses are climbed from alike, for a few steps: poses from another program and another map lie a
little beside the top of their basin, and it is basins that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.refine.local import LocalRefinement
from napari_cryoorient.device import in_halves, in_numpy
from napari_cryoorient.diagnosis.frames import Frame
from napari_cryoorient.particles import Floats, Integers, Poses
from napari_cryoorient.reporting import SILENT, Reporter, ShouldStop
from napari_cryoorient.stack.chunks import Stopped, in_threads

# Particles that tell in which of the two frames the map lies.
N_FRAME = 256
# A pose is clearly preferred from this probability on.
CLEAR = 0.95
# Images of a CPU's chunk that are climbed together, of a band of a box so large, and the fewest:
# whoever stops waits for so many.
CPU_PIECE, PIECE_BOX, LEAST_PIECE = 32, 64, 4


@dataclass(frozen=True)
class Preference:
    """Log-likelihoods ``(k,)`` over that of an empty image, from pose A and from pose B.

    ``at_a`` and ``at_b`` are those of the poses as they are, ``from_a`` and ``from_b`` those that
    a short climb from them reaches.  ``map_is_in_first_frame`` tells whose map it is.
    """

    at_a: Floats
    at_b: Floats
    from_a: Floats
    from_b: Floats
    map_is_in_first_frame: bool

    @property
    def difference(self) -> Floats:
        """How much more probable pose A is, as a difference of logarithms ``(k,)``."""
        return self.from_a - self.from_b

    @property
    def probability_of_a(self) -> Floats:
        """Probability ``(k,)`` that the particle is at pose A, if it is at one of the two."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.difference, -500, 500))))

    @property
    def prefers_a(self) -> np.ndarray:
        """Which pairs ``(k,)`` clearly prefer pose A."""
        return np.asarray(self.probability_of_a > CLEAR)

    @property
    def prefers_b(self) -> np.ndarray:
        """Which pairs ``(k,)`` clearly prefer pose B."""
        return np.asarray(self.probability_of_a < 1 - CLEAR)

    def summary(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            "prefer_a": int(self.prefers_a.sum()),
            "prefer_b": int(self.prefers_b.sum()),
            "prefer_neither": int((~self.prefers_a & ~self.prefers_b).sum()),
            "mean_log_likelihood_at_a": float(self.at_a.mean()),
            "mean_log_likelihood_at_b": float(self.at_b.mean()),
            "map_in_frame_of": "A" if self.map_is_in_first_frame else "B",
        }

    def describe(self) -> str:
        """Say how many particles prefer which pose."""
        s = self.summary()
        return (
            f"By the map, {s['prefer_a']} particles clearly prefer pose A, {s['prefer_b']} pose B, "
            f"{s['prefer_neither']} neither; the map lies in the frame of {s['map_in_frame_of']}."
        )


@torch.no_grad()
def preferred_poses(
    likelihood: ParticleLikelihood,
    rows: Integers,
    a: Poses,
    b: Poses,
    frame: Frame,
    *,
    reporter: Reporter = SILENT,
) -> Preference:
    """Compare the likelihoods of poses ``a`` and ``b`` for the images ``rows``, pair by pair.

    Both are in the frame of map A.  Where the map is that of B, both are taken there.  Raises
    Stopped when asked to stop.
    """
    refinement = LocalRefinement(likelihood)
    few = np.unique(np.linspace(0, len(rows) - 1, N_FRAME).astype(np.int64))
    is_first = True
    if frame.is_clear:

        def totals_of(these: slice) -> Floats:
            data, poses = likelihood.load(rows[few[these]]), [each[few[these]] for each in (a, b)]
            tops = (
                [_climbed(refinement, data, turned(p), reporter.should_stop)[1] for p in poses]
                for turned in (lambda poses: poses, frame.onto_second)
            )
            return np.array([np.maximum(*each).sum() for each in tops])

        size = refinement.chunk_size(len(few))
        starts = range(0, len(few), size)
        chunks = [slice(start, min(start + size, len(few))) for start in starts]
        first, second = np.sum(
            [each for c in chunks for each in in_halves(totals_of, c, likelihood.device)], axis=0
        )
        is_first = bool(first >= second)
    if not is_first:
        a, b = frame.onto_second(a), frame.onto_second(b)

    def work(chunk: slice, data: BandData, ends: ShouldStop) -> tuple[Floats, ...]:
        parts = [_climbed(refinement, data, each[chunk], ends) for each in (a, b)]
        return parts[0][0], parts[1][0], parts[0][1], parts[1][1]

    device = likelihood.device
    parts = list(
        in_threads(
            len(rows),
            refinement.chunk_size(len(rows)),
            device,
            load=lambda chunk: likelihood.load(rows[chunk]),
            work=work,
            reporter=reporter,
        )
    )
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)] if parts else []
    if not columns or len(columns[0]) < len(rows):
        raise Stopped
    return Preference(columns[0], columns[1], columns[2], columns[3], is_first)


def _piece_of(box: int) -> int:
    """Return how many images of a box are climbed together on a CPU: about a tenth of a second."""
    return max(LEAST_PIECE, min(CPU_PIECE, CPU_PIECE * PIECE_BOX**2 // box**2))


def _climbed(
    refinement: LocalRefinement, data: BandData, poses: Poses, should_stop: ShouldStop
) -> tuple[Floats, Floats]:
    """Return the log-likelihoods ``(b,)`` at poses, and where a climb from them ends.

    Raises Stopped when asked to stop on the way.
    """
    likelihood, n = refinement.likelihood, len(data)
    piece = n if likelihood.device.type != "cpu" else _piece_of(likelihood.box)
    m = data.cross.shape[1]
    parts = []
    for start in range(0, n, piece):
        if should_stop():
            raise Stopped
        here = slice(start, start + piece)
        some, at_poses = data[here], poses[here]
        rotations = torch.from_numpy(at_poses.rotations).float().to(likelihood.device)
        shifts = torch.from_numpy(at_poses.shifts_angstrom).float().to(likelihood.device)
        slices = likelihood.slices(rotations, m) * likelihood.ramps(shifts, m)
        power = slices.real.square() + slices.imag.square()
        at = 2 * (some.cross.conj() * slices).real - some.power * power
        ends = refinement.climbed_once(some, at_poses)
        parts.append((in_numpy(at.sum(1)), in_numpy(ends.log_likelihood)))
    at_all, end_all = (np.concatenate(each) for each in zip(*parts, strict=True))
    return at_all, end_all

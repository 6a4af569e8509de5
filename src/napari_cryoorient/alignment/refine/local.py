"""Local refinement of poses that are known roughly: from narrow bands to the whole one.

The same climb in the whole band alone is the other way up, and the more probable end is kept: a
pose never ends at less than a plain climb makes of it.

A particle whose fit stays weaker than the noise explains, or that moved further than the narrow
band can carry it, is doubtful: it is started anew from poses all around, and the most probable end
wins.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.information import fill_of
from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.presence import Presence, widest_prior
from napari_cryoorient.alignment.refine.bands import bands_up_to
from napari_cryoorient.alignment.refine.gauss_newton import Hypotheses
from napari_cryoorient.alignment.refine.hypotheses import Thinning, by_image, climb, thinned
from napari_cryoorient.alignment.refine.posterior import correlations
from napari_cryoorient.alignment.refine.two_groups import Strengths, learned_amplitudes
from napari_cryoorient.device import in_numpy, part_of, room_for
from napari_cryoorient.geometry.grids import view_directions
from napari_cryoorient.geometry.rotations import (
    rotation_vector_to_matrix,
)
from napari_cryoorient.geometry.symmetry import symmetric_distance_deg
from napari_cryoorient.particles import Floats, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import in_threads

# Steps of the climb that goes straight to the whole band.
N_STRAIGHT_STEPS = 8
# The narrowest band carries a pose about this far (docs/search-and-refine.md).
BASIN_DEG = 18.0
# Amplitudes of right poses spread by this beside what the noise adds; how many of these
# deviations below the mean are doubtful.
AMPLITUDE_SPREAD, DOUBTFUL_DEVIATIONS = 0.1, 2.0
# New starts: turned by these angles about axes this far apart.
RESTART_ANGLES_DEG, RESTART_AXES_DEG = (18.0, 36.0), 50.0
RESTART_THINNING = Thinning(4, deficit=8.0, part=0.2)
# Particles that show how strong their stack's are, and the fewest of a stack that are asked.
N_TO_LEARN_FROM, FEWEST_TO_LEARN_FROM = 64, 16
# Images of a chunk: on a CPU, and at the most; a GPU's memory holds so many float32 of each pixel.
CPU_CHUNK, LARGEST_CHUNK, NUMBERS_A_PIXEL = 128, 16384, 24


@dataclass(frozen=True)
class RefinedPoses:
    """Refined poses of particles ``rows`` ``(k,)``; the other fields are ``(k,)`` too.

    ``moved_deg`` is the angle from the pose at the start or an equal one, ``moved_angstrom`` the
    distance of the shift; ``is_doubtful`` tells where the fit is weaker than noise explains,
    ``was_restarted`` where many new starts were tried; ``log_likelihood`` is over that of an empty
    image, in the whole band; ``strengths`` are those of ``refine.two_groups``,
    ``first_strengths`` those before any new start; ``presence_log_odds`` those of
    ``alignment.presence``.
    """

    rows: Integers
    poses: Poses
    correlation: Floats
    log_likelihood: Floats
    moved_deg: Floats
    moved_angstrom: Floats
    is_doubtful: np.ndarray
    was_restarted: np.ndarray
    strengths: Strengths
    first_strengths: Strengths
    presence_log_odds: Floats

    @property
    def n_beyond_basin(self) -> int:
        """How many particles moved further than the narrowest band can be trusted to carry."""
        return int((self.moved_deg > BASIN_DEG).sum())

    @property
    def median_moved_deg(self) -> float:
        """Median angle between the poses before and after."""
        return float(np.median(self.moved_deg))

    @property
    def median_moved_angstrom(self) -> float:
        """Median distance between the shifts before and after."""
        return float(np.median(self.moved_angstrom))

    @staticmethod
    def joined(parts: list[RefinedPoses]) -> RefinedPoses:
        """Join chunks, in order."""
        if len(parts) == 1:
            return parts[0]
        return RefinedPoses(
            np.concatenate([p.rows for p in parts]),
            Poses(
                np.concatenate([p.poses.rotations for p in parts]),
                np.concatenate([p.poses.shifts_angstrom for p in parts]),
            ),
            np.concatenate([p.correlation for p in parts]),
            np.concatenate([p.log_likelihood for p in parts]),
            np.concatenate([p.moved_deg for p in parts]),
            np.concatenate([p.moved_angstrom for p in parts]),
            np.concatenate([p.is_doubtful for p in parts]),
            np.concatenate([p.was_restarted for p in parts]),
            Strengths.joined([p.strengths for p in parts]),
            Strengths.joined([p.first_strengths for p in parts]),
            np.concatenate([p.presence_log_odds for p in parts]),
        )


class LocalRefinement:
    """Refines the particles of a likelihood.

    The map's symmetry ``group`` ``(g, 3, 3)``, none by default, matters only for whether its
    particle is there, and for how far poses have moved.  ``chunk`` is that of another refinement
    of the same stack: on a CPU the same images are then worked on together, and ``learned`` is
    what it has learned of the particles' amplitudes (``amplitudes``).
    """

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor | None = None,
        *,
        chunk: int | None = None,
        learned: tuple[float, float] | None = None,
    ) -> None:
        # Its own, since it learns how strong the particles are.
        self.likelihood = copy.copy(likelihood)
        if learned is not None:
            self.likelihood.take_amplitudes(*learned)
        self.group = torch.eye(3)[None] if group is None else group
        self._symmetry = self.group.float().to(likelihood.device)
        self._chunk = chunk
        self.bands = bands_up_to(likelihood.radius, fill_of(likelihood.volume))
        axes = view_directions(RESTART_AXES_DEG).float()
        vectors = torch.cat([axes * math.radians(angle) for angle in RESTART_ANGLES_DEG])
        self._turns = rotation_vector_to_matrix(vectors).to(likelihood.device)
        self._group = torch.eye(3, device=likelihood.device)[None]
        self._presence = Presence(self.likelihood, len(self.group))
        self._shift_prior = widest_prior(likelihood)

    def reading(self, particles: ParticleSet) -> LocalRefinement:
        """Return the same refinement with other particles of the same stack to read."""
        other = copy.copy(self)
        other.likelihood = self.likelihood.reading(particles)
        return other

    @property
    def amplitudes(self) -> tuple[float, float]:
        """The particles' mean amplitude times the stack's gain, and their spread."""
        return self.likelihood.strength, self.likelihood.amplitude_sigma

    def learn_amplitudes(self, rows: Integers, poses: Poses, reporter: Reporter = SILENT) -> None:
        """Learn how strong the particles are, of a sample of ``rows`` that start at ``poses``.

        The strength that the power of images tells is off where their noise is not quite known;
        where a pose is right, the image holds its projection once.  Their spread stays as wide as
        it is: under a narrow one, images at wrong poses would no longer look weak, and would not be
        tried from others.
        """
        if len(rows) < FEWEST_TO_LEARN_FROM:
            return
        sample = np.unique(np.linspace(0, len(rows) - 1, N_TO_LEARN_FROM).astype(np.int64))
        quiet = Reporter(should_stop=reporter.should_stop)
        parts = list(self.refine(rows[sample], poses[sample], restarts=False, reporter=quiet))
        if not parts:
            return
        refined = RefinedPoses.joined(parts)
        is_there = 0.5 + 0.5 * np.tanh(0.5 * refined.presence_log_odds)
        strength, _ = learned_amplitudes(refined.strengths, is_there)
        self.likelihood.take_amplitudes(strength, self.likelihood.amplitude_sigma)

    def refine(
        self,
        rows: Integers,
        poses: Poses,
        *,
        restarts: bool = True,
        reporter: Reporter = SILENT,
    ) -> Iterator[RefinedPoses]:
        """Yield refined poses of particles ``rows``, pose i being that of row i, in order.

        Without ``restarts`` no particle is tried from other poses than its own.
        It ends early when the reporter says so.
        """
        device = self.likelihood.device
        return in_threads(
            len(rows),
            self.chunk_size(len(rows)),
            device,
            load=lambda chunk: self.likelihood.load(rows[chunk]),
            work=lambda chunk, data, _: self.of_images(
                rows[chunk], data, poses[chunk], restarts=restarts
            ),
            reporter=reporter,
        )

    def chunk_size(self, n: int) -> int:
        """Return how many of n particles are refined together."""
        if self._chunk is not None and self.likelihood.device.type == "cpu":
            return part_of(n, min(self._chunk, CPU_CHUNK))
        bytes_each = 4 * NUMBERS_A_PIXEL * self.likelihood.particles.box**2
        room = room_for(bytes_each, self.likelihood.device, cpu=CPU_CHUNK, most=LARGEST_CHUNK)
        return part_of(n, room)

    @torch.no_grad()
    def of_images(
        self, rows: Integers, data: BandData, poses: Poses, *, restarts: bool = True
    ) -> RefinedPoses:
        """Refine images already loaded from ``poses``."""
        device = self.likelihood.device
        rotations, shifts = self._tensors(poses)
        owner = torch.arange(len(data), device=device)
        best, went_far = self._climb_both_ways(data, owner, rotations, shifts)
        first = best
        moved = symmetric_distance_deg(best.rotations, rotations, self._symmetry)
        was_restarted = restarts & (is_weak(best) | (moved > BASIN_DEG) | went_far)
        again = torch.nonzero(was_restarted)[:, 0]
        if len(again):
            restarted = self._restarted(data[again], rotations[again], shifts[again])
            everywhere = torch.searchsorted(again, owner).clamp_max(len(again) - 1)
            better = torch.zeros(len(data), dtype=torch.bool, device=device)
            better[again] = restarted.log_likelihood > best.log_likelihood[again]
            best = best.where(better, restarted[everywhere])
        return RefinedPoses(
            rows,
            Poses(in_numpy(best.rotations), in_numpy(best.shifts_angstrom)),
            in_numpy(correlations(data, best)),
            in_numpy(best.log_likelihood),
            in_numpy(symmetric_distance_deg(best.rotations, rotations, self._symmetry)),
            in_numpy((best.shifts_angstrom - shifts).norm(dim=1)),
            np.array(is_weak(best).cpu().numpy()),
            np.array(was_restarted.cpu().numpy()),
            strengths_of(best),
            strengths_of(first),
            in_numpy(self._presence.log_odds(data, best, self._shift_prior)),
        )

    @torch.no_grad()
    def climbed_once(self, data: BandData, poses: Poses) -> Hypotheses:
        """Return where images climb to from ``poses``, with no new starts."""
        rotations, shifts = self._tensors(poses)
        owner = torch.arange(len(data), device=self.likelihood.device)
        return self._climb_both_ways(data, owner, rotations, shifts)[0]

    def _tensors(self, poses: Poses) -> tuple[Tensor, Tensor]:
        device = self.likelihood.device
        rotations = torch.from_numpy(poses.rotations).float().to(device)
        return rotations, torch.from_numpy(poses.shifts_angstrom).float().to(device)

    def _climb_both_ways(
        self, data: BandData, owner: Tensor, rotations: Tensor, shifts: Tensor
    ) -> tuple[Hypotheses, Tensor]:
        """Climb through all bands and in the whole one alone; return the more probable ends.

        From a good start the narrow bands can lead away; the climb in the whole one never ends at
        less than where it began.  Second ``(b,)``: where the way through the bands left the basin.
        """
        straight = climb(
            self.likelihood,
            data,
            owner,
            rotations,
            shifts,
            radius=self.likelihood.radius,
            n_steps=N_STRAIGHT_STEPS,
            largest_turn_deg=self.bands[-1].largest_turn_deg,
        )
        through, _ = self._climb_through(data, owner, rotations, shifts, None)
        went_far = symmetric_distance_deg(through.rotations, rotations, self._symmetry) > BASIN_DEG
        return straight.where(through.log_likelihood > straight.log_likelihood, through), went_far

    def _climb_through(
        self,
        data: BandData,
        owner: Tensor,
        rotations: Tensor,
        shifts: Tensor,
        rule: Thinning | None,
    ) -> tuple[Hypotheses, Tensor]:
        """Climb from the narrowest band to the whole one, thinned between them by a rule."""
        at: Hypotheses | None = None
        for band in self.bands:
            at = climb(
                self.likelihood,
                data,
                owner,
                rotations if at is None else at.rotations,
                shifts if at is None else at.shifts_angstrom,
                radius=band.radius,
                n_steps=band.n_steps,
                largest_turn_deg=band.largest_turn_deg,
            )
            if rule is not None:
                kept, _ = thinned(at, owner, self._group, rule)
                at, owner = at[kept], owner[kept]
        assert at is not None
        return at, owner

    def _restarted(self, data: BandData, rotations: Tensor, shifts: Tensor) -> Hypotheses:
        """Return the most probable end of climbs from poses all around."""
        n, n_turns = len(data), len(self._turns)
        owner = torch.arange(n, device=rotations.device).repeat_interleave(n_turns)
        turned = (self._turns[None] @ rotations[:, None]).flatten(0, 1)
        at, owner = self._climb_through(data, owner, turned, shifts[owner], RESTART_THINNING)
        _, index, _ = by_image(at.log_likelihood, owner)
        return at[index[:, 0]]


def is_weak(at: Hypotheses) -> Tensor:
    """Tell ``(q,)`` where an image holds less of its projection than noise explains."""
    # The likelihood at amplitude a is about a^2 |T|^2: what the noise does to a follows from it.
    norm = (at.log_likelihood / at.amplitude.square()).clamp_min(1.0)
    deviation = (AMPLITUDE_SPREAD**2 + 0.5 / norm).sqrt()
    return (at.amplitude < 1 - DOUBTFUL_DEVIATIONS * deviation) | (at.log_likelihood <= 0)


def strengths_of(at: Hypotheses) -> Strengths:
    """Return how strongly each image holds its projection."""
    return Strengths(in_numpy(at.strength), in_numpy(at.information))

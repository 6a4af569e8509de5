"""The sums of a reconstruction as a job that can be spread (see ``tasks.spread``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napari_cryoorient.budget import budget_in_force
from napari_cryoorient.io.room import Room
from napari_cryoorient.maps.backproject import back_project, enter_all, entered_and_left
from napari_cryoorient.maps.insertion import SliceSums, shape_of_sums
from napari_cryoorient.maps.stored_sums import StoredSums, Sums
from napari_cryoorient.particles import Floats, Integers, ParticleSet
from napari_cryoorient.reporting import Reporter, ShouldStop
from napari_cryoorient.stack.chunks import Stopped

SUMS = "sums"  # what the job is called, its sets numbered
# Rows of a range for each pixel of the box: entering images costs as the box's square, writing and
# adding up sums as its cube, which is then a few percent of it at any box.
ROWS_A_PIXEL = 16
# Bytes for each voxel of the box that solving a map takes beside its sums, half-maps and their
# correlation among them.
SOLVED = 45
# The same beside the sums of one half-set, where the others lie in files (measured at 512).
LAID_BY = 20


@dataclass(frozen=True)
class EntrySetup:
    """All that entering images needs beside them; ``entered`` ``(c, 3, 3)`` are their turns."""

    entered: Tensor
    box: int
    max_radius: float | None
    with_ctf: bool
    chunk: int

    def sums(
        self,
        particles: ParticleSet,
        weights: Floats | None,
        device: torch.device,
        should_stop: ShouldStop,
    ) -> SliceSums:
        """Return what the slices of all ``particles`` add up to; raises Stopped."""
        sums = self.empty(device)
        is_whole = enter_all(
            particles,
            self.entered,
            sums,
            device,
            with_ctf=self.with_ctf,
            weights=weights,
            should_stop=should_stop,
        )
        if not is_whole:
            raise Stopped
        return sums

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the sums."""
        return shape_of_sums(self.box, max_radius=self.max_radius)

    @property
    def n_bytes(self) -> int:
        """Memory of the sums."""
        return 4 * math.prod(self.shape)

    def empty(self, device: torch.device) -> SliceSums:
        """Return sums of no slices."""
        return SliceSums(self.box, max_radius=self.max_radius, device=device)


@dataclass(frozen=True)
class BackProjectionJob:
    """Particles with poses to be entered into the sums of each of ``sets``, arrays of their rows.

    ``group`` ``(g, 3, 3)`` is their symmetry, ``weights`` ``(n,)`` weigh the images.  ``folder``
    has room on its disk for sums that memory is too small for.
    """

    particles: ParticleSet
    sets: tuple[Integers, ...]
    group: Tensor
    device: torch.device
    max_radius: float | None = None
    with_ctf: bool = True
    exact_symmetry: bool = False
    weights: Floats | None = None
    folder: Path | None = None

    @property
    def is_laid_by(self) -> bool:
        """Whether memory is too small for all sums at once: then one set follows the other.

        The sums of each, and those that are turned, lie in files of ``folder``.
        """
        budget = budget_in_force()
        if self.folder is None or self.device.type != "cpu" or budget is None:
            return False
        return self._n_bytes_at_once > budget.n_bytes

    @property
    def n_bytes(self) -> int:
        """Memory that it takes on a CPU, and the map that follows from it."""
        return self._n_bytes_laid_by if self.is_laid_by else self._n_bytes_at_once

    @property
    def _n_bytes_laid_by(self) -> int:
        return self.learn().n_bytes + LAID_BY * self.particles.box**3

    @property
    def _n_bytes_at_once(self) -> int:
        is_turned = any(len(factor) > 1 for factor in self.factors)
        n_sums = len(self.sets) + (2 if is_turned else 0)
        return n_sums * self.learn().n_bytes + SOLVED * self.particles.box**3

    @property
    def room(self) -> Room:
        """Room for sums."""
        return Room(self.folder if self.is_laid_by else None)

    @property
    def factors(self) -> tuple[Tensor, ...]:
        """What is left of the symmetry, to be applied to the sums one after the other."""
        return entered_and_left(self.group, exact_symmetry=self.exact_symmetry)[1]

    def at_once(self, reporter: Reporter) -> tuple[Sums, ...]:
        """Enter them all here; raises Stopped when asked to stop."""
        if not self.is_laid_by:
            return self._entered(self.sets, reporter)
        room, stored = self.room, []
        total, done = sum(map(len, self.sets)), 0
        for rows in self.sets:
            part = reporter.part(done, total)
            # Without a name, so that they are gone before those of the next are begun.
            stored.append(StoredSums.of(self._entered((rows,), part)[0], room))
            done += len(rows)
        return tuple(stored)

    def _entered(self, sets: tuple[Integers, ...], reporter: Reporter) -> tuple[SliceSums, ...]:
        done = back_project(
            self.particles,
            self.group,
            self.device,
            rows_of_sets=sets,
            max_radius=self.max_radius,
            with_ctf=self.with_ctf,
            weights=self.weights,
            exact_symmetry=self.exact_symmetry,
            reporter=reporter,
        )
        if done is None:
            raise Stopped
        return done.sums

    def learn(self) -> EntrySetup:
        """Return what holds for all images."""
        box = self.particles.box
        entered, _ = entered_and_left(self.group, exact_symmetry=self.exact_symmetry)
        return EntrySetup(entered, box, self.max_radius, self.with_ctf, ROWS_A_PIXEL * box)

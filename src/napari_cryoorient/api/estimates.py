"""Poses that a search, a refinement or a network found for particles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from napari_cryoorient.particles import (
    Floats,
    Particle,
    ParticleSet,
    Poses,
    Several,
    counted,
)


@dataclass(frozen=True, eq=False, repr=False)
class PoseEstimates:
    """Particles with the poses found for them, and how far each is to be trusted.

    ``particles`` are those that were searched, their ``poses`` the new ones.  ``confidence``
    ``(n,)`` is the probability of being right within 10 degrees (search, refinement) or the share
    of the best peak (a network); None where a network tells none.  ``correlation`` ``(n,)`` is
    that of the images with the map's projections at these poses, ``runner_up`` the best poses
    elsewhere, ``moved_deg`` ``(n,)`` how far a refinement went; None where that was not measured.
    A search's confidence is ``pose_probability`` ``(n,)``, of the pose if the particle is there,
    times ``presence_probability`` ``(n,)``, that it is there.
    """

    particles: ParticleSet
    confidence: Floats | None = None
    correlation: Floats | None = None
    runner_up: Poses | None = None
    moved_deg: Floats | None = None
    pose_probability: Floats | None = None
    presence_probability: Floats | None = None

    @property
    def poses(self) -> Poses:
        """The poses found, row by row those of ``particles``."""
        assert self.particles.poses is not None
        return self.particles.poses

    @property
    def rotations(self) -> Floats:
        """The matrices A ``(n, 3, 3)``."""
        return self.poses.rotations

    @property
    def shifts_angstrom(self) -> Floats:
        """The shifts ``(n, 2)`` (x, y)."""
        return self.poses.shifts_angstrom

    def __len__(self) -> int:
        return len(self.particles)

    @overload
    def __getitem__(self, index: int) -> Particle: ...
    @overload
    def __getitem__(self, index: Several) -> PoseEstimates: ...
    def __getitem__(self, index: int | Several) -> Particle | PoseEstimates:
        rows = np.arange(len(self), dtype=np.int64)[index]
        if not rows.ndim:
            return self.particles[int(rows)]

        def of(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        return replace(
            self,
            particles=self.particles[rows],
            confidence=of(self.confidence),
            correlation=of(self.correlation),
            runner_up=None if self.runner_up is None else self.runner_up[rows],
            moved_deg=of(self.moved_deg),
            pose_probability=of(self.pose_probability),
            presence_probability=of(self.presence_probability),
        )

    def __iter__(self) -> Iterator[Particle]:
        return iter(self.particles)

    def __repr__(self) -> str:
        sure = ""
        if self.confidence is not None and len(self):
            sure = f", median confidence {np.median(self.confidence):.2f}"
        p = self.particles
        return (
            f"PoseEstimates({counted(len(self), 'particle')}, box {p.box} pixels, "
            f"{p.pixel_size_angstrom:.4g} A a pixel{sure})"
        )

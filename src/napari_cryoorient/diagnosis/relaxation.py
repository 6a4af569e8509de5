"""Which of the symmetry-equivalent poses each particle is at, where the symmetry is a pseudo-one.

A map that only nearly has a symmetry tells the equivalents ``A G^T`` of a pose apart.  With equal
prior probabilities that of each is its likelihood divided by the sum over all.  Each is climbed to
its peak by a few steps first, all alike.

A mask says where equivalents may differ: outside it the map is replaced by its mean over the group,
``S + m (V - S)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.refine.hypotheses import climb
from napari_cryoorient.maps.symmetry import turned_map
from napari_cryoorient.particles import DensityMap, Floats, Images, Integers, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped, in_threads

# Steps of the climb from each equivalent, and how far one may turn.  Each is climbed by itself, and
# what it gains from the noise counts as signal: more steps make the probabilities too sure.
N_STEPS, LARGEST_TURN_DEG = 2, 2.0
CLEAR = 0.9
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Probabilities ``(n, g)`` of the equivalent poses, and the most probable ``poses``.

    ``best`` ``(n,)`` are their places in the group; 0 is the pose as it was.
    """

    probabilities: Floats
    best: Integers
    poses: Poses

    @property
    def probability(self) -> Floats:
        """Probability ``(n,)`` of the pose taken."""
        return np.asarray(self.probabilities.max(1))

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``relax --json`` does."""
        return {
            "n": len(self.best),
            "moved": int((self.best != 0).sum()),
            "mean_probability": float(self.probability.mean()),
            "clear": int((self.probability > CLEAR).sum()),
            "n_equivalents": self.probabilities.shape[1],
            "particles_by_equivalent": self.by_equivalent.tolist(),
        }

    @property
    def by_equivalent(self) -> Integers:
        """How many particles are at each place of the group ``(g,)``."""
        return np.bincount(self.best, minlength=self.probabilities.shape[1])

    def describe(self) -> str:
        """Say how many particles were put at another equivalent, and how sure that is."""
        s = self.summary()
        said = (
            f"{s['moved']} of {s['n']} particles are more probable at another equivalent pose and "
            f"were moved there; the chosen pose has a probability of {s['mean_probability']:.2f} "
            f"in the mean, above {CLEAR:g} for {s['clear']}."
        )
        if s["mean_probability"] < 2 / s["n_equivalents"]:
            said += (
                " The images hardly tell them apart: the map is symmetric, or what breaks its "
                "symmetry is too weak."
            )
        return said


@torch.no_grad()
def relax_poses(
    likelihood: ParticleLikelihood,
    rows: Integers,
    poses: Poses,
    group: Tensor,
    *,
    reporter: Reporter = SILENT,
) -> Relaxation:
    """Weigh the equivalents of pose i of particle ``rows[i]`` under ``group`` ``(g, 3, 3)``.

    The identity comes first in the group.  Raises Stopped when asked to stop.
    """
    device = likelihood.device
    turns = group.float().to(device).transpose(1, 2)
    g = len(turns)

    def work(chunk: slice, data: BandData, _: object) -> tuple[Floats, Integers, Floats, Floats]:
        rotations, shifts = (
            torch.from_numpy(values[chunk]).float().to(device)
            for values in (poses.rotations, poses.shifts_angstrom)
        )
        n = len(rotations)
        owner = torch.arange(n, device=device).repeat_interleave(g)
        ends = climb(
            likelihood,
            data,
            owner,
            (rotations[:, None] @ turns).flatten(0, 1),
            shifts[owner],
            radius=likelihood.radius,
            n_steps=N_STEPS,
            largest_turn_deg=LARGEST_TURN_DEG,
        )
        scores = ends.log_likelihood.double().view(n, g)
        best = scores.argmax(1)
        at = torch.arange(n, device=device) * g + best
        return (
            np.array(scores.softmax(1).cpu().numpy()),
            np.array(best.cpu().numpy()),
            np.array(ends.rotations[at].double().cpu().numpy()),
            np.array(ends.shifts_angstrom[at].double().cpu().numpy()),
        )

    parts = list(
        in_threads(
            len(rows),
            _CHUNK,
            device,
            load=lambda chunk: likelihood.load(rows[chunk]),
            work=work,
            reporter=reporter,
        )
    )
    if sum(len(part[1]) for part in parts) < len(rows):
        raise Stopped
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    return Relaxation(columns[0], columns[1], Poses(columns[2], columns[3]))


def symmetric_outside(density: DensityMap, group: Tensor, mask: Images) -> DensityMap:
    """Replace a map by its mean over ``group`` outside ``mask`` ``(N, N, N)``, from 0 to 1."""
    mean = np.zeros(density.voxels.shape)
    for element in group.double():
        mean += turned_map(density, element).voxels / len(group)
    voxels = mean + mask * (density.voxels - mean)
    return replace(density, voxels=voxels.astype(np.float32))

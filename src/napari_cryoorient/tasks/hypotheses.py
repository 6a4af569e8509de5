"""Poses from a network's most probable views, compared with the images (``--hypotheses``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.prediction import PredictedPoses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.hypotheses_job import ComparisonJob
from napari_cryoorient.tasks.kept_poses import found_of_all
from napari_cryoorient.tasks.measured_scale import scale_note
from napari_cryoorient.tasks.search import describe_band, likelihood_of
from napari_cryoorient.tasks.spread import AT_ONCE, Spread


@dataclass(frozen=True)
class ChosenPoses:
    """Poses of all particles of a stack, ``n_searched`` of them by a search that was needed."""

    poses: PredictedPoses
    n_searched: int


def choose_hypotheses(
    inputs: PairedInputs,
    state: dict[str, Any],
    group: Tensor,
    device: torch.device,
    *,
    n_hypotheses: int,
    searches: bool = True,
    reporter: Reporter = SILENT,
    spread: Spread = AT_ONCE,
) -> ChosenPoses | None:
    """Compare each image with ``n_hypotheses`` views that a network proposes; climb the best.

    The confidence is a search's: how probable it is that a pose is right within ten degrees.
    Particles that stay in doubt are searched; with ``searches`` False more of the network's views
    are compared instead.  ``state`` is the checkpoint of the network.  Returns None when asked to
    stop; raises InputError for a network that gives single poses, and images that tell nothing.
    """
    say = reporter.say
    particles = inputs.particles
    usable = particles.usable_rows()
    if not len(usable):
        raise InputError("No image of the stack is usable; extract the particles again.")
    likelihood = likelihood_of(inputs, device, spread)
    job = ComparisonJob.of(
        likelihood,
        inputs.density,
        state,
        group,
        usable,
        n_hypotheses=n_hypotheses,
        searches=searches,
    )
    say(describe_band(likelihood))
    say(
        f"Every particle is compared with {n_hypotheses} of {len(job.search.coarse.banks[0])} "
        "views, the most probable to the network; the best are refined."
    )
    reporter.step("Comparing hypotheses")
    try:
        compared = spread.do("hypotheses", job, reporter)
    except Stopped:
        return None
    if len(usable) < len(particles):
        say(left_out(particles, np.setdiff1d(np.arange(len(particles)), usable)))
    # Of ranges each counts from its own first particle.
    found = replace(compared.found, rows=compared.rows)
    if (wrong := scale_note(likelihood, found.rows, found.poses, found.confidence)) is not None:
        say(wrong)
    found = found_of_all(found, np.arange(len(particles)), particles)
    is_empty = np.ones(len(particles), dtype=bool)
    is_empty[usable] = False
    chosen = PredictedPoses(
        found.rows, found.poses.rotations, found.poses.shifts_angstrom, found.confidence, is_empty
    )
    return ChosenPoses(chosen, int(compared.n_again.sum()) if searches else 0)

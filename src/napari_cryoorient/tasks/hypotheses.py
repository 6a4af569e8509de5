"""Poses from a network's most probable views, compared with the images (``--hypotheses``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.prediction import PredictedPoses
from napari_cryoorient.networks.proposals import NetworkProposer
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.odd_images import left_out
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.kept_poses import found_of_all
from napari_cryoorient.tasks.measured_scale import scale_note
from napari_cryoorient.tasks.search import describe_band


@dataclass(frozen=True)
class ChosenPoses:
    """Poses of all particles of a stack, ``n_searched`` of them by a search that was needed."""

    poses: PredictedPoses
    n_searched: int


def choose_hypotheses(
    inputs: PairedInputs,
    network: nn.Module,
    group: Tensor,
    device: torch.device,
    *,
    box: int,
    n_hypotheses: int,
    searches: bool = True,
    reporter: Reporter = SILENT,
) -> ChosenPoses | None:
    """Compare each image with ``n_hypotheses`` views that the network proposes; climb the best.

    The confidence is a search's: how probable it is that a pose is right within ten degrees.
    Particles that stay in doubt are searched; with ``searches`` False more of the network's views
    are compared instead.  ``box`` is the one the network was trained at.  Returns None when asked
    to stop; raises InputError for a network that gives single poses, and images that tell nothing.
    """
    say = reporter.say
    particles = inputs.particles
    proposer = NetworkProposer(network, particles, box=box, device=device)
    usable = particles.usable_rows()
    if not len(usable):
        raise InputError("No image of the stack is usable; extract the particles again.")
    likelihood = ParticleLikelihood(inputs.density, particles, device)
    say(describe_band(likelihood))
    search = GlobalSearch(
        likelihood, group, proposer=proposer, n_proposed=n_hypotheses, searches=searches
    )
    say(
        f"Every particle is compared with {n_hypotheses} of {len(search.coarse.banks[0])} views, "
        "the most probable to the network; the best are refined."
    )
    reporter.step("Comparing hypotheses")
    parts = list(
        search.search(usable, progress=reporter.progress, should_stop=reporter.should_stop)
    )
    if sum(len(part.rows) for part in parts) < len(usable):
        return None
    if len(usable) < len(particles):
        say(left_out(particles, np.setdiff1d(np.arange(len(particles)), usable)))
    found = FoundPoses.joined(parts)
    if (wrong := scale_note(likelihood, found.rows, found.poses, found.confidence)) is not None:
        say(wrong)
    found = found_of_all(found, np.arange(len(particles)), particles)
    is_empty = np.ones(len(particles), dtype=bool)
    is_empty[usable] = False
    chosen = PredictedPoses(
        found.rows, found.poses.rotations, found.poses.shifts_angstrom, found.confidence, is_empty
    )
    return ChosenPoses(chosen, search.n_thorough if searches else 0)

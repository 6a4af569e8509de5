"""The recipe of Lian et al. (2022), section 2: network, losses, optimiser and batches.

Images come from the stack with the poses its STAR file gives; shifts are taken as known.  The grey
scale of the reprojection loss is that of ``losses.unit_contrast_scale``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import matrix_to_quaternion, random_rotations
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.vgg import N_OUTPUTS, PaperNetwork
from napari_cryoorient.networks.weights import load_imagenet_weights
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.stack.batches import Batch, ParticleBatches
from napari_cryoorient.training.fine_tuning import EarlierNetwork, begin_with
from napari_cryoorient.training.losses import (
    quaternion_distance,
    reprojection_loss,
    unit_contrast_scale,
    weighted_objective,
)
from napari_cryoorient.training.optimizers import Adam
from napari_cryoorient.training.ranks import ALONE, Ranks
from napari_cryoorient.training.recipe import LossTerms

# Projections that settle the grey scale: enough for a mean to half a percent.
N_SCALE_PROJECTIONS = 64
# On a CPU, so many pixels go through the network at once, which holds half a gigabyte.
CPU_CHUNK_PIXELS = 8 * 128 * 128


class PaperRecipe:
    """Implements ``training.recipe.Recipe``; everything is a function of config and step."""

    def __init__(
        self,
        density: DensityMap,
        particles: ParticleSet,
        config: TrainConfig,
        device: torch.device,
        train_rows: Integers,
        earlier: EarlierNetwork | None = None,
        warm_up: ParticleSet | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        config = config.resolved()
        assert config.steps is not None
        assert config.batch_size is not None
        assert config.learning_rate is not None
        assert config.box is not None
        representation = config.representation
        if representation is None or representation == "distribution":
            raise InputError(
                f"The paper preset has no representation {representation!r}: "
                f"choose {', '.join(N_OUTPUTS)}, or the fast preset."
            )
        if particles.poses is None:
            raise InputError(
                "The paper preset learns from poses and the STAR file has none: "
                "use --labels simulated, or --preset fast."
            )
        self.device = device
        self.ranks = ranks
        self.n_steps = config.steps
        self.batch_size = min(config.batch_size, len(train_rows))
        ranks.refuse_uneven(self.batch_size)
        self.chunk_size = self.batch_size
        if device.type == "cpu":
            self.chunk_size = max(1, min(self.batch_size, CPU_CHUNK_PIXELS // config.box**2))
        self.max_gradient_norm: float | None = None
        self.allows_bfloat16 = True
        self.is_recordable = True
        self.group = symmetry_matrices(config.symmetry).to(torch.float32).to(device)
        self._seed = config.seed
        self._rows = train_rows
        self._order: tuple[int, Integers] | None = None  # an epoch, and the rows as shuffled for it
        self._batches = ParticleBatches(particles, config.box, device)
        self._made = None if warm_up is None else ParticleBatches(warm_up, config.box, device)
        self._n_warm_up = round((config.warm_up or 0.0) * config.steps)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = PaperNetwork(config.box, representation)
        self.notes: tuple[str, ...] = ()
        if earlier is not None:
            begin_with(network, earlier)
        elif config.from_run is None:
            self.notes = (load_imagenet_weights(network.features, config.weights),)
        self.network: torch.nn.Module = network.to(device)
        # L2 penalty as Adam's own weight decay, which adds it to the gradient.
        self.optimizer: torch.optim.Optimizer = Adam(
            self.network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type in ("cuda", "cpu"),
            capturable=device.type == "cuda",
        )
        decay_step = round(config.decay_at * config.steps)
        factor = 1.0 / config.decay_factor
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = (
            torch.optim.lr_scheduler.LambdaLR(
                self.optimizer, lambda step: 1.0 if step < decay_step else factor
            )
        )
        volume = reference_volume(density, config.box)
        self._projector = Projector(
            volume.to(device), pixel_size_angstrom=self._batches.pixel_size_angstrom
        )
        generator = torch.Generator().manual_seed(0)
        views = random_rotations(N_SCALE_PROJECTIONS, generator).to(device)
        with torch.no_grad():
            self._loss_scale = unit_contrast_scale(self._projector(views))

    @property
    def evaluation_network(self) -> torch.nn.Module:
        """The trained network itself."""
        return self.network

    def project(self, rotations: Tensor, shifts_angstrom: Tensor | None) -> Tensor:
        """Return simplified projections, equation 13, in the map's grey scale."""
        projections: Tensor = self._projector(rotations, shifts_angstrom)
        return projections

    def batch(self, step: int) -> Batch:
        """Return batch ``step`` of a shuffling that is new in every epoch and known from the seed.

        The images left over at the end of an epoch wait for the next.  During the warm-up they are
        images made from the map.
        """
        part = self.ranks.of(self.batch_size)
        if self._made is not None and step < self._n_warm_up:
            generator = np.random.default_rng([self._seed, step])
            made = generator.choice(len(self._made.particles), self.batch_size, replace=False)
            return self._made.batch(np.sort(made)[part].astype(np.int64))
        steps_an_epoch = len(self._rows) // self.batch_size
        epoch, place = divmod(step, steps_an_epoch)
        if self._order is None or self._order[0] != epoch:
            shuffled = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
            self._order = epoch, shuffled
        return self._batches.batch(self._order[1][place * self.batch_size :][part])

    def losses(self, prediction: PosePrediction, batch: Batch, w: float) -> LossTerms:
        """Return equations 12, 14 and 15; projections are at the true shift."""
        qd = quaternion_distance(
            prediction.extra["quaternion"], matrix_to_quaternion(batch.rotations)
        )
        with torch.no_grad():
            true = self.project(batch.rotations, batch.shifts_angstrom)
        with torch.set_grad_enabled(torch.is_grad_enabled() and w < 1.0):
            predicted = self.project(prediction.rotations, batch.shifts_angstrom)
            reprojection = reprojection_loss(predicted * self._loss_scale, true * self._loss_scale)
        return LossTerms(weighted_objective(qd, reprojection, w), qd, reprojection)

    def after_step(self, step: int) -> None:
        """Nothing: the weights are used as they are."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: batches follow from the seed and the step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing back."""


def paper_recipe(
    density: DensityMap,
    particles: ParticleSet,
    config: TrainConfig,
    device: torch.device,
    train_rows: Integers,
    earlier: EarlierNetwork | None = None,
    warm_up: ParticleSet | None = None,
    ranks: Ranks = ALONE,
) -> PaperRecipe:
    """Make the paper's recipe; ``density`` has the stack's field of view, any even box.

    ``earlier`` is what the run named by ``config.from_run`` learned; None when resuming.
    ``warm_up`` are particles made from the map, for the first part of the training; ``ranks`` the
    processes that share the work.
    """
    return PaperRecipe(density, particles, config, device, train_rows, earlier, warm_up, ranks)

"""The project's own recipe: projections of the map made on the fly, and the compact network.

Every step takes images that were never seen before, made with the stack's CTFs, noise spectrum and
shifts; where the stack has poses, a part of each batch is real particles.  A network that gives a
distribution starts as the matched filter and is told the true pose, so that it need not look at
all in-plane angles (``first_layer``).  Noise starts at a fifth
of its amplitude and rises to the full one over the first part of the training; the learning rate
goes through one cycle; weights are averaged.

The objective is equation 15 with the pose term in place of QD: for a distribution the divergence of
``PoseGrid.divergence``, which knows the symmetry, else QD to the nearest equivalent pose.  The
squared error of the shift, in pixels of the band, is added to it.
"""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.rotations import matrix_to_quaternion, random_rotations
from napari_cryoorient.geometry.symmetry import nearest_equivalent, symmetry_matrices
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet
from napari_cryoorient.projection.fourier_slice import Projector
from napari_cryoorient.projection.reference import reference_volume
from napari_cryoorient.stack.batches import Batch, ParticleBatches
from napari_cryoorient.stack.statistics import band_limited_projector, stack_statistics
from napari_cryoorient.training.fine_tuning import EarlierNetwork, begin_with
from napari_cryoorient.training.first_layer import WhatIsTold, mean_projection, start_from_map
from napari_cryoorient.training.losses import (
    quaternion_distance,
    reprojection_loss,
    unit_contrast_scale,
    weighted_objective,
)
from napari_cryoorient.training.optimizers import AdamW
from napari_cryoorient.training.ranks import ALONE, Ranks
from napari_cryoorient.training.recipe import LossTerms
from napari_cryoorient.training.synthetic import (
    SyntheticParticles,
    noise_scale_at,
    one_cycle_at,
    shift_sigma_angstrom,
)

BAND_BOX = 32
LARGEST_BOX = 64
STEPS = 1500
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
# Of a run that starts from the weights of another (docs/training.md).
FINE_TUNING_STEPS, FINE_TUNING_RATE = 200, 5e-4
REAL_PART = 0.25
# A real particle comes no more often than once in so many steps: a few would be learned by heart.
STEPS_BETWEEN_REPEATS = 128
N_REPROJECTED = 24
SHIFT_WEIGHT = 0.5
NOISE_START, NOISE_RISING_PART = 0.2, 0.6
AVERAGING = 0.99
# Of the viewing directions for C1; the fewer a symmetry leaves, the finer they may be.
SPACING_DEG, SPACING_POWER = 10.0, -0.15
CONCENTRATION = 60.0


class FastRecipe:
    """Implements ``training.recipe.Recipe``."""

    def __init__(
        self,
        density: DensityMap,
        particles: ParticleSet,
        config: TrainConfig,
        device: torch.device,
        train_rows: Integers,
        earlier: EarlierNetwork | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        config = config.resolved()
        self.device = device
        self.ranks = ranks
        self.batch_size = config.batch_size or BATCH_SIZE
        ranks.refuse_uneven(self.batch_size)
        self.chunk_size = self.batch_size
        self.max_gradient_norm: float | None = 1.0
        self.allows_bfloat16 = True
        self.is_recordable = False  # angles and learning rate change at each step
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
        is_new = config.from_run is None
        self._peak_rate = config.learning_rate or (LEARNING_RATE if is_new else FINE_TUNING_RATE)
        self._noise_start = NOISE_START if is_new else 1.0
        self._budget_s = None if config.minutes is None else 60.0 * config.minutes
        self.n_steps = config.steps or (STEPS if is_new else FINE_TUNING_STEPS)
        self._elapsed_s, self._progress = 0.0, 0.0
        self._last_time: float | None = None

        band_box = min(BAND_BOX, particles.box, density.box, config.box or BAND_BOX)
        statistics = stack_statistics(density, particles, band_box)
        self.notes: tuple[str, ...] = (
            f"Stack: SNR {statistics.snr:.3g} up to "
            f"{particles.box * particles.pixel_size_angstrom / (band_box / 2):.1f} A, the band "
            "the network looks at.",
        )
        if not statistics.is_signal_seen:
            self.notes += (
                "WARNING: the images hold no more power than their corners; an SNR of "
                f"{statistics.snr:.2g} is assumed.",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = CompactNetwork(
                box=band_box,
                field_of_view_angstrom=particles.box * particles.pixel_size_angstrom,
                symmetry=config.symmetry,
                representation=config.representation or "distribution",
                spacing_deg=SPACING_DEG * len(symmetry_matrices(config.symmetry)) ** SPACING_POWER,
                concentration=CONCENTRATION,
                finds_centre=earlier is None or bool(earlier.description.get("finds_centre")),
            )
        network.filter.set_powers(statistics.signal_power, statistics.noise_power)
        self._synthetic = SyntheticParticles(density, particles, statistics, device, config.seed)
        self._band_projector = band_limited_projector(density, band_box)
        self._told: WhatIsTold | None = None
        if network.centring is not None:
            scatter = shift_sigma_angstrom(particles)
            network.centring.set_statistics(
                mean_projection(self._band_projector, statistics.gain, band_box),
                scatter / network.pixel_size_angstrom,
            )
            self._told = WhatIsTold(network, scatter)
            ctfs = self._synthetic.ctfs
            ctfs = None if ctfs is None else ctfs.cpu()
            start_from_map(network, self._band_projector, statistics.gain, ctfs)
        if earlier is not None:
            begin_with(network, earlier)
        self.network: torch.nn.Module = network.to(device)
        self._grid, self._n_angles = network.grid, network.n_training_angles
        self._shift_scale = 1.0 / network.pixel_size_angstrom
        self.group: Tensor = network.grid.group
        self._average = copy.deepcopy(self.network).eval()
        self._average.requires_grad_(False)
        self.optimizer: torch.optim.Optimizer = AdamW(
            self.network.parameters(),
            lr=self._peak_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=device.type == "cuda",
        )

        uses_real = particles.poses is not None and config.labels != "simulated"
        self._rows = train_rows if uses_real else train_rows[:0]
        self._seed = config.seed
        self._warm_up = config.warm_up
        if config.warm_up is not None and not len(self._rows):
            raise InputError(
                "After the warm-up real particles are learned from, and none has a pose."
            )
        working_box = config.box or min(particles.box, LARGEST_BOX)
        self._batches = ParticleBatches(particles, band_box, device)
        field = particles.box * particles.pixel_size_angstrom
        self._projector = Projector(
            reference_volume(density, working_box).to(device),
            pixel_size_angstrom=field / working_box,
        )
        self._band_projector = self._band_projector.to(device)
        with torch.no_grad():
            views = random_rotations(64, torch.Generator().manual_seed(0)).to(device)
            self._loss_scale = unit_contrast_scale(self._band_projector(views))
        self._set_progress()

    @property
    def evaluation_network(self) -> torch.nn.Module:
        """The average of the weights."""
        return self._average

    def project(self, rotations: Tensor, shifts_angstrom: Tensor | None) -> Tensor:
        """Return simplified projections, equation 13, at the working box in the map's grey."""
        projections: Tensor = self._projector(rotations, shifts_angstrom)
        return projections

    def batch(self, step: int) -> Batch:
        """Make the images of ``step``: new projections, and real particles where there are."""
        n_real = self._n_real()
        rising = NOISE_RISING_PART * (1.0 if self._warm_up is None else max(self._warm_up, 0.01))
        noise_scale = noise_scale_at(self._progress, self._noise_start, rising)
        n_made = 0 if self._is_warm() else self.batch_size - n_real
        part = self.ranks.of(n_made)
        made = self._synthetic.draw(n_made, noise_scale, part) if n_made else None
        if made is not None and n_real == 0:
            return self._with_told(made, part)
        order = np.random.default_rng([self._seed, step])
        rows = np.sort(order.choice(self._rows, n_real, replace=False))
        part_of_real = self.ranks.of(n_real, before=n_made)
        real = self._batches.batch(rows[part_of_real])
        if made is None:
            return self._with_told(real, part_of_real)
        ctf = None
        if made.ctf is not None and real.ctf is not None:
            ctf = torch.cat([made.ctf, real.ctf])
        joined = Batch(
            torch.cat([made.images, real.images]),
            ctf,
            torch.cat([made.rotations, real.rotations]),
            torch.cat([made.shifts_angstrom, real.shifts_angstrom]),
        )
        every = np.arange(self.batch_size)
        return self._with_told(
            joined, np.concatenate([every[part], n_made + np.arange(n_real)[part_of_real]])
        )

    def _with_told(self, batch: Batch, part: slice | Integers) -> Batch:
        """Add what a network is told of ``part`` of a batch; it is drawn for the whole batch."""
        if self._told is None:
            return batch
        drawn = torch.rand(
            self.batch_size,
            self._told.n_drawn,
            generator=self._synthetic.generator,
            device=self.device,
        )[part]
        return replace(batch, told=self._told(batch.rotations, batch.shifts_angstrom, drawn))

    def _is_warm(self) -> bool:
        """Tell whether a warm-up is over, and real particles alone are learned from."""
        return self._warm_up is not None and self._progress >= self._warm_up

    def _n_real(self) -> int:
        """Return how many real particles a batch has now."""
        if self._warm_up is not None:
            n = min(self.batch_size, len(self._rows))
            return n - n % self.ranks.size if self._is_warm() else 0
        return min(round(REAL_PART * self.batch_size), len(self._rows) // STEPS_BETWEEN_REPEATS)

    def losses(self, prediction: PosePrediction, batch: Batch, w: float) -> LossTerms:
        """Weigh pose term, reprojection (on the first images) and shift."""
        nearest = nearest_equivalent(prediction.rotations.detach(), batch.rotations, self.group)
        # The equivalent of the prediction that is nearest to the truth: A G^T, G constant.
        turn = prediction.rotations.detach().transpose(1, 2) @ nearest
        quaternion = matrix_to_quaternion(prediction.rotations @ turn)
        qd = quaternion_distance(quaternion, matrix_to_quaternion(batch.rotations))
        pose_term = qd
        if "logits" in prediction.extra:
            pose_term = self._grid.divergence(
                prediction.extra["logits"],
                batch.rotations,
                prediction.extra["angles"],
                self._n_angles,
            )
        reprojection = self._reprojection(prediction, batch, needs_gradient=w < 1.0)
        total = weighted_objective(pose_term, reprojection, w)
        if prediction.shifts_angstrom is not None:
            off = (prediction.shifts_angstrom - batch.shifts_angstrom) * self._shift_scale
            total = total + SHIFT_WEIGHT * off.square().sum(dim=1).mean()
        return LossTerms(total, qd, reprojection)

    def _reprojection(
        self, prediction: PosePrediction, batch: Batch, *, needs_gradient: bool
    ) -> Tensor:
        n = self.ranks.share_of(N_REPROJECTED)
        shifts = batch.shifts_angstrom[:n]
        with torch.no_grad():
            true = self._band_projector(batch.rotations[:n], shifts)
        with torch.set_grad_enabled(torch.is_grad_enabled() and needs_gradient):
            predicted = self._band_projector(prediction.rotations[:n], shifts)
            return reprojection_loss(predicted * self._loss_scale, true * self._loss_scale)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Average the weights, and set what depends on how far the training is."""
        decay = min(AVERAGING, (1.0 + step) / (10.0 + step))
        means: list[Tensor] = list(self._average.parameters())
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(means, weights, 1.0 - decay)
        if self._budget_s is None:
            self._progress = (step + 1) / self.n_steps
        else:
            is_first = self._last_time is None  # and took no time that was measured
            (self._progress,) = self.ranks.agreed(self._spent_part())
            if self._progress >= 1.0:
                self.n_steps = step + 1
            elif not is_first:
                self.n_steps = max(round((step + 1) / self._progress), step + 2)
        self._set_progress()

    def _spent_part(self) -> float:
        assert self._budget_s is not None
        now = time.perf_counter()
        if self._last_time is not None:
            self._elapsed_s += now - self._last_time
        self._last_time = now
        return min(max(self._elapsed_s / self._budget_s, 1e-6), 1.0)

    def _set_progress(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self._peak_rate * one_cycle_at(self._progress)

    def state_dict(self) -> dict[str, Any]:
        """Return generator, averaged weights and progress."""
        return {
            "generator": self._synthetic.generator.get_state(),
            "average": {name: value.clone() for name, value in self._average.state_dict().items()},
            "progress": self._progress,
            "elapsed_s": self._elapsed_s,
            "n_steps": self.n_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` gave."""
        self._synthetic.generator.set_state(state["generator"])
        self._average.load_state_dict(state["average"])
        self._progress, self._elapsed_s = state["progress"], state["elapsed_s"]
        if self._budget_s is not None:
            self.n_steps = state["n_steps"]
        self._last_time = None
        self._set_progress()


def fast_recipe(
    density: DensityMap,
    particles: ParticleSet,
    config: TrainConfig,
    device: torch.device,
    train_rows: Integers,
    earlier: EarlierNetwork | None = None,
    ranks: Ranks = ALONE,
) -> FastRecipe:
    """Make the fast recipe; ``density`` has the stack's field of view, any even box.

    ``earlier`` is what the run named by ``config.from_run`` learned; None when resuming.
    ``ranks`` are the processes that share the work.
    """
    return FastRecipe(density, particles, config, device, train_rows, earlier, ranks)

"""A search set against nulls (Einstein from noise): figures, curves and one sentence.

Beside the correlations of ``alignment.nulls`` stand Fourier shell correlations: the map that the
particles make at the poses found, with the reference; the same for images without the molecule, at
the poses found for them; and for the particles at the poses that a map without structure gave them,
with that map.  What the last two hold is the reference's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.trial import NullTrial, try_nulls
from napari_cryoorient.alignment.nulls.verdict import NullVerdict, verdict_of
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.config import NullTestConfig, RefineConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.maps.backproject import back_project
from napari_cryoorient.maps.fsc import ShellCorrelation, fourier_shell_correlation
from napari_cryoorient.maps.solve import solve_map
from napari_cryoorient.memory import within_memory
from napari_cryoorient.particles import ArrayImages, DensityMap, Floats, ParticleSet, counted
from napari_cryoorient.projection.masks import molecule_mask
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.chunks import Stopped
from napari_cryoorient.stack.pairing import PairedInputs
from napari_cryoorient.tasks.fsc import same_sampling
from napari_cryoorient.tasks.reconstruct import half_sets
from napari_cryoorient.tasks.refine import refine_inputs
from napari_cryoorient.tasks.search import describe_band, radius_of

# Particles that are looked at where no number is named.
# Fewer make no half-maps.
FEWEST_FOR_HALVES = 40
N_BINS = 20
PARTICLES, IMAGES, MAPS = "particles", "images without the molecule", "map without structure"


@dataclass(frozen=True, eq=False, repr=False)
class NullTest:
    """Correlations and confidences ``(n,)`` by case, curves by case, and what they mean.

    ``cases`` are the particles, images without the molecule (``null_kind`` tells how they were
    made), and the particles against a map without structure; ``reference_fsc`` holds the curve of
    each with the map it was searched with, ``half_map_fsc`` those of half-maps where there were
    particles enough.
    """

    verdict: NullVerdict
    null_kind: str
    snr: float
    correlation: dict[str, Floats]
    confidence: dict[str, Floats]
    reference_fsc: dict[str, ShellCorrelation]
    half_map_fsc: dict[str, ShellCorrelation]

    @property
    def n(self) -> int:
        """How many particles were looked at."""
        return self.verdict.n

    def describe(self) -> str:
        """Say what it means."""
        return self.verdict.describe()

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of each case."""
        return [
            {
                "case": case,
                "mean_correlation": float(self.correlation[case].mean()),
                "mean_confidence": float(self.confidence[case].mean()),
                "sure": float((self.confidence[case] > 0.9).mean()),
            }
            for case in self.correlation
        ]

    def histograms(self) -> dict[str, dict[str, Any]]:
        """Return edges and counts by case, of correlations and of confidences."""
        every = np.concatenate(list(self.correlation.values()))
        low, high = float(every.min()), float(every.max())
        found = {}
        for name, values, ends in (
            ("correlation", self.correlation, (low, max(high, low + 1e-6))),
            ("confidence", self.confidence, (0.0, 1.0)),
        ):
            edges = np.linspace(*ends, N_BINS + 1)
            counts = {case: np.histogram(v, edges)[0].tolist() for case, v in values.items()}
            found[name] = {"edges": edges.round(6).tolist(), "counts": counts}
        return found

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``null-test --json`` does."""
        images, maps = self.verdict.images, self.verdict.maps
        return {
            "outcome": self.verdict.outcome,
            "sentence": self.describe(),
            "is_doubt": self.verdict.is_doubt,
            "n": self.n,
            "snr": self.snr,
            "null_images": self.null_kind,
            "cases": self.rows(),
            "images_part": images.part,
            "images_standard_errors": images.z,
            "map_part": maps.part,
            "map_part_error": maps.part_error,
            "map_standard_errors": maps.z,
            "control_standard_errors": maps.control_z,
            "histograms": self.histograms(),
            "reference_fsc": {case: _curve(curve) for case, curve in self.reference_fsc.items()},
            "half_map_fsc": {case: _curve(curve) for case, curve in self.half_map_fsc.items()},
        }

    def __repr__(self) -> str:
        return f"NullTest({counted(self.n, 'particle')}, {self.verdict.outcome})"


def _curve(curve: ShellCorrelation) -> dict[str, list[float]]:
    return {
        "frequency_per_angstrom": [round(float(x), 6) for x in curve.frequencies],
        "fsc": [round(float(x), 5) for x in np.nan_to_num(curve.values)],
    }


@within_memory
def null_test_inputs(
    inputs: PairedInputs,
    device: torch.device,
    config: NullTestConfig = NullTestConfig(),
    *,
    reporter: Reporter = SILENT,
) -> NullTest:
    """Search ``config.subset`` particles, and their nulls, and compare.

    With ``config.refines`` the particles' own poses are refined and judged; nulls are searched all
    the same, which is no less than poses found in noise had.  Raises InputError where stack and map
    do not fit or there are no poses to refine; Stopped.
    """
    group = symmetry_matrices(config.symmetry)
    for note in inputs.notes:
        reporter.say(note)
    rows = inputs.particles.spread_rows(config.subset)
    if not len(rows):
        raise InputError("None of the particles has a usable image.")
    stack = inputs.particles.subset(rows)
    field = stack.box * stack.pixel_size_angstrom
    likelihood = ParticleLikelihood(
        inputs.density, stack, device, radius=radius_of(field, config.resolution_angstrom)
    )
    reporter.say(describe_band(likelihood))
    found = None
    if config.refines:
        found = _refined(replace(inputs, particles=stack, notes=()), device, config, reporter)
    trial = try_nulls(
        inputs.density,
        likelihood,
        np.arange(len(stack), dtype=np.int64),
        group,
        found=found,
        shift_reach_angstrom=config.shift_range_angstrom,
        seed=config.seed,
        reporter=reporter,
    )
    correlation, confidence = (
        {
            PARTICLES: getattr(trial.particles, name),
            IMAGES: getattr(trial.null, name),
            MAPS: np.mean([getattr(each, name) for each in trial.decoys], axis=0),
        }
        for name in ("correlation", "confidence")
    )
    reference, halves = _curves(
        stack, inputs.density, trial, group, device, reporter, box=likelihood.box
    )
    return NullTest(
        verdict_of(trial), trial.null_kind, trial.snr, correlation, confidence, reference, halves
    )


def _refined(
    inputs: PairedInputs, device: torch.device, config: NullTestConfig, reporter: Reporter
) -> FoundPoses:
    """Return the particles' own poses, refined."""
    settings = RefineConfig(
        symmetry=config.symmetry, resolution_angstrom=config.resolution_angstrom
    )
    refined, confidence = refine_inputs(inputs, device, settings, reporter=reporter)
    return FoundPoses(
        rows=refined.rows,
        poses=refined.poses,
        correlation=refined.correlation,
        log_likelihood=refined.log_likelihood,
        confidence=confidence,
        pose_probability=confidence,
        presence_log_odds=refined.presence_log_odds,
        runner_up=refined.poses,
        margin=np.full(len(refined.rows), np.inf),
        strengths=refined.strengths,
    )


def _curves(
    stack: ParticleSet,
    density: DensityMap,
    trial: NullTrial,
    group: Tensor,
    device: torch.device,
    reporter: Reporter,
    *,
    box: int,
) -> tuple[dict[str, ShellCorrelation], dict[str, ShellCorrelation]]:
    """Return the curves with the reference, and those of half-maps, of each case.

    Images are cropped to ``box`` pixels in Fourier space: finer detail was not searched, and tells
    nothing of the search.
    """
    cases = {
        PARTICLES: (stack, trial.particles, density),
        IMAGES: (trial.null_stack, trial.null, density),
        MAPS: (stack, trial.decoys[0], trial.decoy_maps[0]),
    }
    halves = half_sets(None, len(stack), 0, _silent)
    with_reference, of_halves = {}, {}
    for case, (particles, found, searched) in cases.items():
        posed = replace(_cropped(particles, box), poses=found.poses)
        entered = back_project(
            posed,
            group,
            device,
            rows_of_sets=halves,
            reporter=Reporter(should_stop=reporter.should_stop),
        )
        if entered is None:
            raise Stopped
        a, b = (
            np.asarray(solve_map(sums, entered.factors).cpu().numpy(), dtype=np.float32)
            for sums in entered.sums
        )
        pixel = posed.pixel_size_angstrom
        whole, against = same_sampling(
            DensityMap(np.float32(0.5) * (a + b), pixel), searched, _silent
        )
        mask = molecule_mask(against.voxels, against.pixel_size_angstrom)
        with_reference[case] = fourier_shell_correlation(
            whole.voxels, against.voxels, whole.pixel_size_angstrom, mask=mask
        )
        if len(stack) >= FEWEST_FOR_HALVES:
            of_halves[case] = fourier_shell_correlation(a, b, pixel)
    return with_reference, of_halves


def _cropped(particles: ParticleSet, box: int) -> ParticleSet:
    """Return particles with images of ``box`` pixels, in memory, of the same field of view."""
    batches = ParticleBatches(particles, box, torch.device("cpu"), cache_bytes=0)
    images = batches.images(np.arange(len(particles), dtype=np.int64)).numpy()
    return replace(particles, images=ArrayImages(images, batches.pixel_size_angstrom))


def _silent(sentence: str) -> None:
    """Say nothing: how the maps were brought together was said before."""

"""What there is to look at, particle by particle: worked out from data, run and predictions.

``inspect`` is a pure function from what is loaded to one frozen ``Inspection``; what is shown and
measured of each particle follows from that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cryoorient.particles import (
    ArrayImages,
    CtfParameters,
    Floats,
    Images,
    ImageSource,
    Integers,
    NegatedImages,
    Poses,
)
from napari_cryoorient.session.data import Data, ProjectedPoses
from napari_cryoorient.session.follow import RunView

Fourth = Literal["none", "difference", "blink"]
Kind = Literal["nothing", "images", "poses", "preview", "predictions"]
Criterion = Literal["angular error", "shift error", "confidence", "correlation"]


@dataclass(frozen=True)
class Predictions:
    """Poses of the whole stack that a run predicted; errors where the stack has poses too.

    Errors are the smallest over the equivalent poses of ``symmetry``.
    """

    path: Path
    poses: Poses
    confidence: Floats | None
    errors_deg: Floats | None
    shift_errors_angstrom: Floats | None
    symmetry: str = "C1"


@dataclass(frozen=True)
class Panel:
    """One of the views side by side: its role, its title, its images."""

    role: str
    title: str
    images: ImageSource


@dataclass(frozen=True)
class Inspection:
    """``n`` particles side by side with projections; ``rows`` are theirs in the STAR (-1: none)."""

    kind: Kind
    rows: Integers
    panels: tuple[Panel, ...] = ()
    true_poses: Poses | None = None
    predicted_poses: Poses | None = None
    errors_deg: Floats | None = None
    shift_errors_angstrom: Floats | None = None
    confidence: Floats | None = None
    correlations: Floats | None = None
    symmetry: str = "C1"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shown_poses(self) -> Poses | None:
        """The poses under inspection: predicted ones, or else the STAR file's."""
        return self.true_poses if self.predicted_poses is None else self.predicted_poses

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """What particles can be ranked by."""
        return tuple(name for name in _CRITERIA if self.values(name) is not None)

    def values(self, criterion: Criterion) -> Floats | None:
        """Return a figure of each particle, or None where it is not known."""
        values: dict[Criterion, Floats | None] = {
            "angular error": self.errors_deg,
            "confidence": self.confidence,
            "shift error": self.shift_errors_angstrom,
            "correlation": self.correlations,
        }
        return values[criterion]

    def ranking(self, criterion: Criterion) -> Integers:
        """Return all particles from the worst to the best."""
        values = self.values(criterion)
        if values is None:
            return np.arange(len(self))
        worst_first = values if is_higher_better(criterion) else -values
        return np.argsort(worst_first, kind="stable")


@dataclass(frozen=True)
class Difference:
    """Images of one source minus those of another with the same box."""

    source: ImageSource
    subtracted: ImageSource

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self.source.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self.source.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Integers) -> Images:
        """Read both and subtract."""
        return self.source.read(indices) - self.subtracted.read(indices)


_CRITERIA: tuple[Criterion, ...] = ("angular error", "shift error", "confidence", "correlation")
UNITS: dict[Criterion, str] = {
    "angular error": "\N{DEGREE SIGN}",
    "confidence": "",
    "shift error": " Å",
    "correlation": "",
}
NOTHING = Inspection("nothing", np.zeros(0, dtype=np.int64))


def is_higher_better(criterion: Criterion) -> bool:
    """Tell whether a particle is the better, the higher its figure is."""
    return criterion in ("confidence", "correlation")


def signed(criterion: Criterion) -> str:
    """Return the criterion with its unit in parentheses, as it stands over a column."""
    unit = UNITS[criterion].strip()
    return f"{criterion} ({unit})" if unit else criterion


def inspect(
    data: Data,
    run: RunView | None,
    predictions: Predictions | None,
    *,
    fourth: Fourth = "none",
) -> Inspection:
    """Return the most there is to see: predictions, else a run's preview, else the STAR's poses.

    ``fourth`` adds a view where there are two projections to compare: their difference, or both in
    turn, which starts with the true one.
    """
    inspection = _most(data, run, predictions)
    by_role = {panel.role: panel.images for panel in inspection.panels}
    if fourth == "none" or not {"true", "predicted"} <= set(by_role):
        return inspection
    if fourth == "blink":
        panel = Panel("blink", "blink: true", by_role["true"])
    else:
        difference = Difference(by_role["predicted"], by_role["true"])
        panel = Panel("difference", "predicted - true", difference)
    return replace(inspection, panels=(*inspection.panels, panel))


def _most(data: Data, run: RunView | None, predictions: Predictions | None) -> Inspection:
    if predictions is not None and data.particles is not None:
        return _of_predictions(data, predictions)
    if run is not None and run.preview is not None:
        return _of_preview(run)
    return _of_data(data)


def _of_data(data: Data) -> Inspection:
    particles = data.particles
    if particles is None:
        return NOTHING
    rows = np.arange(len(particles))
    panels = [Panel("input", "input", _images(data))]
    if particles.poses is None or data.projector is None:
        return Inspection("images", rows, tuple(panels), true_poses=particles.poses)
    projections = ProjectedPoses(data.projector, particles.poses)
    panels.append(Panel("true", "projection at the STAR's pose", projections))
    return Inspection("poses", rows, tuple(panels), true_poses=particles.poses)


def _of_predictions(data: Data, predictions: Predictions) -> Inspection:
    particles = data.particles
    assert particles is not None
    panels = [Panel("input", "input", _images(data))]
    if data.projector is not None:
        if particles.poses is not None:
            true = ProjectedPoses(data.projector, particles.poses)
            panels.append(Panel("true", "true pose", true))
        predicted = ProjectedPoses(data.projector, predictions.poses)
        panels.append(Panel("predicted", "predicted pose", predicted))
    return Inspection(
        "predictions",
        np.arange(len(particles)),
        tuple(panels),
        particles.poses,
        predictions.poses,
        predictions.errors_deg,
        predictions.shift_errors_angstrom,
        predictions.confidence,
        symmetry=predictions.symmetry,
    )


def _of_preview(run: RunView) -> Inspection:
    preview = run.preview
    assert preview is not None
    pixel_size = _preview_pixel_size(run)
    titles = {"input": "input", "true": "true pose", "predicted": "predicted pose"}
    names = ("input", "true_projection", "predicted_projection")
    panels = tuple(
        Panel(role, title, ArrayImages(np.asarray(preview[name], np.float32), pixel_size))
        for (role, title), name in zip(titles.items(), names, strict=True)
    )
    true = Poses(preview["true_rotations"], preview["true_shifts_angstrom"])
    predicted = Poses(preview["predicted_rotations"], preview["predicted_shifts_angstrom"])
    differences = predicted.shifts_angstrom - true.shifts_angstrom
    return Inspection(
        "preview",
        preview["rows"],
        panels,
        true,
        predicted,
        preview["angular_error_deg"],
        np.hypot(differences[:, 0], differences[:, 1]),
        symmetry=run.symmetry,
    )


def _preview_pixel_size(run: RunView) -> float:
    inputs = run.record.get("inputs", {})
    working_box = inputs.get("working_box")
    if not working_box:
        return 1.0
    return float(inputs["pixel_size_angstrom"]) * float(inputs["box"]) / float(working_box)


def _images(data: Data) -> ImageSource:
    assert data.particles is not None
    images = data.particles.images
    return NegatedImages(images) if data.is_negated else images


def load_predictions(data: Data, run: RunView) -> Predictions:
    """Read the poses a finished run predicted for the stack in ``data``; torch loads here.

    Raises:
        InputError: where they cannot be read or do not belong to the stack.

    """
    from napari_cryoorient.errors import InputError
    from napari_cryoorient.evaluation import pose_errors
    from napari_cryoorient.geometry.symmetry import symmetry_matrices
    from napari_cryoorient.io.particle_table import ParticleTable
    from napari_cryoorient.io.pose_table import match_rows, read_pose_table
    from napari_cryoorient.io.star import read_star

    path = run.path / "poses.star"
    particles = data.particles
    table = read_pose_table(path)
    if particles is None or table.poses is None:
        raise InputError(f"{path} has no poses to show.")
    theirs, ours = match_rows(table.names, particles.names)
    if len(ours) != len(particles):
        raise InputError(
            f"{path} predicts {len(ours)} of the {len(particles)} particles loaded; "
            f"load the STAR file of the run, {run.star_path}."
        )
    order = theirs[np.argsort(ours)]
    poses = table.poses[order]
    values = ParticleTable(read_star(path))
    name = "rlnParticleFigureOfMerit"
    confidence = values.floats(name)[order] if name in values else None
    errors, shift_errors = None, None
    if particles.poses is not None:
        both = pose_errors(poses, particles.poses, symmetry_matrices(run.symmetry))
        errors, shift_errors = both.angles_deg, both.shifts_angstrom
    return Predictions(path, poses, confidence, errors, shift_errors, run.symmetry)


def ctf_of(data: Data, inspection: Inspection, index: int) -> CtfParameters | None:
    """Return the contrast transfer of one particle shown, or None."""
    if data.particles is None or data.particles.ctf is None or len(inspection) == 0:
        return None
    row = int(inspection.rows[index])
    return None if row < 0 else data.particles.ctf[np.array([row])]

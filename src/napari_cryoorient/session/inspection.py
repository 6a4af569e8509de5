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
    DerivedImages,
    Floats,
    Images,
    ImageSource,
    Integers,
    NegatedImages,
    Poses,
    SubsetImages,
)
from napari_cryoorient.session.criteria import CRITERIA, Criterion
from napari_cryoorient.session.data import Data, ProjectedPoses
from napari_cryoorient.session.follow import RunView

Fourth = Literal["none", "difference", "blink"]
# A network, one refined against the map, a global search, the STAR file's own poses refined, or the
# likeliest of their equivalents; those of another file that the STAR file is compared with.
Source = Literal[
    "network", "network, refined", "search", "STAR, refined", "STAR, relaxed", "other file"
]
# What poses are compared with: known ones, or labels that a search found.
Reference = Literal["true", "label"]
Kind = Literal["nothing", "images", "poses", "preview", "predictions"]


@dataclass(frozen=True)
class Predictions:
    """New poses of the stack, or of its particles ``rows``; errors where the stack has poses too.

    Errors are the smallest over the equivalent poses of ``symmetry``; ``source`` says what the
    poses come from.  Of another file's poses they are differences, and ``probability_of_a`` tells
    how likely the particle is at the stack's own pose rather than at the other.  A search's
    confidence is ``presence``, that the image shows the particle, times ``pose_probability``.
    """

    path: Path
    poses: Poses
    confidence: Floats | None
    errors_deg: Floats | None
    shift_errors_angstrom: Floats | None
    symmetry: str = "C1"
    source: Source = "network"
    rows: Integers | None = None
    probability_of_a: Floats | None = None
    presence: Floats | None = None
    pose_probability: Floats | None = None


@dataclass(frozen=True)
class Picture:
    """One of the views side by side: its role, its title, its images."""

    role: str
    title: str
    images: ImageSource


@dataclass(frozen=True)
class Inspection:
    """``n`` particles side by side with projections; ``rows`` are theirs in the STAR (-1: none).

    ``subject`` names what is shown, files, contrast and run; grey levels and zoom of one subject
    mean nothing for another.
    """

    kind: Kind
    rows: Integers
    pictures: tuple[Picture, ...] = ()
    true_poses: Poses | None = None
    predicted_poses: Poses | None = None
    errors_deg: Floats | None = None
    shift_errors_angstrom: Floats | None = None
    confidence: Floats | None = None
    correlations: Floats | None = None
    probability_of_a: Floats | None = None
    presence: Floats | None = None
    pose_probability: Floats | None = None
    symmetry: str = "C1"
    source: Source = "network"
    reference: Reference = "true"
    subject: tuple[object, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shown_poses(self) -> Poses | None:
        """The poses under inspection: predicted ones, or else the STAR file's."""
        return self.true_poses if self.predicted_poses is None else self.predicted_poses

    def has_poses_of(self, other: Inspection) -> bool:
        """Tell whether what was measured of another inspection's poses holds for this one's."""
        return self.kind == other.kind and self.shown_poses is other.shown_poses

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """What particles can be ranked by."""
        return tuple(name for name in CRITERIA if self.values(name) is not None)

    def values(self, criterion: Criterion) -> Floats | None:
        """Return a figure of each particle (NaN: not known), or None where it is known of none."""
        # Neither of two files is the truth that the other would be in error against.
        is_compared = self.source == "other file"
        angles, shifts = self.errors_deg, self.shift_errors_angstrom
        values: dict[Criterion, Floats | None] = {
            "angle difference": angles if is_compared else None,
            "shift difference": shifts if is_compared else None,
            "probability of A": self.probability_of_a,
            "angular error": None if is_compared else angles,
            "confidence": self.confidence,
            "particle is there": self.presence,
            "pose is right": self.pose_probability,
            "shift error": None if is_compared else shifts,
            "correlation": self.correlations,
        }
        found = values[criterion]
        return None if found is None or not np.isfinite(found).any() else found

    def ranking(self, criterion: Criterion) -> Integers:
        """Return all particles from the worst to the best; those not known come first."""
        values = self.values(criterion)
        if values is None:
            return np.arange(len(self))
        worst_first = values if CRITERIA[criterion].is_higher_better else -values
        return np.argsort(np.where(np.isnan(values), -np.inf, worst_first), kind="stable")


@dataclass(frozen=True)
class Difference(DerivedImages):
    """Images of one source minus those of another with the same box."""

    subtracted: ImageSource

    def read(self, indices: Integers) -> Images:
        """Read both and subtract."""
        return self.source.read(indices) - self.subtracted.read(indices)


# Titles of the projections at the STAR file's poses and at the new ones.
TITLES: dict[Source, tuple[str, str]] = {
    "network": ("true pose", "predicted pose"),
    "network, refined": ("true pose", "refined pose"),
    "search": ("STAR's pose", "found pose"),
    "STAR, refined": ("STAR's pose", "refined pose"),
    "STAR, relaxed": ("STAR's pose", "likeliest equivalent"),
    "other file": ("pose A", "pose B"),
}
NOTHING = Inspection("nothing", np.zeros(0, dtype=np.int64))


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
    inspection = replace(
        _most(data, run, predictions), subject=_subject(data, run if predictions is None else None)
    )
    by_role = {picture.role: picture.images for picture in inspection.pictures}
    if fourth == "none" or not {"true", "predicted"} <= set(by_role):
        return inspection
    if fourth == "blink":
        title = next(picture.title for picture in inspection.pictures if picture.role == "true")
        picture = Picture("blink", f"blink: {title}", by_role["true"])
    else:
        difference = Difference(by_role["predicted"], by_role["true"])
        is_compared = inspection.source == "other file"
        title = "B - A" if is_compared else f"predicted - {inspection.reference}"
        picture = Picture("difference", title, difference)
    return replace(inspection, pictures=(*inspection.pictures, picture))


def _most(data: Data, run: RunView | None, predictions: Predictions | None) -> Inspection:
    if predictions is not None and data.particles is not None:
        return _of_predictions(data, predictions)
    if run is not None and run.preview is not None and is_about(run, data):
        return _of_preview(run)
    return _of_data(data)


def is_about(run: RunView, data: Data) -> bool:
    """Tell whether a run works on the stack and the map that are loaded, as far as any are."""
    pairs = ((run.star_path, data.star_path), (run.map_path, data.map_path))
    return all(a is None or b is None or a.resolve() == b.resolve() for a, b in pairs)


def has_files_of(data: Data, run: RunView) -> bool:
    """Tell whether the stack and the map that are loaded are those of a run."""
    pairs = ((run.star_path, data.star_path), (run.map_path, data.map_path))
    return all(a is not None and b is not None and a.resolve() == b.resolve() for a, b in pairs)


def _subject(data: Data, run: RunView | None) -> tuple[object, ...]:
    shows_run = run is not None and run.preview is not None and is_about(run, data)
    box = None if data.particles is None else data.particles.box
    return (
        data.star_path,
        data.map_path,
        data.map_pixel_size_angstrom,
        data.is_negated,
        box,
        run.path if run is not None and shows_run else None,
    )


def _of_data(data: Data) -> Inspection:
    particles = data.particles
    if particles is None:
        return NOTHING
    rows = np.arange(len(particles))
    pictures = [Picture("input", "input", _images(data))]
    if particles.poses is None or data.projector is None:
        return Inspection(
            "images",
            rows,
            tuple(pictures),
            true_poses=particles.poses,
            confidence=data.confidence,
        )
    projections = ProjectedPoses(data.projector, particles.poses)
    pictures.append(Picture("true", "STAR's pose", projections))
    return Inspection(
        "poses",
        rows,
        tuple(pictures),
        true_poses=particles.poses,
        confidence=data.confidence,
    )


def _of_predictions(data: Data, predictions: Predictions) -> Inspection:
    particles = data.particles
    assert particles is not None
    rows, images, true_poses = np.arange(len(particles)), _images(data), particles.poses
    if predictions.rows is not None:
        rows = predictions.rows
        images = SubsetImages(images, rows)
        true_poses = None if true_poses is None else true_poses[rows]
    pictures = [Picture("input", "input", images)]
    true_title, predicted_title = TITLES[predictions.source]
    if data.projector is not None:
        if true_poses is not None:
            true = ProjectedPoses(data.projector, true_poses)
            pictures.append(Picture("true", true_title, true))
        predicted = ProjectedPoses(data.projector, predictions.poses)
        pictures.append(Picture("predicted", predicted_title, predicted))
    return Inspection(
        "predictions",
        rows,
        tuple(pictures),
        true_poses,
        predictions.poses,
        predictions.errors_deg,
        predictions.shift_errors_angstrom,
        predictions.confidence,
        probability_of_a=predictions.probability_of_a,
        presence=predictions.presence,
        pose_probability=predictions.pose_probability,
        symmetry=predictions.symmetry,
        source=predictions.source,
    )


def _of_preview(run: RunView) -> Inspection:
    preview = run.preview
    assert preview is not None
    pixel_size = _preview_pixel_size(run)
    reference: Reference = "label" if run.labels == "search" else "true"
    titles = {"input": "input", "true": f"{reference} pose", "predicted": "predicted pose"}
    names = ("input", "true_projection", "predicted_projection")
    pictures = tuple(
        Picture(role, title, ArrayImages(np.asarray(preview[name], np.float32), pixel_size))
        for (role, title), name in zip(titles.items(), names, strict=True)
    )
    true = Poses(preview["true_rotations"], preview["true_shifts_angstrom"])
    predicted = Poses(preview["predicted_rotations"], preview["predicted_shifts_angstrom"])
    differences = predicted.shifts_angstrom - true.shifts_angstrom
    return Inspection(
        "preview",
        preview["rows"],
        pictures,
        true,
        predicted,
        preview["angular_error_deg"],
        np.hypot(differences[:, 0], differences[:, 1]),
        symmetry=run.symmetry,
        reference=reference,
    )


def _preview_pixel_size(run: RunView) -> float:
    return run.record.inputs.working_pixel_size_angstrom or 1.0


def _images(data: Data) -> ImageSource:
    assert data.particles is not None
    images = data.particles.images
    return NegatedImages(images) if data.is_negated else images


def ctf_of(data: Data, inspection: Inspection, index: int) -> CtfParameters | None:
    """Return the contrast transfer of one particle shown, or None."""
    if data.particles is None or data.particles.ctf is None or len(inspection) == 0:
        return None
    row = int(inspection.rows[index])
    return None if row < 0 else data.particles.ctf[np.array([row])]

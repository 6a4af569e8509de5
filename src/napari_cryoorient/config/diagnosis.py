"""The settings of the commands that judge poses, pixel sizes and maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import field_validator

from napari_cryoorient.config.base import Config
from napari_cryoorient.config.jobs import SearchConfig
from napari_cryoorient.settings import (
    DEVICE,
    INVERT_CONTRAST,
    RESOLUTION,
    SEED,
    SYMMETRY,
    DeviceName,
    InvertContrast,
    Setting,
)


class EvaluateConfig(Config):
    """How poses are compared with true ones."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    device: Annotated[DeviceName, DEVICE] = "auto"


class CompareConfig(Config):
    """How two refinements are compared; contrast and device matter where images are asked."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"


class OrientationsConfig(Config):
    """How the views of a set of poses are judged."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    seed: Annotated[int, SEED] = 0


class NullTestConfig(SearchConfig):
    """How particles are searched beside images and maps without the molecule."""

    subset: Annotated[
        int, Setting("How many particles to test", unit="images", metavar="N", ge=1)
    ] = 200
    refines: Annotated[
        bool,
        Setting("Refine and judge the file's poses instead of a search's", flags=("--refine",)),
    ] = False


class FilterCurveConfig(Config):
    """How half-maps are made of the particles above thresholds on their confidence."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    thresholds: Annotated[
        list[float] | None,
        Setting(
            "A threshold from 0 to 1; may be given several times",
            flags=("--threshold",),
            metavar="P",
            left_open="ten, that keep 100 to 10%",
        ),
    ] = None
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"
    seed: Annotated[int, SEED] = 0

    @field_validator("thresholds", mode="before")
    @classmethod
    def _probabilities(cls, given: float | Iterable[float] | None) -> list[float] | None:
        """Take one probability, or any sequence of them."""
        several = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        values = [float(value) for value in several if value is not None]
        if values and not all(0 <= value <= 1 for value in values):
            raise ValueError("thresholds are probabilities, from 0 to 1")
        return values or None


class RelaxConfig(Config):
    """How the equivalent poses of a pseudo-symmetry are weighed."""

    symmetry: Annotated[
        str, Setting("The pseudo-symmetry on RELION's axes, such as D7 or C4", metavar="NAME")
    ] = "C1"
    resolution_angstrom: Annotated[float | None, RESOLUTION] = None
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"


class PixelSizeConfig(Config):
    """How the particles' size is measured against the map's."""

    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"


class HandConfig(Config):
    """How the specimen was tilted, and the symmetry of the map whose hand is tested."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    tilt_deg: Annotated[
        float | None,
        Setting(
            "Angle by which the specimen was turned, from the untilted images to the tilted ones",
            unit="deg",
            left_open="rlnMicrographTiltAngle",
            flags=("--tilt",),
            ge=-180.0,
            le=180.0,
        ),
    ] = None
    axis_deg: Annotated[
        float | None,
        Setting(
            "Axis of the tilt in the image, from x towards y",
            unit="deg",
            left_open="rlnMicrographTiltAxisDirection, or from the defocus",
            flags=("--axis",),
            ge=-360.0,
            le=360.0,
        ),
    ] = None


class FscConfig(Config):
    """How two maps are correlated."""

    radius_angstrom: Annotated[
        float | None,
        Setting(
            "Mask with a soft sphere of this radius instead",
            unit="A",
            flags=("--radius",),
            ge=0.0,
        ),
    ] = None
    corrected: Annotated[
        bool,
        Setting(
            "With a mask, take off what the mask itself correlates",
            flags=("--corrected/--not-corrected",),
        ),
    ] = True
    seed: Annotated[int, SEED] = 0


class SymmetryConfig(Config):
    """Which rotations a map is compared under with itself."""

    largest_fold: Annotated[
        int,
        Setting("Most folds of an axis that is looked for", metavar="N", ge=2, le=24),
    ] = 12


class MicrographsConfig(Config):
    """Which micrographs are left out, and how many of the worst are named."""

    exclude: Annotated[
        list[str] | None,
        Setting(
            "Leave out a micrograph, for --kept; may be given several times",
            metavar="NAME",
            left_open="none",
        ),
    ] = None
    worst: Annotated[int, Setting("How many of the worst to name", metavar="N", ge=1)] = 10

    @field_validator("exclude", mode="before")
    @classmethod
    def _names(cls, given: str | Iterable[str] | None) -> list[str] | None:
        """Take one name, or any sequence of them."""
        several = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
        return [name for name in several if name is not None] or None

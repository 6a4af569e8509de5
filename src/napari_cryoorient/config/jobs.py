"""The settings of the commands that find poses and make maps of them."""

from __future__ import annotations

from typing import Annotated, Literal

from napari_cryoorient.config.base import Config
from napari_cryoorient.settings import (
    DEVICE,
    INVERT_CONTRAST,
    MEMORY,
    RESOLUTION,
    SEED,
    SYMMETRY,
    DeviceName,
    InvertContrast,
    Setting,
)

HalfSet = Literal["all", "1", "2"]


class SearchConfig(Config):
    """How poses are searched."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    subset: Annotated[
        int | None,
        Setting(
            "Search this many particles, drawn at random, and keep only these",
            unit="images",
            label="Search in",
            left_open="all particles",
            metavar="N",
            ge=1,
        ),
    ] = None
    shift_range_angstrom: Annotated[
        float | None,
        Setting(
            "Largest shift of a particle from the centre of its image",
            unit="A",
            label="Shifts up to",
            left_open="8% of the box",
            flags=("--shift-range",),
            ge=0.0,
        ),
    ] = None
    resolution_angstrom: Annotated[float | None, RESOLUTION] = None
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"
    memory_gib: Annotated[float | None, MEMORY] = None
    evidence: Annotated[
        bool,
        Setting(
            "Also write the terms of the confidence, as columns cryoorient... of the STAR file",
            label="Evidence columns",
        ),
    ] = False
    seed: Annotated[int, SEED] = 0


class RefineConfig(Config):
    """How poses are refined; the symmetry matters for the confidence alone."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    resolution_angstrom: Annotated[float | None, RESOLUTION] = None
    invert_contrast: Annotated[InvertContrast, INVERT_CONTRAST] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"
    memory_gib: Annotated[float | None, MEMORY] = None


class PredictConfig(Config):
    """How a trained network predicts."""

    batch_size: Annotated[
        int | None,
        Setting("Images at once", unit="images", left_open="by the device", ge=1),
    ] = None
    refine: Annotated[
        bool,
        Setting(
            "Refine the poses against the map, searching globally for doubtful particles",
            flags=("--refine/--no-refine",),
        ),
    ] = False
    search: Annotated[
        bool,
        Setting(
            "With --refine, search globally for doubtful particles. Without it each predicted pose "
            "is only refined, which shows what the network itself found",
            flags=("--search/--no-search",),
        ),
    ] = True
    n_hypotheses: Annotated[
        int | None,
        Setting(
            "Compare each image with the K of the search's views that the network finds most "
            "probable (64 is a good start) and refine the best, instead of one pose; --refine is "
            "implied. With --no-search nothing else is tried",
            flags=("--hypotheses",),
            metavar="K",
            ge=1,
        ),
    ] = None
    device: Annotated[DeviceName, DEVICE] = "auto"
    memory_gib: Annotated[float | None, MEMORY] = None

    @property
    def is_compared(self) -> bool:
        """Whether the images are compared with the map, which has to be there then."""
        return self.refine or self.n_hypotheses is not None


class ReconstructConfig(Config):
    """How a map is made of particles with poses."""

    symmetry: Annotated[str, SYMMETRY] = "C1"
    half_maps: Annotated[
        bool,
        Setting(
            "Also make a map of each half-set, OUT_half1.mrc and OUT_half2.mrc, and their FSC, "
            "OUT_fsc.csv and .png"
        ),
    ] = False
    subset: Annotated[HalfSet, Setting("Reconstruct one half-set alone")] = "all"
    max_resolution_angstrom: Annotated[
        float | None,
        Setting(
            "Finest detail used",
            unit="A",
            left_open="Nyquist",
            flags=("--max-resolution",),
            ge=0.1,
        ),
    ] = None
    with_ctf: Annotated[
        bool,
        Setting("Weigh by the CTF that the STAR file gives", flags=("--ctf/--no-ctf",)),
    ] = True
    weigh_by_confidence: Annotated[
        bool, Setting("Weigh particles by their rlnParticleFigureOfMerit")
    ] = False
    exact_symmetry: Annotated[
        bool, Setting("Enter every equivalent pose where turning the sums would interpolate")
    ] = False
    invert_contrast: Annotated[
        InvertContrast,
        Setting("Negate the map; auto does it where the molecule is clearly dark"),
    ] = "auto"
    device: Annotated[DeviceName, DEVICE] = "auto"
    memory_gib: Annotated[float | None, MEMORY] = None
    seed: Annotated[int, SEED] = 0

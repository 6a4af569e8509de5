"""The settings of the commands that make images of a map."""

from __future__ import annotations

from typing import Annotated

from napari_cryoorient.config.base import Config
from napari_cryoorient.settings import (
    DEVICE,
    LOWPASS,
    SEED,
    SHIFT_SIGMA,
    SYMMETRY,
    DeviceName,
    Setting,
)

SNR = Setting(
    "Variance of the signal (with CTF, over the whole image) over that of the white noise; 'none' "
    "or 'inf' for no noise",
    left_open="none",
    metavar="X",
    gt=0.0,
)


class SimulateConfig(Config):
    """What particles are made of a map."""

    n: Annotated[
        int | None,
        Setting("How many particles", left_open="1000, or the data set's", flags=("--n",), ge=1),
    ] = None
    box: Annotated[
        int | None,
        Setting(
            "Box of the particles: smaller than the map's crops in Fourier space (pixels grow), "
            "larger pads with the map's surroundings (pixels stay)",
            unit="px",
            left_open="the map's",
            ge=16,
            le=1024,
        ),
    ] = None
    snr: Annotated[float | None, SNR] = None
    ctf: Annotated[
        bool,
        Setting(
            "Apply a CTF: defocus 1.0 to 2.5 um, astigmatism to 0.04 um, 300 kV, Cs 2.7 mm, "
            "amplitude contrast 0.1",
            flags=("--ctf/--no-ctf",),
        ),
    ] = True
    shift_sigma_angstrom: Annotated[float, SHIFT_SIGMA] = 0.0
    lowpass_angstrom: Annotated[float | None, LOWPASS] = None
    symmetry: Annotated[str, SYMMETRY] = "C1"
    device: Annotated[DeviceName, DEVICE] = "auto"
    seed: Annotated[int, SEED] = 0


class ProjectConfig(Config):
    """How a map is projected at given poses."""

    with_ctf: Annotated[
        bool,
        Setting("Apply the CTF and aberrations that the STAR file gives", flags=("--ctf",)),
    ] = False
    device: Annotated[DeviceName, DEVICE] = "auto"

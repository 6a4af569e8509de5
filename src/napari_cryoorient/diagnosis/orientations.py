"""What a set of poses says of its views: their spread, what they sample, what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.diagnosis.conical import EVEN, ConicalCorrelation
from napari_cryoorient.diagnosis.sampling import SUFFICIENT, Sampling, sampling_of
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.healpix import n_pixels, pixel_of
from napari_cryoorient.particles import Floats, Integers, Poses

# 768 bins of views, 7.3 degrees wide.
VIEWS_NSIDE = 8
TILTS_DEG = (10, 20, 30, 40, 50, 60)
# Views that a tilt is tried on.
N_TILTED = 20_000
# Views as even as this, of what as many drawn evenly would have, are called even.
EVEN_PART = 0.95
# Fewer leave gaps by chance alone.
FEWEST_VIEWS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class OrientationReport:
    """Views of ``n`` particles: counts ``(768,)`` by HEALPix pixel, and what they sample.

    ``tilted_scf_star`` holds SCF* by the angle, in degrees, that the grid would be tilted by; 0 is
    as it is.  ``conical`` is there where half-maps were given.
    """

    n: int
    view_counts: Integers
    sampling: Sampling
    tilted_scf_star: dict[int, float]
    conical: ConicalCorrelation | None = None

    @property
    def scf(self) -> float:
        """Sampling compensation factor."""
        return self.sampling.scf

    @property
    def scf_star(self) -> float:
        """The same with empty directions counted in."""
        return self.sampling.scf_star

    @property
    def best_tilt_deg(self) -> int:
        """The least tilt that would be sufficient, or else the best one."""
        enough = [tilt for tilt, value in self.tilted_scf_star.items() if value >= SUFFICIENT]
        if enough:
            return min(enough)
        return max(self.tilted_scf_star, key=lambda tilt: self.tilted_scf_star[tilt])

    @property
    def advice(self) -> str:
        """What to make of it, in words."""
        said = [self._advice_on_views()]
        if self.conical is not None:
            said.append(self._advice_on_maps(self.conical.cfar))
        return " ".join(said)

    def _advice_on_views(self) -> str:
        if self.sampling.n_views < FEWEST_VIEWS:
            return "These are too few views to judge how even they are."
        if self.scf_star >= SUFFICIENT:
            if self.scf >= EVEN_PART * self.sampling.scf_of_even_views:
                return "The views are even."
            return "The views are uneven but sufficient: every direction is sampled."
        cone = self.sampling.missing_cone
        gap = ""
        if cone is not None:
            gap = f" A cone of {cone.half_angle_deg:.0f} degrees about one axis is empty."
        tilt = self.best_tilt_deg
        better = self.tilted_scf_star[tilt]
        if tilt == 0 or better < self.scf_star + 0.05:
            return (
                f"The views are uneven, and parts of Fourier space are hardly sampled.{gap} "
                "Tilting the stage would not help: other views have to be found (another grid, "
                "detergent, rebalanced particles)."
            )
        effect = "would be sufficient" if better >= SUFFICIENT else "would help most"
        return (
            f"The views are uneven, and parts of Fourier space are hardly sampled.{gap} Collect at "
            f"a tilt of about {tilt} degrees: SCF* {better:.2f}, which {effect}."
        )

    def _advice_on_maps(self, cfar: float) -> str:
        if cfar >= EVEN:
            return f"The half-maps agree about alike in all directions (cFAR {cfar:.2f})."
        if self.scf_star >= SUFFICIENT:
            return (
                f"The half-maps agree much less in some directions (cFAR {cfar:.2f}), though the "
                "views do not explain it: look for junk or wrong poses among them."
            )
        return f"The half-maps agree much less in some directions (cFAR {cfar:.2f})."

    def with_conical(self, conical: ConicalCorrelation) -> OrientationReport:
        """Return the same with the half-maps' correlation."""
        return replace(self, conical=conical)

    def summary(self) -> dict[str, Any]:
        """Return the figures by name, as ``orientations --json`` does."""
        cone, conical = self.sampling.missing_cone, self.conical
        figures: dict[str, Any] = {
            "n": self.n,
            "scf": self.scf,
            "scf_star": self.scf_star,
            "scf_of_even_views": self.sampling.scf_of_even_views,
            "empty_share": self.sampling.empty_share,
            "missing_cone": None
            if cone is None
            else {"axis": cone.axis.tolist(), "half_angle_deg": cone.half_angle_deg},
            "bins_without_view": float(np.mean(self.view_counts == 0)),
            "largest_over_mean": float(self.view_counts.max() / self.view_counts.mean()),
            "scf_star_by_tilt_deg": {str(t): v for t, v in self.tilted_scf_star.items()},
            "best_tilt_deg": self.best_tilt_deg,
            "advice": self.advice,
            "view_counts": self.view_counts.tolist(),
        }
        if conical is not None:
            crossings = conical.crossings_angstrom()
            figures |= {
                "cfar": conical.cfar,
                "worst_resolution_angstrom": float(crossings.max()),
                "best_resolution_angstrom": float(crossings.min()),
                "worst_direction": conical.directions[int(conical.areas.argmin())].tolist(),
                "conical_fsc": {
                    "frequencies_per_angstrom": conical.frequencies.tolist(),
                    "best": conical.curves[int(conical.areas.argmax())].tolist(),
                    "worst": conical.curves[int(conical.areas.argmin())].tolist(),
                },
            }
        return figures

    def __repr__(self) -> str:
        cfar = "" if self.conical is None else f", cFAR {self.conical.cfar:.2f}"
        return (
            f"OrientationReport({self.n} particles, SCF {self.scf:.2f}, SCF* "
            f"{self.scf_star:.2f}{cfar})"
        )


def orientation_report(poses: Poses, group: Tensor, *, seed: int = 0) -> OrientationReport:
    """Look at the views of poses under a symmetry ``(g, 3, 3)``; raises InputError for none."""
    n = len(poses)
    if not n:
        raise InputError("There are no poses to judge.")
    views = poses.rotations[:, 2]
    few = np.sort(np.random.default_rng([seed, *b"tilts"]).permutation(n)[:N_TILTED])
    tilted = {
        tilt: sampling_of(
            _tilted_views(poses.rotations[few], tilt), group, n_counted=N_TILTED
        ).scf_star
        for tilt in (0, *TILTS_DEG)
    }
    return OrientationReport(n, _view_counts(views, group), sampling_of(views, group), tilted)


def _tilted_views(rotations: Floats, tilt_deg: float) -> Floats:
    """Return the views ``(n, 3)`` if the stage were tilted, particles lying as they do.

    The tilt axis is x of the images; any other gives the same where in-plane angles are even.
    """
    angle = math.radians(tilt_deg)
    return np.asarray(math.cos(angle) * rotations[:, 2] + math.sin(angle) * rotations[:, 1])


def _view_counts(views: Floats, group: Tensor) -> Integers:
    """Count views and their equivalents by pixel ``(768,)``."""
    counts = np.zeros(n_pixels(VIEWS_NSIDE), dtype=np.int64)
    given = torch.from_numpy(views)
    for element in group.double():
        pixels = pixel_of((given @ element.t()).numpy(), VIEWS_NSIDE)
        counts += np.bincount(pixels, minlength=len(counts))
    return counts

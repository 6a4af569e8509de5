"""What a threshold on the confidence keeps, and what the map makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.filter_curve import FilterCurve
from napari_cryoorient.diagnosis.filter_curve import filter_curve as curve_of
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.confidence import stated_confidence
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import Floats
from napari_cryoorient.stack.pairing import pair_inputs


def filter_curve(
    particles: AnyParticles,
    density: AnyMap | None = None,
    *,
    confidence: Floats | None = None,
    thresholds: Sequence[float] | None = None,
    symmetry: str = "C1",
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    seed: int = 0,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> FilterCurve:
    """Reconstruct half-maps of the particles above each threshold, in one pass over the images.

    ``confidence`` ``(n,)`` is that of estimates or of their file if it is not given; ``thresholds``
    by default keep all, nine tenths and so on; with ``density`` the FSC with it is given too, and
    ``invert_contrast`` turns dark particles on white.  Half-sets are those of rlnRandomSubset, or
    drawn with ``seed``.

    Raises:
        InputError: for particles without poses or confidence, or too few.
        Stopped: when asked to stop.

    """
    symmetry_matrices(symmetry)
    stack, place = particles_of(particles), choose_device(device)
    if confidence is None and isinstance(particles, PoseEstimates):
        confidence = particles.confidence
    if confidence is None and isinstance(stack.file, StarFile):
        stated = stated_confidence(stack.file)
        rows = stack.file_rows
        confidence = stated if stated is None or rows is None else stated[rows]
    if confidence is None:
        raise InputError("These particles have no confidence to filter by; give one.")
    matched = None
    if density is not None:
        inputs = pair_inputs(
            stack,
            map_of(density, stack),
            invert_contrast=invert_contrast,
            name=name_of(particles),
        )
        stack, matched = inputs.particles, inputs.density
    usable = stack.usable_rows()
    return curve_of(
        stack.subset(usable),
        confidence[usable],
        place,
        density=matched,
        thresholds=thresholds,
        symmetry=symmetry,
        seed=seed,
        reporter=reporter_of(progress, say, should_stop),
    )

"""What a threshold on the confidence keeps, and what the map makes of it."""

from __future__ import annotations

from typing import Any

from napari_cryoorient.api.estimates import PoseEstimates
from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import FilterCurveConfig
from napari_cryoorient.diagnosis.filter_curve import FilterCurve
from napari_cryoorient.diagnosis.filter_files import filter_curve_of_particles
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.confidence import stated_confidence
from napari_cryoorient.io.star_text import StarFile
from napari_cryoorient.particles import Floats


@with_keywords(FilterCurveConfig)
def filter_curve(
    particles: AnyParticles,
    density: AnyMap | None = None,
    *,
    confidence: Floats | None = None,
    config: FilterCurveConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> FilterCurve:
    """Reconstruct half-maps of the particles above each threshold, in one pass over the images.

    Half-sets are those of rlnRandomSubset, or drawn with ``seed``.

    Args:
        particles: a set with poses, poses found, or the path of a STAR or ``.cs`` file.
        density: a map; the FSC with it is given too.
        confidence: ``(n,)``; by default that of the estimates, or of their file.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``FilterCurveConfig``; ``thresholds`` are a sequence of probabilities.

    Raises:
        InputError: for particles without poses or confidence, or too few.
        Stopped: when asked to stop.

    """
    config = config_of(FilterCurveConfig, config, settings)
    symmetry_matrices(config.symmetry)
    stack = particles_of(particles)
    if confidence is None and isinstance(particles, PoseEstimates):
        confidence = particles.confidence
    if confidence is None and isinstance(stack.file, StarFile):
        stated = stated_confidence(stack.file)
        rows = stack.file_rows
        confidence = stated if stated is None or rows is None else stated[rows]
    if confidence is None:
        raise InputError("These particles have no confidence to filter by; give one.")
    return filter_curve_of_particles(
        stack,
        confidence,
        None if density is None else map_of(density, stack),
        config,
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )

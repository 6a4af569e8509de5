"""Whether the pixel sizes of particles and map belong together."""

from __future__ import annotations

from typing import Any

from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import PixelSizeConfig
from napari_cryoorient.diagnosis.magnification import Magnification
from napari_cryoorient.diagnosis.pixel_size import pixel_size_of_particles


@with_keywords(PixelSizeConfig)
def pixel_size(
    particles: AnyParticles,
    density: AnyMap,
    *,
    config: PixelSizeConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> Magnification:
    """Measure how much larger particles are than the map, from the likelihood of their images.

    Args:
        particles: a set with poses, or the path of a STAR or ``.cs`` file; 2000 are asked at most.
        density: the map as it came, or the path of one or of an atomic model.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``PixelSizeConfig``.

    Raises:
        InputError: where there are no poses, or the images show no scale within 6% of the map's.
        Stopped: when asked to stop.

    """
    stack = particles_of(particles)
    return pixel_size_of_particles(
        stack,
        map_of(density, stack),
        config_of(PixelSizeConfig, config, settings),
        name=name_of(particles),
        reporter=reporter_of(progress, say, should_stop),
    )

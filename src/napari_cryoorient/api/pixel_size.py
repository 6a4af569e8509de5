"""Whether the pixel sizes of particles and map belong together."""

from __future__ import annotations

from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, silent
from napari_cryoorient.config import DeviceName, InvertContrast
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.magnification import Magnification, measure_magnification
from napari_cryoorient.stack.pairing import pair_inputs


def pixel_size(
    particles: AnyParticles,
    density: AnyMap,
    *,
    invert_contrast: InvertContrast = "auto",
    device: DeviceName = "auto",
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
) -> Magnification:
    """Measure how much larger particles are than the map, from the likelihood of their images.

    The particles need poses; 2000 of them are asked at most.  ``invert_contrast`` turns dark
    particles on white.

    Raises:
        InputError: where there are no poses, or the images show no scale within 6% of the map's.
        Stopped: when asked to stop.

    """
    stack, place = particles_of(particles), choose_device(device)
    given = map_of(density, stack)
    inputs = pair_inputs(stack, given, invert_contrast=invert_contrast, name=name_of(particles))
    for note in inputs.notes:
        (say or silent)(note)
    return measure_magnification(
        inputs.particles,
        inputs.density,
        given,
        place,
        progress=progress,
        should_stop=should_stop,
    )

"""What a search finds in particles, beside what it finds where there is nothing to find."""

from __future__ import annotations

from typing import Any

from napari_cryoorient.api.files import AnyMap, AnyParticles, map_of, name_of, particles_of
from napari_cryoorient.api.keywords import config_of, with_keywords
from napari_cryoorient.api.progress import Advance, Say, ShouldStop, reporter_of
from napari_cryoorient.config import NullTestConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.diagnosis.null_test import NullTest, null_test_inputs
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.stack.pairing import pair_inputs


@with_keywords(NullTestConfig)
def null_test(
    particles: AnyParticles,
    density: AnyMap,
    *,
    config: NullTestConfig | None = None,
    progress: Advance | None = None,
    say: Say | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> NullTest:
    """Search some particles, images without the molecule, and maps without the structure.

    Args:
        particles: a set, or the path of a STAR or ``.cs`` file.
        density: the map, or the path of one or of an atomic model.
        config: the settings; single ones by name go before its own.
        progress: told (done, of so many).
        say: told each sentence for the user.
        should_stop: asked now and then; where it says so, Stopped is raised.
        settings: fields of ``NullTestConfig``.

    Raises:
        InputError: where particles and map do not fit each other.
        Stopped: when asked to stop.

    """
    config = config_of(NullTestConfig, config, settings)
    symmetry_matrices(config.symmetry)
    place, stack = choose_device(config.device), particles_of(particles)
    inputs = pair_inputs(
        stack,
        map_of(density, stack),
        invert_contrast=config.invert_contrast,
        name=name_of(particles),
    )
    return null_test_inputs(inputs, place, config, reporter=reporter_of(progress, say, should_stop))

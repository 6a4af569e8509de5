"""Layers of what ``napari-cryoorient view`` was given, put into a viewer.

A map and a stack would share the slider, so with a map the particles are shown beside its
projections at their poses instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.particles import ArrayImages
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.simulation.simulate import Projections
from napari_cryoorient.viewer.napari_api import grid_of
from napari_cryoorient.viewer.readers import (
    PARTICLE_SUFFIXES,
    PARTS_MARK,
    LayerData,
    particles_layer,
    read_mrc,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

GAP = 0.04  # between images side by side, of their edge
PREVIEWS = {
    "input": "input",
    "true_projection": "true pose",
    "predicted_projection": "predicted pose",
}


def layers_of(
    path: Path,
    map_path: Path | None = None,
    pixel_size_angstrom: float | None = None,
    project_dir: Path | None = None,
) -> list[LayerData]:
    """Describe the layers of a run folder, a folder of parts, a particle STAR file, stack or map.

    Raises:
        InputError: for what is none of these.

    """
    if path.is_dir():
        return _parts_layers(path) if (path / PARTS_MARK).is_file() else _run_layers(path)
    if path.suffix.lower() in PARTICLE_SUFFIXES:
        return _star_layers(path, map_path, pixel_size_angstrom, project_dir)
    if map_path is not None:
        raise InputError(f"{path} has no poses to project the map at; give a STAR file.")
    return read_mrc(str(path))


def show(viewer: ViewerModel, layers: list[LayerData]) -> None:
    """Add layers side by side; those beside each other move together."""
    for data, options, _ in layers:
        viewer.add_image(data, **options)
    if not _lie_apart(layers):
        grid = grid_of(viewer)
        grid.enabled = True
        grid.stride = 1
        grid.shape = (1, len(layers))
    if len(layers) > 1:
        viewer.dims.set_current_step(0, 0)
    viewer.reset_view()


def _lie_apart(layers: list[LayerData]) -> bool:
    """Tell whether each layer begins to the right of the one before."""
    starts = [float(options["translate"][-1]) for _, options, _ in layers]
    widths = [data.shape[-1] * float(options["scale"][-1]) for data, options, _ in layers]
    return all(
        start + width <= after
        for start, width, after in zip(starts, widths, starts[1:], strict=False)
    )


def _star_layers(
    path: Path, map_path: Path | None, pixel_size: float | None, project_dir: Path | None
) -> list[LayerData]:
    particles, _ = read_particles(path, project_dir=project_dir)
    layers = [particles_layer(particles.images, name=path.name, path=path, notes=particles.notes)]
    if map_path is None:
        return layers
    if particles.poses is None:
        raise InputError(f"{path} has no poses to project {map_path} at; leave out --map.")
    projections = Projections(read_map(map_path, pixel_size_angstrom=pixel_size), particles.poses)
    name = f"{map_path.name} at these poses"
    return [*layers, particles_layer(projections, name=name, path=map_path)]


def _parts_layers(path: Path) -> list[LayerData]:
    """Show the particles whose poses are there already, beside the map's projections at them."""
    from napari_cryoorient.cluster.partial import partial_poses
    from napari_cryoorient.stack.pairing import matched_map

    there = partial_poses(path)
    particles, _ = read_particles(there.particles_path, project_dir=there.project_dir)
    chosen = particles.subset(there.rows)
    name = f"{there.particles_path.name}, {len(chosen)} of {len(particles)} so far"
    layers = [particles_layer(chosen.images, name=name, path=there.particles_path)]
    if there.map_path is None:
        return layers
    projections = Projections(matched_map(read_map(there.map_path), particles), there.poses)
    name = f"{there.map_path.name} at these poses"
    beside = particles_layer(projections, name=name, path=there.map_path)
    steps, y, x = beside[1]["translate"]
    width = particles.box * particles.pixel_size_angstrom
    beside[1]["translate"] = (steps, y, x + (1.0 + GAP) * width)
    return [*layers, beside]


def _run_layers(path: Path) -> list[LayerData]:
    reader = RunReader(path)
    record, preview = reader.run(), reader.new_preview()
    if record is None:
        raise InputError(f"{path} is not a run folder: it has no run.json.")
    if preview is None:
        raise InputError(f"{path} has no preview yet; wait for the run's first reports.")
    layers = []
    for place, (key, name) in enumerate(PREVIEWS.items()):
        images = np.asarray(preview[key], dtype=np.float32)
        layer = particles_layer(ArrayImages(images, 1.0), name=name, path=path, pixel_unit="pixel")
        steps, y, x = layer[1]["translate"]
        # Side by side, whoever opens them: a reader cannot ask for napari's grid.
        layer[1]["translate"] = (steps, y, x + place * (1.0 + GAP) * images.shape[-1])
        layers.append(_at_once(layer))
    return layers


def _at_once(layer: LayerData) -> LayerData:
    """Hold the few images of a preview in memory."""
    data: Any = np.asarray(layer[0])
    return data, layer[1], layer[2]

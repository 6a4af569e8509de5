"""`view` lays particles beside projections, and a run's preview as a triptych."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.particles import Poses
from napari_cryoorient.simulation.simulate import project_chunk, projector_of
from napari_cryoorient.viewer.napari_api import grid_of
from napari_cryoorient.viewer.show import layers_of, show


def test_a_star_file_with_a_map_is_shown_beside_its_projections(sample) -> None:
    layers = layers_of(sample.star_path, sample.map_path)
    viewer = ViewerModel()
    show(viewer, layers)
    assert [layer.name for layer in viewer.layers] == [
        sample.star_path.name,
        f"{sample.map_path.name} at these poses",
    ]
    assert grid_of(viewer).enabled
    assert viewer.dims.range[0].stop == len(sample.images) - 1
    poses = Poses(np.eye(3)[None], np.zeros((1, 2)))
    expected = project_chunk(projector_of(read_map(sample.map_path)), poses, None)[0]
    np.testing.assert_allclose(layers[1][0][3], expected, atol=1e-4)


def test_one_layer_needs_no_grid(sample) -> None:
    viewer = ViewerModel()
    show(viewer, layers_of(sample.star_path))
    assert not grid_of(viewer).enabled


def test_a_run_is_shown_by_its_preview(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"state": "finished"}))
    names = ("input", "true_projection", "predicted_projection")
    images = {name: np.random.default_rng(i).random((4, 8, 8)) for i, name in enumerate(names)}
    np.savez(tmp_path / "preview.npz", **images)
    layers = layers_of(tmp_path)
    assert [layer[1]["name"] for layer in layers] == ["input", "true pose", "predicted pose"]
    for name, layer in zip(names, layers, strict=True):
        np.testing.assert_allclose(layer[0], images[name], rtol=1e-6)
    viewer = ViewerModel()
    show(viewer, layers)
    assert not grid_of(viewer).enabled  # they stand side by side, in the user's canvas too
    for left, right in pairwise(viewer.layers):
        assert left.extent.world[1, 2] < right.extent.world[0, 2]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json"):
        layers_of(tmp_path)


def test_a_map_beside_a_stack_without_poses_is_refused(sample) -> None:
    with pytest.raises(InputError, match="no poses"):
        layers_of(sample.stack_path, sample.map_path)

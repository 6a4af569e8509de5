"""Samples are made once, offline, and open as layers side by side."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cryoorient.io.maps import write_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.session import sample
from napari_cryoorient.viewer import samples
from napari_cryoorient.viewer.show import show


@pytest.mark.parametrize("make", [samples.asymmetric_sample, samples.d2_sample, samples.d7_sample])
def test_sample_opens(make, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sample, "N_IMAGES", 4)
    monkeypatch.setattr(sample.make_sample, "__defaults__", ("C1", None, 4, 16))
    viewer = ViewerModel()
    show(viewer, make())
    assert [layer.data.shape for layer in viewer.layers] == [(4, 16, 16)] * 2


def test_a_map_of_emdb_opens_in_a_box_for_looking_at(tmp_path, monkeypatch):
    asked, path = [], tmp_path / "emd.map"
    voxels = np.random.default_rng(1).normal(size=(32, 32, 32)).astype(np.float32)
    write_map(DensityMap(voxels, 1.5), path)

    def fetch(entry, folder):
        asked.append((entry.name, folder.name))
        return path

    monkeypatch.setattr(samples.emdb, "fetch_emdb_map", fetch)
    monkeypatch.setattr(samples, "MAP_BOX", 16)
    viewer = ViewerModel()
    show(viewer, samples.proteasome_20s_sample())
    (layer,) = viewer.layers
    assert asked == [("EMD-6287", "emdb")]
    assert layer.name.startswith("EMD-6287")
    assert layer.data.shape == (16, 16, 16)
    np.testing.assert_allclose(layer.scale, 3.0)  # the field of view stays
    assert layer.metadata["napari-cryoorient"]["path"] == str(path)

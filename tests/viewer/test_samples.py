"""Samples are made once, offline, and open as layers side by side."""

from __future__ import annotations

import tempfile

import pytest
from napari.components import ViewerModel

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

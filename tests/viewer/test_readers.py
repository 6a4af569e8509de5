"""What napari is handed for each kind of file: the numbers, the scale in angstrom, the centre."""

from __future__ import annotations

import gzip
import subprocess
import sys

import mrcfile
import numpy as np
import pytest
from napari.layers import Image

from napari_cryoorient.viewer.readers import (
    METADATA_KEY,
    get_mrc_reader,
    get_particles_reader,
    get_run_reader,
)

from .conftest import BOX, PIXEL_SIZE


def layer_of(get_reader, path) -> Image:
    """Read a file as napari does, and make the layer, which checks every option."""
    ((data, options, kind),) = get_reader(str(path))(str(path))
    assert kind == "image"
    return Image(data, **options)


def test_map_lies_in_angstrom_around_its_centre(sample):
    layer = layer_of(get_mrc_reader, sample.map_path)
    np.testing.assert_allclose(layer.data, sample.voxels)
    np.testing.assert_allclose(layer.scale, PIXEL_SIZE)
    np.testing.assert_allclose(layer.data_to_world((BOX // 2,) * 3), 0)
    assert [str(unit) for unit in layer.units] == ["angstrom"] * 3
    assert layer.metadata[METADATA_KEY]["role"] == "map"


@pytest.mark.parametrize("which", ["stack", "star"])
def test_particles_are_read_as_they_are_shown(sample, which):
    if which == "stack":
        layer = layer_of(get_mrc_reader, sample.stack_path)
    else:
        layer = layer_of(get_particles_reader, sample.star_path)
    assert layer.data.shape == (5, BOX, BOX)
    np.testing.assert_allclose(layer.data[3], sample.images[3])
    np.testing.assert_allclose(layer.scale, (1, PIXEL_SIZE, PIXEL_SIZE))
    np.testing.assert_allclose(layer.data_to_world((2, BOX // 2, BOX // 2)), (2, 0, 0))
    assert layer.metadata[METADATA_KEY]["role"] == "particles"
    assert not isinstance(layer.data, np.ndarray)


def test_stack_with_a_map_s_name_is_known_by_its_header(sample, tmp_path):
    renamed = tmp_path / "stack_after_all.mrc"
    renamed.write_bytes(sample.stack_path.read_bytes())
    assert layer_of(get_mrc_reader, renamed).data.shape == (5, BOX, BOX)


def test_compressed_map_opens(sample, tmp_path):
    path = tmp_path / "map.mrc.gz"
    path.write_bytes(gzip.compress(sample.map_path.read_bytes()))
    np.testing.assert_allclose(layer_of(get_mrc_reader, path).data, sample.voxels)


def test_map_without_a_voxel_size_is_shown_in_pixels(sample, tmp_path):
    path = tmp_path / "no_size.mrc"
    with mrcfile.new(path) as file:
        file.set_data(sample.voxels)
    layer = layer_of(get_mrc_reader, path)
    np.testing.assert_allclose(layer.scale, 1)
    assert [str(unit) for unit in layer.units] == ["pixel"] * 3


def test_star_without_particles_is_left_to_others(tmp_path):
    path = tmp_path / "micrographs.star"
    path.write_text("data_micrographs\n\nloop_\n_rlnMicrographName #1\none.mrc\n")
    assert get_particles_reader(str(path)) is None


@pytest.mark.parametrize("get_reader", [get_mrc_reader, get_particles_reader])
def test_several_paths_at_once_are_left_to_napari(get_reader, sample):
    assert get_reader([str(sample.map_path), str(sample.map_path)]) is None


def told(get_reader, path, monkeypatch) -> str:
    """Return what a reader says that has nothing to show; napari's own words would come first."""
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    assert get_reader(str(path))(str(path)) == [(None,)]
    (sentence,) = said
    return sentence


def test_file_of_another_kind_is_refused_in_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "page.mrc"
    path.write_text("<html>not found</html>" * 100)
    assert "page.mrc is not an MRC file" in told(get_mrc_reader, path, monkeypatch)


def test_offering_the_readers_costs_neither_qt_nor_torch():
    program = (
        "import sys, napari_cryoorient.viewer.readers;"
        "print(sorted({'qtpy', 'PyQt6', 'torch', 'napari'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_real_map_and_particles_open(shared_data):
    layer = layer_of(get_mrc_reader, shared_data / "maps" / "emd_1832.map")
    assert layer.data.shape == (64, 64, 64)
    np.testing.assert_allclose(layer.scale, 5.7, rtol=0.01)
    (star,) = (shared_data / "particles" / "relion31_five").glob("relion31.star")
    assert layer_of(get_particles_reader, star).data.shape == (5, 256, 256)


def test_folders_that_hold_no_run_are_left_to_others(tmp_path):
    assert get_run_reader(str(tmp_path)) is None
    (tmp_path / "run.json").write_text("{}")
    assert get_run_reader(str(tmp_path)) is not None
    assert get_run_reader(str(tmp_path / "run.json")) is not None


def test_a_cs_file_is_taken_by_its_name(tmp_path, monkeypatch):
    path = tmp_path / "particles.cs"
    path.write_bytes(b"\x93NUMPY")
    assert "particles.cs" in told(get_particles_reader, path, monkeypatch)

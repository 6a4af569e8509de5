"""Poses leave napari through its own "Save selected layers", in both dialects, and come back."""

from __future__ import annotations

import shutil
from pathlib import Path

import npe2
import numpy as np
import pandas as pd
import pytest
import starfile
from napari.layers import Image, Points

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.viewer.pose_points import directions_layer
from napari_cryoorient.viewer.readers import get_particles_reader
from napari_cryoorient.viewer.writers import write_star_30, write_star_31

from .conftest import BOX, PIXEL_SIZE, SampleFiles

ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
WRITERS = {"3.1": write_star_31, "3.0": write_star_30}

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:starfile")


def some_poses(n: int) -> pd.DataFrame:
    random = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@some stacks/one.mrcs" for i in range(n)],
            "rlnAngleRot": random.uniform(-180, 180, n),
            "rlnAngleTilt": random.uniform(0, 180, n),
            "rlnAnglePsi": random.uniform(-180, 180, n),
            "rlnOriginXAngst": random.normal(0, 5, n),
            "rlnOriginYAngst": random.normal(0, 5, n),
            "rlnImagePixelSize": np.full(n, 1.5),
            "rlnVoltage": np.where(np.arange(n) < 2, 300.0, 200.0),
            "rlnSphericalAberration": np.full(n, 2.7),
            "rlnAmplitudeContrast": np.full(n, 0.1),
            "rlnClassNumber": np.arange(n) % 3,
            "my_score": random.uniform(size=n),
        }
    )


def points(features: pd.DataFrame, **options) -> Points:
    return Points(np.zeros((len(features), 3)), features=features, name="mine", **options)


def save(layer, path: Path, dialect: str) -> Path:
    data, attributes, _ = layer.as_layer_data_tuple()
    assert WRITERS[dialect](str(path), data, attributes) == [str(path)]
    return path


def layer_of(star_path: Path) -> Image:
    ((data, options, _),) = get_particles_reader(str(star_path))(str(star_path))
    return Image(data, **options)


@pytest.mark.parametrize("dialect", ["3.1", "3.0"])
def test_points_of_any_plugin_are_written_and_read_back(tmp_path, dialect):
    features = some_poses(5)
    path = save(points(features), tmp_path / "out.star", dialect)

    ours = read_pose_table(path)
    assert list(ours.names) == list(features["rlnImageName"])
    origins = features[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()
    np.testing.assert_allclose(-ours.poses.shifts_angstrom, origins, atol=1.5e-6)
    np.testing.assert_allclose(ours.ctf is None, True)  # no defocus was given

    theirs = starfile.read(path)
    if dialect == "3.1":
        optics, rows = theirs["optics"], theirs["particles"]
        assert list(optics["rlnVoltage"]) == [300.0, 200.0]
        assert list(rows["rlnOpticsGroup"]) == [1, 1, 2, 2, 2]
        assert list(optics["rlnImagePixelSize"]) == [1.5, 1.5]
        read_origins = rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()
    else:
        rows = theirs
        pixel_size = rows["rlnDetectorPixelSize"] * 1e4 / rows["rlnMagnification"]
        np.testing.assert_allclose(pixel_size, 1.5)
        assert not {"rlnOriginXAngst", "rlnOpticsGroup"} & set(rows.columns)
        read_origins = (
            rows[["rlnOriginX", "rlnOriginY"]].to_numpy() * pixel_size.to_numpy()[:, None]
        )
        assert list(rows["rlnVoltage"]) == [300, 300, 200, 200, 200]
    np.testing.assert_allclose(rows[ANGLES], features[ANGLES], atol=6e-7)
    np.testing.assert_allclose(read_origins, origins, atol=1.5e-6)
    assert list(rows["rlnClassNumber"]) == list(features["rlnClassNumber"])
    assert "my_score" not in rows


@pytest.mark.parametrize("lacks", ["rlnAngleTilt", "rlnImageName"])
def test_a_layer_without_what_is_needed_is_refused_in_a_sentence(tmp_path, lacks):
    path = tmp_path / "out.star"
    with pytest.raises(InputError, match=f"The layer 'mine' has no poses to write.*lack {lacks}"):
        save(points(some_poses(3).drop(columns=lacks)), path, "3.1")
    assert not path.exists()


def test_a_number_that_is_missing_is_named(tmp_path):
    features = some_poses(3)
    features.loc[1, "rlnAnglePsi"] = np.nan
    with pytest.raises(InputError, match="particle 2 has no number for rlnAnglePsi"):
        save(points(features), tmp_path / "out.star", "3.0")


def test_a_missing_pixel_size_is_told_where_nothing_needs_it(tmp_path):
    features = some_poses(3).drop(columns="rlnImagePixelSize")
    with pytest.warns(UserWarning, match="no pixel size"):
        save(points(features), tmp_path / "out.star", "3.1")
    with pytest.raises(InputError, match="no pixel size, which origins need"):
        save(points(features), tmp_path / "old.star", "3.0")


def test_features_under_their_star_spelling_will_do(tmp_path):
    features = some_poses(3).rename(columns=lambda name: "_" + name)
    path = save(points(features), tmp_path / "out.star", "3.1")
    assert read_pose_table(path).poses is not None


def test_rows_that_are_left_go_back_with_their_columns(sample: SampleFiles, tmp_path):
    """Points deleted and angles changed in napari; the file's other columns come along."""
    data, options, _ = directions_layer(sample.star_path)
    layer = Points(data, **options)
    layer.selected_data = {1, 2}
    layer.remove_selected()
    layer.features = layer.features.assign(rlnAngleRot=[10.0, 20.0, 30.0])
    path = save(layer, tmp_path / "some.star", "3.1")
    before, after = starfile.read(sample.star_path), starfile.read(path)
    assert list(after["particles"].columns) == list(before["particles"].columns)
    assert after["optics"].equals(before["optics"])
    assert list(after["particles"]["rlnImageName"]) == [
        f"{number:06d}@particles.mrcs" for number in (1, 4, 5)
    ]
    assert list(after["particles"]["rlnAngleRot"]) == [10.0, 20.0, 30.0]
    assert list(after["particles"]["rlnAngleTilt"]) == [0.0, 0.0, 0.0]


def test_a_stack_layer_changes_its_dialect_and_back(sample: SampleFiles, tmp_path):
    old = save(layer_of(sample.star_path), tmp_path / "old.star", "3.0")
    rows = starfile.read(old)
    assert {"rlnVoltage", "rlnImageSize", "rlnDetectorPixelSize"} <= set(rows.columns)
    new = save(layer_of(old), tmp_path / "new.star", "3.1")
    before, after = starfile.read(sample.star_path), starfile.read(new)
    names = list(before["particles"].columns)
    pd.testing.assert_frame_equal(after["particles"][names], before["particles"], check_dtype=False)
    names = list(before["optics"].columns)
    pd.testing.assert_frame_equal(after["optics"][names], before["optics"], check_dtype=False)
    particles, _ = read_particles(new)
    assert particles.box == BOX
    assert particles.pixel_size_angstrom == pytest.approx(PIXEL_SIZE)


def test_what_is_not_changed_keeps_its_spelling(sample: SampleFiles, tmp_path):
    path = save(layer_of(sample.star_path), tmp_path / "same.star", "3.1")
    assert path.read_text().split() == sample.star_path.read_text().split()


def test_the_file_that_was_read_is_not_written_over(sample: SampleFiles):
    before = sample.star_path.read_bytes()
    with pytest.raises(InputError, match="would be overwritten"):
        save(layer_of(sample.star_path), sample.star_path, "3.1")
    assert sample.star_path.read_bytes() == before


def test_the_box_is_asked_of_the_stack_where_nobody_says(sample: SampleFiles, tmp_path):
    features = some_poses(5).drop(columns="rlnImagePixelSize")
    features["rlnImageName"] = [f"{i + 1}@{sample.stack_path.name}" for i in range(5)]
    path = save(points(features), sample.star_path.with_name("out.star"), "3.1")
    optics = starfile.read(path)["optics"]
    assert list(optics["rlnImageSize"]) == [BOX] * 2
    np.testing.assert_allclose(optics["rlnImagePixelSize"], PIXEL_SIZE)


@pytest.mark.parametrize("dialect", ["3.1", "3.0"])
def test_real_files_keep_rows_columns_and_poses(shared_data, tmp_path, dialect):
    folder = shared_data / "particles" / "aspire_sample"
    for name in ("sample_particles_relion30.star", "sample_particles_relion31.star"):
        source = shutil.copy(folder / name, tmp_path / name)
        path = save(layer_of_features(source), tmp_path / f"{dialect}-{name}", dialect)
        before, after = read_pose_table(source), read_pose_table(path)
        assert after.names == before.names
        np.testing.assert_allclose(after.poses.rotations, before.poses.rotations, atol=1e-9)
        shifts = before.poses.shifts_angstrom
        np.testing.assert_allclose(after.poses.shifts_angstrom, shifts, atol=1e-5)
        np.testing.assert_allclose(after.ctf.voltage_kv, before.ctf.voltage_kv)
        missing = columns(source) - columns(path)
        assert all("Origin" in column for column in missing), missing


def layer_of_features(star_path) -> Points:
    data, options, _ = directions_layer(Path(star_path))
    return Points(data, **options)


def columns(path) -> set[str]:
    content = starfile.read(path)
    tables = content.values() if isinstance(content, dict) else [content]
    return {column for table in tables for column in table.columns}


def test_the_manifest_offers_both_dialects(tmp_path):
    manager = npe2.PluginManager.instance()
    manager.discover()
    for kind in ("points", "image"):
        offered = [
            writer.display_name
            for writer in manager.iter_compatible_writers([kind])
            if writer.plugin_name == "napari-cryoorient"
        ]
        assert len(offered) == 2
        assert any("3.1" in name for name in offered)
        assert any("3.0" in name for name in offered)
    path = tmp_path / "out.star"
    layer = points(some_poses(4))
    assert npe2.write(str(path), [layer], plugin_name="napari-cryoorient") == [str(path)]
    assert "optics" in starfile.read(path)

"""Compressed files unpack to what their header promises and no further."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.mrc import map_header, read_bytes, stack_header
from napari_cryoorient.io.scratch import scratch_folder
from napari_cryoorient.io.stacks import MrcStack

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("ending", PACKERS)
def test_more_than_the_header_promises_is_refused(tmp_path: Path, ending: str):
    voxels = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    header = map_header(voxels, 2.0)
    packed = tmp_path / f"map.mrc.{ending}"
    packed.write_bytes(PACKERS[ending](header + voxels.tobytes()))
    np.testing.assert_array_equal(read_map(packed).voxels, voxels)
    bomb = tmp_path / f"bomb.mrcs.{ending}"
    bomb.write_bytes(PACKERS[ending](header + bytes(50_000_000)))
    for read in (read_map, MrcStack):
        with pytest.raises(InputError, match="beyond what its header promises"):
            read(bomb)
    assert list(scratch_folder().glob("*.mrcs")) == []


@pytest.mark.parametrize("ending", PACKERS)
def test_a_header_that_promises_far_too_much_is_refused_at_once(tmp_path: Path, ending: str):
    bomb = tmp_path / f"bomb.mrcs.{ending}"
    bomb.write_bytes(PACKERS[ending](stack_header(30_000, 2048, 1.0, (0, 0, 0, 0)) + bytes(10**7)))
    with pytest.raises(InputError, match="times its size"):
        MrcStack(bomb)


def test_text_has_a_limit_too(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.io.mrc._MOST_TEXT_BYTES", 1 << 22)
    bomb = tmp_path / "model.pdb.gz"
    bomb.write_bytes(gzip.compress(b" " * (1 << 24)))
    with pytest.raises(InputError, match="unpacks to more than 4 MB"):
        read_bytes(bomb)

"""Files for the tests of ``io``: STAR text, and MRC bytes by hand: no reader checks itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.stacks import StackWriter
from support.star_tables import BOX, PIXEL, table

MODES = {"i1": 0, "i2": 1, "f4": 2, "c8": 4, "u2": 6, "f2": 12}
MakeMrc = Callable[..., Path]


def mrc_bytes(
    array: np.ndarray,
    *,
    order: str = "<",
    mode: int | None = None,
    voxel: tuple[float, float, float] = (2.0, 2.0, 2.0),
    angles: tuple[float, float, float] = (90.0, 90.0, 90.0),
    axes: tuple[int, int, int] = (1, 2, 3),
    space_group: int = 1,
    sampling: tuple[int, int, int] | None = None,
    extended: bytes = b"",
    claimed_extended: int | None = None,
    identifier: bytes = b"MAP ",
    stamp: bytes | None = None,
    maximum: float = 0.0,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> bytes:
    """Lay out an MRC2014 file by byte position."""
    kind = array.dtype.kind + str(array.dtype.itemsize)
    n_z, n_y, n_x = array.shape
    sizes = {axes[0]: n_x, axes[1]: n_y, axes[2]: n_z}
    m = sampling or (sizes[1], sizes[2], sizes[3])
    header = bytearray(1024)

    def put(at: int, form: str, *values: float) -> None:
        struct.pack_into(order + form, header, at, *values)

    put(0, "4i", n_x, n_y, n_z, MODES[kind] if mode is None else mode)
    put(28, "3i", *m)
    put(40, "3f", *(count * size for count, size in zip(m, voxel, strict=True)))
    put(52, "3f", *angles)
    put(64, "3i", *axes)
    put(80, "f", maximum)
    put(88, "2i", space_group, len(extended) if claimed_extended is None else claimed_extended)
    put(196, "3f", *origin)
    header[208:212] = identifier
    header[212:216] = stamp or (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    return bytes(header) + extended + array.astype(array.dtype.newbyteorder(order)).tobytes()


@pytest.fixture
def make_mrc(tmp_path: Path) -> MakeMrc:
    """Write an array as ``name`` in the test's folder, the header as the keywords say."""

    def make(name: str, array: np.ndarray, **header: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mrc_bytes(array, **header))  # type: ignore[arg-type]
        return path

    return make


@pytest.fixture
def ramp() -> np.ndarray:
    """A 6 x 6 x 6 map where every voxel differs and no two axes look alike, in small integers."""
    z, y, x = np.indices((6, 6, 6))
    return (x + 2 * y + 5 * z - 20 + (x == 1) * (z == 4)).astype(np.float32)


@pytest.fixture
def stack(tmp_path):
    images = np.random.default_rng(0).normal(size=(3, BOX, BOX)).astype(np.float32)
    with StackWriter(tmp_path / "stack.mrcs", 3, BOX, PIXEL) as writer:
        writer.append(images)
    return images


@pytest.fixture
def write(tmp_path, stack):
    """Write a STAR beside the stack: particles first, then optics if any."""

    def write_star_text(particles, optics=None, block="particles", name="in.star"):
        path = tmp_path / name
        path.write_text(table(block, particles) + (table("optics", optics) if optics else ""))
        return path

    return write_star_text

"""The MRC container: where the numbers lie in a file, whatever wrote its header.

The byte order is taken from what makes the header plausible, not from the machine stamp, since
stamps are often missing or wrong. Everything read in spite of a flaw carries a note.
"""

from __future__ import annotations

import bz2
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.kept_inputs import note_read, refuse_pipe

HEADER_BYTES = 1024
_BLOCK_BYTES = 1 << 20
# What a compressed file may unpack to: an atomic model so much, an MRC file what its header
# promises, beyond some size no more than so many times its own (noise: 1.1, empty solvent: 100s).
_MOST_TEXT_BYTES, _LARGE_BYTES, _MOST_RATIO = 1 << 30, 1 << 31, 200
_ALLOWANCE_BYTES = 1 << 20
_LARGEST_EDGE = 65536  # below this a header is plausible in one byte order only
_NUMBER_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED_MODES = {
    3: "a Fourier transform (mode 3)",
    4: "a Fourier transform (mode 4)",
    101: "4-bit numbers (mode 101)",
}
_LABEL = b"napari-cryoorient"
_LABEL_AT = 224  # the first of ten labels
_STAMPS = {"<": {b"\x44\x44", b"\x44\x41"}, ">": {b"\x11\x11"}}


@dataclass(frozen=True)
class MrcLayout:
    """What an MRC header says, with x, y, z in that order where three numbers stand."""

    shape: tuple[int, int, int]  # sections, rows, columns
    dtype: np.dtype[Any]
    offset: int
    voxel_size_angstrom: tuple[float, float, float]  # 0 where the header does not say
    cell_angles_deg: tuple[float, float, float]
    axes: tuple[int, int, int]  # which of x 1, y 2, z 3 runs along columns, rows, sections
    origin_angstrom: tuple[float, float, float]
    is_image_stack: bool
    notes: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the numbers in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def n_bytes_of(self, n_sections: int) -> int:
        """Size of some sections in bytes."""
        return self.n_bytes // self.shape[0] * n_sections

    def array(self, buffer: bytes) -> NDArray[Any]:
        """Return the numbers in ``buffer``, the whole file, without a copy."""
        count = int(np.prod(self.shape, dtype=np.int64))
        return np.frombuffer(buffer, self.dtype, count, self.offset).reshape(self.shape)


def read_bytes(path: Path) -> bytes:
    """Read a whole file, decompressed if it is gzip or bzip2, whatever its name."""
    with open_plain(path) as file:
        try:
            if compression(path) is None:  # in one piece, for pieces joined are twice the memory
                return file.read()
            return b"".join(unpacked_blocks(file, path))
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(damaged(path)) from error


def unpacked_blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield what ``open_plain`` opened, block by block.

    What is unpacked ends at the size that the header of an MRC file promises, with an allowance;
    InputError is raised for more, so that a small file cannot fill memory or disk.
    """
    limit: float = math.inf
    is_packed = compression(path) is not None
    total = 0
    while block := file.read(_BLOCK_BYTES):
        if is_packed and not total:
            limit = _largest_unpacked(block, path)
        total += len(block)
        if total > limit:
            raise InputError(
                f"{path} unpacks to more than {limit / 2**20:.0f} MB, beyond what its header "
                "promises; it is no map or stack that can be trusted: unpack and look at it "
                "yourself."
            )
        yield block


def _largest_unpacked(start: bytes, path: Path) -> float:
    """Return how many bytes a compressed file may unpack to, from its first block."""
    order = _byte_order(start) if len(start) >= HEADER_BYTES else None
    if order is None:
        return _MOST_TEXT_BYTES
    header = np.frombuffer(start[:HEADER_BYTES], HEADER_DTYPE.newbyteorder(order), 1)[0]
    item = np.dtype(_NUMBER_TYPES.get(int(header["mode"]), "f4")).itemsize
    numbers = math.prod(int(header[name]) for name in ("nx", "ny", "nz"))
    promised = HEADER_BYTES + max(0, int(header["nsymbt"])) + numbers * item
    packed = path.stat().st_size
    if promised > _MOST_RATIO * max(packed, HEADER_BYTES) and promised > _LARGE_BYTES:
        raise InputError(
            f"{path} ({packed} bytes) would unpack to {promised / 2**30:.1f} GB, over "
            f"{_MOST_RATIO} times its size: it holds no images; unpack and look at it yourself."
        )
    return promised + _ALLOWANCE_BYTES


def damaged(path: Path) -> str:
    """Sentence for a compressed file that does not unpack."""
    return f"{path} cannot be decompressed: it is damaged or cut short; copy it again."


def compression(path: Path) -> str | None:
    """Return "gzip", "bzip2" or None from the first bytes; raise InputError if unreadable."""
    with _open(path) as file:
        start = file.read(3)
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "bzip2" if start == b"BZh" else None


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading through gzip or bzip2 where needed."""
    kind = compression(path)
    if kind == "gzip":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if kind == "bzip2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    return _open(path)


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    refuse_pipe(path)
    note_read(path)
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the name and the folder.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def parse_layout(start: bytes, file_bytes: int, path: Path) -> MrcLayout:
    """Read the first 1024 bytes of a file of ``file_bytes`` bytes (both decompressed).

    Raises InputError if it is not an MRC file, is cut short or holds complex or 4-bit numbers.
    """
    if file_bytes == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again.")
    order = _byte_order(start) if len(start) >= HEADER_BYTES else None
    if order is None:
        raise InputError(f"{path} is not an MRC file: {_what_else(start)}.")
    header = np.frombuffer(start, HEADER_DTYPE.newbyteorder(order), 1)[0]
    mode = int(header["mode"])
    if mode in _REFUSED_MODES:
        raise InputError(
            f"{path} holds {_REFUSED_MODES[mode]}; convert it to real numbers (mode 2) first."
        )
    notes = []
    if bytes(header["map"]) not in (b"MAP ", b"MAP"):
        notes.append(f"{path.name} lacks the MAP identifier; read by the shape in its header")
    if bytes(header["machst"])[:2] not in _STAMPS[order]:
        name = "little" if order == "<" else "big"
        notes.append(f"{path.name} lacks a right machine stamp; read as {name}-endian")
    number_type = _NUMBER_TYPES[mode]
    if mode == 0 and float(header["dmax"]) > np.iinfo(np.int8).max:
        number_type = "u1"
        notes.append(f"{path.name} holds bytes up to {header['dmax']:g}; read as unsigned")
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    dtype = np.dtype(order + number_type)
    section_bytes = shape[1] * shape[2] * dtype.itemsize
    offset = HEADER_BYTES + max(0, int(header["nsymbt"]))
    if offset + shape[0] * section_bytes > file_bytes:
        if HEADER_BYTES + shape[0] * section_bytes != file_bytes:
            held = max(0, file_bytes - offset) // section_bytes
            raise InputError(
                f"{path} is cut short: its header promises {shape[0]} sections of {shape[1]} x "
                f"{shape[2]} pixels and the file holds {held}; copy it again."
            )
        offset = HEADER_BYTES
        notes.append(f"{path.name} names an extended header it does not have; ignored")
    beyond = file_bytes - offset - shape[0] * section_bytes
    if beyond >= section_bytes:
        notes.append(
            f"{path.name} holds {beyond} bytes more than the {shape[0]} sections of mode {mode} "
            "that its header promises; is the header right?"
        )
    sampling = [int(header[m]) if header[m] > 0 else int(header["n" + m[1]]) for m in _SAMPLING]
    cell = [float(header["cella"][axis]) for axis in "xyz"]
    voxel = [c / n if np.isfinite(c) else 0.0 for c, n in zip(cell, sampling, strict=True)]
    return MrcLayout(
        shape=shape,
        dtype=dtype,
        offset=offset,
        voxel_size_angstrom=(voxel[0], voxel[1], voxel[2]),
        cell_angles_deg=_three([float(header["cellb"][a]) for a in ("alpha", "beta", "gamma")]),
        axes=(int(header["mapc"]), int(header["mapr"]), int(header["maps"])),
        origin_angstrom=_three([float(header["origin"][axis]) for axis in "xyz"]),
        is_image_stack=int(header["ispg"]) == 0 and int(header["mz"]) == 1 and shape[0] > 1,
        notes=tuple(notes),
    )


_SAMPLING = ("mx", "my", "mz")


def _three(values: list[float]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def _byte_order(start: bytes) -> str | None:
    for order in "<>":
        header = np.frombuffer(start[:HEADER_BYTES], HEADER_DTYPE.newbyteorder(order), 1)[0]
        mode_known = int(header["mode"]) in _NUMBER_TYPES.keys() | _REFUSED_MODES.keys()
        edges = int(header["nx"]), int(header["ny"])
        if mode_known and all(0 < edge < _LARGEST_EDGE for edge in edges) and header["nz"] > 0:
            return order
    return None


def _what_else(start: bytes) -> str:
    text = start[:512].lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page (a failed download?)"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the real file with 'git lfs pull'"
    if b"data_" in text or text.startswith((b"loop_", b"_rln")):
        return "it is text that looks like a STAR file"
    if len(start) < HEADER_BYTES:
        return f"it has only {len(start)} bytes, less than a header"
    return "the numbers in its header make no sense"


def stack_header(
    n: int, box: int, pixel_size_angstrom: float, statistics: tuple[float, float, float, float]
) -> bytes:
    """Return the 1024-byte header of a float32 image stack.

    ``statistics`` are minimum, maximum, mean and standard deviation.
    """
    return _header((n, box, box), 1, pixel_size_angstrom, 0, statistics)


def is_written_here(path: Path) -> bool:
    """Tell whether an MRC file's header names this program as its writer; nothing else is read."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError:
        return False
    return len(start) == HEADER_BYTES and start[_LABEL_AT:].startswith(_LABEL)


def map_header(voxels: NDArray[np.float32], pixel_size_angstrom: float) -> bytes:
    """Return the 1024-byte header of a float32 map ``(z, y, x)``."""
    low, high = float(voxels.min()), float(voxels.max())
    mean, rms = float(voxels.mean(dtype=np.float64)), float(voxels.std(dtype=np.float64))
    shape = (voxels.shape[0], voxels.shape[1], voxels.shape[2])
    return _header(shape, shape[0], pixel_size_angstrom, 1, (low, high, mean, rms))


def _header(
    shape: tuple[int, int, int],
    sampling_z: int,
    pixel_size_angstrom: float,
    space_group: int,
    statistics: tuple[float, float, float, float],
) -> bytes:
    header = np.zeros(1, HEADER_DTYPE)
    n_z, n_y, n_x = shape
    fields = {"nx": n_x, "ny": n_y, "nz": n_z, "mx": n_x, "my": n_y, "mz": sampling_z}
    fields |= {"mode": 2, "mapc": 1, "mapr": 2, "maps": 3, "ispg": space_group, "nversion": 20141}
    for name, value in fields.items():
        header[name] = value
    for axis, n in zip("xyz", (n_x, n_y, sampling_z), strict=True):
        header["cella"][axis] = n * pixel_size_angstrom
    for angle in ("alpha", "beta", "gamma"):
        header["cellb"][angle] = 90.0
    for name, number in zip(("dmin", "dmax", "dmean", "rms"), statistics, strict=True):
        header[name] = number
    header["map"] = b"MAP "
    header["machst"] = (0x44, 0x44, 0, 0)
    header["nlabl"] = 1
    header["label"][0, 0] = _LABEL
    return header.tobytes()

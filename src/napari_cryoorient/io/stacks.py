"""Image stacks: read by index in bounded memory, written as a stream.

Images are ``[y, x]`` float32 with the centre at pixel ``box // 2``. Odd boxes lose their last row
and column, which keeps the centre pixel the centre.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path, refuse_without_space
from napari_cryoorient.io.finite import refuse_values_not_finite
from napari_cryoorient.io.fourier_resize import fourier_resize
from napari_cryoorient.io.mrc import (
    HEADER_BYTES,
    MrcLayout,
    compression,
    damaged,
    open_plain,
    parse_layout,
    stack_header,
    unpacked_blocks,
)
from napari_cryoorient.io.scratch import new_scratch_file
from napari_cryoorient.particles import Images, Integers

_RESIZE_BATCH = 64  # images resampled at once, which bounds the memory for large native boxes
# Mapped files are let go of after so much of them was mapped. What a system maps around the bytes
# asked for may be 2 MiB: a few thousand small images read here and there were half a gigabyte.
_MAPPED_BYTES = 2**25
_MAPPED_AROUND = 2**19


class MrcStack:
    """One stack file; the layout is read at once, the numbers are mapped when asked for."""

    def __init__(self, path: Path | str):
        """Read the header; raises InputError if the file is not a whole stack of square images."""
        self.path = Path(path)
        self._plain = self.path
        notes: list[str] = []
        kind = compression(self.path)
        if kind is not None:
            self._plain = _decompressed(self.path)
            weakref.finalize(self, self._plain.unlink, missing_ok=True)
            notes.append(f"{self.path.name} is {kind}-compressed; unpacked to a temporary file")
        with self._plain.open("rb") as file:
            start = file.read(HEADER_BYTES)
        self.layout: MrcLayout = parse_layout(start, self._plain.stat().st_size, self.path)
        n, rows, columns = self.layout.shape
        if rows != columns:
            raise InputError(
                f"{self.path} holds images of {columns} x {rows} pixels; square ones are needed."
            )
        if n == rows and not self.layout.is_image_stack and self.layout.voxel_size_angstrom[2] > 0:
            notes.append(f"{self.path.name} is marked as a volume; read as {n} images")
        self.notes: tuple[str, ...] = (*notes, *self.layout.notes)

    def from_root(self) -> MrcStack:
        """Return the same stack with its path from the root, for processes that run elsewhere."""
        other = copy.copy(self)
        other.path, other._plain = self.path.absolute(), self._plain.absolute()
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpack a compressed stack again on a machine where that has not been done."""
        self.__dict__.update(state)
        if self._plain != self.path and not self._plain.exists():
            self._plain = _decompressed(self.path)
            weakref.finalize(self, self._plain.unlink, missing_ok=True)

    def __len__(self) -> int:
        return self.layout.shape[0]

    @property
    def native_box(self) -> int:
        """Edge of the images in the file, in pixels, odd or even."""
        return self.layout.shape[1]

    @property
    def header_pixel_size_angstrom(self) -> float:
        """Pixel size the header names; 0 where it names none."""
        x, y, _ = self.layout.voxel_size_angstrom
        return x if x > 0 and abs(x - y) <= 1e-3 * x else 0.0

    def map_memory(self) -> NDArray[Any]:
        """Map the images ``(n, box, box)`` into memory, in the file's number type."""
        layout = self.layout
        try:
            return np.memmap(self._plain, layout.dtype, "r", layout.offset, layout.shape)
        except OSError as error:
            raise InputError(f"{self.path} can no longer be read ({error.strerror}).") from error


class MrcStackCollection:
    """The images of many stacks in one order, as an ImageSource with few files open at a time.

    ``stack_of`` and ``section_of`` ``(n,)`` name each image's stack and its zero-based place in it.
    """

    def __init__(
        self,
        stacks: Sequence[MrcStack],
        stack_of: Integers,
        section_of: Integers,
        pixel_size_angstrom: float,
        *,
        box: int | None = None,
        max_open_files: int = 32,
        factors: NDArray[np.float64] | None = None,
    ):
        """Check that all stacks have one box; ``box`` (even) resamples images as they are read.

        ``pixel_size_angstrom`` is that of the files, before resampling. ``factors`` ``(n,)``
        are what each image is multiplied by as it is read.
        """
        if not stacks:
            raise InputError("There are no images: the list of stacks is empty.")
        sizes = [stack.native_box for stack in stacks]
        for stack, size in zip(stacks, sizes, strict=True):
            if size != sizes[0]:
                raise InputError(
                    f"{stack.path} has images of {size} pixels and {stacks[0].path} of {sizes[0]}; "
                    "all stacks must have one box."
                )
        self._stacks = tuple(stacks)
        self._stack_of = np.asarray(stack_of, dtype=np.int64)
        self._section_of = np.asarray(section_of, dtype=np.int64)
        self._even_box = sizes[0] - sizes[0] % 2
        self._box = self._even_box if box is None else box
        if self._box % 2 or self._box < 2 or self._even_box < 2:
            raise InputError(f"The box must be an even number of pixels, not {self._box}.")
        self._native_pixel_size = pixel_size_angstrom
        self._max_open_files = max_open_files
        self._factors = None if factors is None else np.asarray(factors, dtype=np.float32)
        self._open: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._bytes_read = 0
        self._lock = threading.Lock()

    @classmethod
    def of_one(
        cls, path: Path | str, pixel_size_angstrom: float, *, box: int | None = None
    ) -> MrcStackCollection:
        """Take all images of one stack in their order."""
        stack = MrcStack(path)
        n = len(stack)
        stack_of = np.zeros(n, dtype=np.int64)
        return cls([stack], stack_of, np.arange(n), pixel_size_angstrom, box=box)

    def __len__(self) -> int:
        return len(self._stack_of)

    def taken(self, rows: Integers) -> MrcStackCollection:
        """Return images ``rows`` alone, of the stacks they are in, with paths from the root."""
        used, stack_of = np.unique(self._stack_of[rows], return_inverse=True)
        other = copy.copy(self)
        other._stacks = tuple(self._stacks[number].from_root() for number in used)
        other._stack_of = stack_of.ravel().astype(np.int64)
        other._section_of = self._section_of[rows]
        other._factors = None if self._factors is None else self._factors[rows]
        other._open, other._lock = OrderedDict(), threading.Lock()
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files and the lock behind when sent to another process."""
        return {**self.__dict__, "_open": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def box(self) -> int:
        """Edge of the images as read, in pixels; even."""
        return self._box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the images as read."""
        return self._native_pixel_size * self._even_box / self._box

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading had to change, each note once."""
        notes = list(dict.fromkeys(note for stack in self._stacks for note in stack.notes))
        native = self._stacks[0].native_box
        if native != self._even_box:
            notes.append(f"odd box of {native} pixels cut to {self._even_box}; the centre stays")
        if self._box != self._even_box:
            notes.append(f"images resampled from {self._even_box} to {self._box} pixels")
        return tuple(notes)

    @property
    def n_open_files(self) -> int:
        """Number of files mapped at this moment."""
        return len(self._open)

    def read(self, indices: ArrayLike) -> Images:
        """Read images ``indices`` (any order, repeats allowed) as ``(k, box, box)`` float32.

        Values that are not finite are left so; where images are resampled, the whole image is.
        """
        wanted = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if wanted.size and (wanted.min() < -len(self) or wanted.max() >= len(self)):
            raise IndexError(f"image index outside 0..{len(self) - 1}")
        images = np.empty((len(wanted), self._box, self._box), dtype=np.float32)
        order = np.lexsort((self._section_of[wanted], self._stack_of[wanted]))
        for start in range(0, len(order), _RESIZE_BATCH):
            rows = order[start : start + _RESIZE_BATCH]
            native = self._read_native(wanted[rows])
            with np.errstate(over="ignore", invalid="ignore"):
                images[rows] = fourier_resize(native, self._box, 2)
        if self._factors is not None:
            images *= self._factors[wanted, None, None]
        return images

    def _read_native(self, indices: Integers) -> Images:
        n = self._even_box
        images = np.empty((len(indices), n, n), dtype=np.float32)
        stacks, sections = self._stack_of[indices], self._section_of[indices]
        for number in np.unique(stacks):
            rows = np.flatnonzero(stacks == number)
            images[rows] = self._mapped(int(number))[sections[rows], :n, :n]
            n_places = 1 + np.count_nonzero(np.diff(sections[rows]) > 1)
            n_bytes = self._stacks[number].layout.n_bytes_of(len(rows))
            self._let_go_of_read_pages(n_bytes + _MAPPED_AROUND * int(n_places))
        return images

    def _mapped(self, number: int) -> NDArray[Any]:
        with self._lock:
            mapped = self._open.pop(number, None)
            if mapped is None:
                while len(self._open) >= self._max_open_files:
                    self._open.popitem(last=False)
                mapped = self._stacks[number].map_memory()
            self._open[number] = mapped
            return mapped

    def _let_go_of_read_pages(self, n_bytes: int) -> None:
        """Unmap every file now and then: pages once read count as this process's memory."""
        with self._lock:
            self._bytes_read += n_bytes
            if self._bytes_read >= _MAPPED_BYTES:
                self._open.clear()
                self._bytes_read = 0


class StackWriter:
    """Write ``n`` images to a new stack as they come; the file appears only when it is whole."""

    def __init__(self, path: Path | str, n: int, box: int, pixel_size_angstrom: float):
        self.path = Path(path)
        self._n, self._box, self._pixel_size = n, box, pixel_size_angstrom
        self._written = 0
        self._low, self._high = np.inf, -np.inf
        self._sum = self._sum_of_squares = 0.0

    def __enter__(self) -> StackWriter:
        refuse_without_space(self.path, HEADER_BYTES + 4 * self._n * self._box**2)
        self._atomic = atomic_path(self.path)
        temporary = self._atomic.__enter__()
        try:
            self._file = temporary.open("wb")
            self._file.write(b"\0" * HEADER_BYTES)
        except BaseException as error:
            self._atomic.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def append(self, images: ArrayLike) -> None:
        """Add images ``(k, box, box)``, or one ``(box, box)``."""
        block = np.ascontiguousarray(images, dtype="<f4").reshape(-1, self._box, self._box)
        if self._written + len(block) > self._n:
            raise ValueError(f"{self._written + len(block)} images for a stack of {self._n}")
        if not len(block):
            return
        refuse_values_not_finite(block, f"Images from {self._written + 1} on", self.path)
        self._file.write(block.data)
        self._written += len(block)
        self._low, self._high = min(self._low, block.min()), max(self._high, block.max())
        wide = block.astype(np.float64)
        self._sum += float(wide.sum())
        self._sum_of_squares += float(np.square(wide).sum())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
            self._file.close()
        except BaseException as failure:
            with suppress(OSError):  # what closing flushes may not fit either
                self._file.close()
            self._atomic.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._atomic.__exit__(kind, error, trace)

    def _finish(self) -> None:
        if self._written != self._n:
            raise ValueError(f"{self._written} images written of {self._n}")
        n_pixels = max(1, self._n * self._box**2)
        mean = self._sum / n_pixels
        rms = float(np.sqrt(max(0.0, self._sum_of_squares / n_pixels - mean**2)))
        low, high = (float(self._low), float(self._high)) if self._n else (0.0, 0.0)
        statistics = (low, high, mean, rms)
        self._file.seek(0)
        self._file.write(stack_header(self._n, self._box, self._pixel_size, statistics))
        self._file.flush()


def _decompressed(path: Path) -> Path:
    handle, temporary = new_scratch_file(".mrcs")
    try:
        with open(handle, "wb") as target, open_plain(path) as source:
            for block in unpacked_blocks(source, path):
                target.write(block)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno is not None:
            raise InputError(
                f"{path} could not be unpacked to {temporary.parent} ({error.strerror}); free "
                "some space there or decompress it yourself."
            ) from error
        raise InputError(damaged(path)) from error
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, Exception) and not isinstance(error, InputError):
            raise InputError(damaged(path)) from error
        raise
    return temporary

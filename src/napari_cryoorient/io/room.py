"""Room for tensors that memory is too small for: mapped from files without a name."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_cryoorient.io.long_arrays import let_go

_BLOCK_BYTES = 1 << 26


class Room:
    """Makes tensors in files of ``folder`` that are gone with them, or in memory without one.

    The system counts what was looked at as this process's memory until it is let go of.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._mapped: list[weakref.ref[np.memmap]] = []

    @property
    def is_on_disk(self) -> bool:
        """Whether its tensors lie in files."""
        return self._folder is not None

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return zeros; float32 on the CPU where they lie in a file, else as ``like``.

        Raises OSError where the disk is full.
        """
        if self._folder is None:
            return like.new_zeros(shape)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            n_bytes = 4 * int(np.prod(shape))
            # A disk found full while a mapped page is written would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            else:
                for start in range(0, n_bytes, _BLOCK_BYTES):
                    file.write(bytes(min(_BLOCK_BYTES, n_bytes - start)))
                file.flush()
            array = np.memmap(file, np.float32, "r+", 0, shape)
        self._mapped.append(weakref.ref(array))
        return torch.from_numpy(array)

    def laid_by(self, values: Tensor) -> NDArray[np.float32]:
        """Return what float32 ``values`` of the CPU are, read from a file as it is used.

        Raises OSError where the disk is full.
        """
        with tempfile.TemporaryFile(dir=self._folder) as file:
            values.numpy().tofile(file)
            file.flush()
            return np.memmap(file, np.float32, "r", 0, tuple(values.shape))

    def let_go(self) -> None:
        """Let go of the memory of all that lies in files; it can be looked at all the same."""
        let_go(*(array for array in (each() for each in self._mapped) if array is not None))

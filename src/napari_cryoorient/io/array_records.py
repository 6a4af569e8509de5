"""Dataclasses of arrays and plain values as ``.npz`` files: each is there whole or not at all.

Nothing is pickled, so that a file made by somebody else can be opened.
"""

from __future__ import annotations

import types
import zipfile
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.long_arrays import Rows, rows_of

Record = TypeVar("Record")
Arrays = dict[str, np.ndarray]


def write_record(record: Any, path: Path) -> None:
    """Write a dataclass whose fields are arrays, tensors, plain values, or such dataclasses."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **_flat(record, ""))  # type: ignore[arg-type]


def read_record(kind: type[Record], path: Path) -> Record:
    """Read a dataclass of ``kind``; raises InputError for a file that does not hold one."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record: Record = _built(kind, "", arrays)
    except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"A file of intermediate results is damaged or of another version: remove {path} and "
            "give the same command again."
        ) from error
    return record


def joined_records(records: Iterable[Record], n: int, folder: Path | None = None) -> Record:
    """Join records whose arrays have one row for each of ``n`` rows together, as they come.

    No more than one of them is held beside what they become. What one does not tell, none does.
    With a ``folder``, large arrays lie in a file there that has no name and ends with them: read
    only, they take memory where they are looked at (``let_go``).

    Raises:
        ValueError: where there is none.

    """
    kind: type[Record] | None = None
    whole: Rows | None = None
    for record in records:
        arrays = _flat(record, "")
        if whole is None:
            kind = type(record)
            whole = rows_of(arrays, n, folder)
        whole.append(arrays)
    if kind is None or whole is None:
        raise ValueError("no records to join")
    joined: Record = _built(kind, "", whole.arrays())
    return joined


def _flat(value: Any, name: str) -> Arrays:
    if value is None:
        return {}
    if is_dataclass(value):
        start = f"{name}." if name else ""
        parts = [_flat(getattr(value, f.name), start + f.name) for f in fields(value)]
        return {key: array for part in parts for key, array in part.items()}
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    return {name: np.asarray(value)}


def _built(kind: Any, name: str, arrays: Arrays) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(kind) if each is not types.NoneType)
        is_there = any(key == name or key.startswith(f"{name}.") for key in arrays)
        return _built(inner, name, arrays) if is_there else None
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        start = f"{name}." if name else ""
        made = {f.name: _built(hints[f.name], start + f.name, arrays) for f in fields(kind)}
        return kind(**made)  # type: ignore[operator]
    array = arrays[name]
    if kind in (bool, int, float, str):
        return kind(array.item())
    if get_origin(kind) is tuple:
        return tuple(array.tolist())
    if getattr(kind, "__module__", "").partition(".")[0] == "torch":
        import torch  # here: files are read without it

        return torch.from_numpy(array)
    return array

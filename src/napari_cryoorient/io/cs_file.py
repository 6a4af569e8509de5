"""cryoSPARC's ``.cs`` files: one NumPy array of records each, fields called like ``ctf/df1_A``.

A job writes what it changed to one file and what it merely passes on to another, beside it; both
tell particles by ``uid``. Here the two are read as one. Nothing in this module knows what a field
means, but for ``uid``.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.kept_inputs import note_read, refuse_pipe, refuse_replacing
from napari_cryoorient.particles import Integers

Records = NDArray[Any]

SUFFIX = ".cs"
_GROUP_SUFFIX, _GROUP_BYTES = ".csg", 1 << 20
_NAMED_IN_GROUP = re.compile(r"[^\s'\">]+\.cs(?=['\"\s]|$)")
_NUMPY_MARK, _STREAM_MARK = b"\x93NUMPY", b"\x94CSDAT"
_JOB = re.compile(r"(?:P\d+_)?J\d+")
_UID = "uid"
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f]|' .*\" |\" .*' ")  # nothing that STAR can quote


@dataclass(frozen=True)
class CsFile:
    """The records ``(n,)`` of a ``.cs`` file, fields of its passthrough files filled in."""

    records: Records
    path: Path
    notes: tuple[str, ...] = ()

    def __contains__(self, field: str) -> bool:
        return field in (self.records.dtype.names or ())

    def __getitem__(self, field: str) -> Records:
        return np.asarray(self.records[field])

    def __len__(self) -> int:
        return len(self.records)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the file's order."""
        return tuple(self.records.dtype.names or ())

    def text(self, field: str) -> list[str]:
        """Return a field of text ``(n,)``; raises InputError for what is no text of one line."""
        column = self[field]
        if column.dtype.kind == "S":
            column = np.char.decode(column, "utf-8", "replace")
        texts = [str(value) for value in column.tolist()]
        if column.dtype.kind != "U" or column.ndim != 1:
            raise InputError(f"{self.path} has no names in {field}; export it again.")
        bad = next((row for row, text in enumerate(texts) if _NOT_TEXT.search(text)), None)
        if bad is not None:
            raise InputError(f"{self.path}: row {bad + 1} has no name in {field}.")
        return texts


def is_cs(path: Path | str) -> bool:
    """Tell a ``.cs`` file by its name, or by how its bytes begin."""
    path = Path(path)
    if path.suffix.lower() == SUFFIX:
        return True
    refuse_pipe(path)
    try:
        with path.open("rb") as file:
            return file.read(len(_NUMPY_MARK)) in (_NUMPY_MARK, _STREAM_MARK)
    except OSError:
        return False


def refuse_group(path: Path | str) -> None:
    """Raise InputError for a results group, a text that only says which files have the results."""
    path = Path(path)
    if path.suffix.lower() != _GROUP_SUFFIX:
        return
    named: list[str] = []
    with suppress(OSError):
        named = _NAMED_IN_GROUP.findall(path.read_bytes()[:_GROUP_BYTES].decode("utf-8", "replace"))
    files = ", ".join(list(dict.fromkeys(named))[:3])
    raise InputError(
        f"{path} is a results group of cryoSPARC's (.csg), which only lists files; give the .cs "
        f"file it names{f' ({files})' if files else ''}."
    )


def read_cs(path: Path | str) -> CsFile:
    """Read a ``.cs`` file and the passthrough files beside it that tell of its particles.

    Raises:
        InputError: for what is not a ``.cs`` file, or has no particles or no ``uid``.

    """
    path = Path(path)
    records = np.array(_load(path))
    if not len(records):
        raise InputError(f"{path} has no rows: no particles.")
    notes: list[str] = []
    left_aside: list[tuple[bool, str]] = []  # whether it tells of some of the particles
    for candidate in _passthroughs(path):
        try:
            other = _load(candidate)
        except InputError as error:
            left_aside.append((True, f"left aside: {error}".rstrip(".")))
            continue
        missing = [n for n in other.dtype.names or () if n not in (records.dtype.names or ())]
        if not missing:
            continue
        rows, n_there = _rows_of(records[_UID], other[_UID])
        if n_there < len(records):
            sentence = (
                f"{candidate.name} left aside: {len(records) - n_there} of the {len(records)} "
                f"particles (uid) of {path.name} are not in it"
            )
            left_aside.append((n_there > 0, sentence))
            continue
        _refuse_repeated(records[_UID], path, candidate)
        _refuse_repeated(other[_UID][np.isin(other[_UID], records[_UID])], candidate, path)
        records = with_fields(records, {name: other[name][rows] for name in missing})
        rooms = ", ".join(dict.fromkeys(name.partition("/")[0] for name in missing))
        notes.append(f"{rooms} taken from {candidate.name}, which lies beside {path.name}")
    # A file of other particles, another class's say, is worth a word only where none helped.
    is_helped = bool(notes)
    notes += [sentence for is_ours, sentence in left_aside if is_ours or not is_helped]
    if repeated := _n_repeated(records[_UID]):
        notes.append(f"{repeated} of {len(records)} particles share their uid with another")
    return CsFile(records, path, tuple(notes))


def write_cs(records: Records, path: Path | str, source: CsFile) -> None:
    """Write records, whole or not at all; raises InputError if ``path`` is the file read."""
    path = Path(path)
    refuse_replacing([path], [source.path])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, records, allow_pickle=False)


def with_fields(records: Records, columns: dict[str, Records]) -> Records:
    """Return records ``(n,)`` with fields replaced, in their own number type, or added."""
    old = {name: records.dtype[name] for name in records.dtype.names or ()}
    new = {
        name: np.dtype((column.dtype, column.shape[1:]))
        for name, column in columns.items()
        if name not in old
    }
    # Packed: an array of selected fields would keep the gaps of those left out.
    result = np.empty(len(records), dtype=[(n, t) for n, t in {**old, **new}.items()])
    for name in old:
        if name not in columns:
            result[name] = records[name]
    for name, column in columns.items():
        result[name] = column
    return result


def _load(path: Path) -> Records:
    """Map the records of a file into memory."""
    note_read(path)
    try:
        with path.open("rb") as file:
            mark = file.read(len(_NUMPY_MARK))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the name.") from None
    if mark == _STREAM_MARK:
        raise InputError(
            f"{path} is in cryoSPARC's compressed form (CSDAT); save it as a plain .cs file."
        )
    if mark != _NUMPY_MARK:
        raise InputError(f"{path} is not a .cs file as cryoSPARC writes it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            records: Records = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # the header is Python code, which fails in as many ways when it is damaged
        raise InputError(
            f"{path} is damaged, or holds Python objects: copy or export it again."
        ) from None
    if _UID not in (records.dtype.names or ()) or records.ndim != 1:
        raise InputError(f"{path} is not a .cs file as cryoSPARC writes it: it has no field uid.")
    return records


def _passthroughs(path: Path) -> list[Path]:
    """Return the passthrough files in the same folder, those of another job left out."""
    job = _JOB.search(path.name)
    found = []
    for other in sorted(path.resolve().parent.glob(f"*passthrough*{SUFFIX}")):
        theirs = _JOB.search(other.name)
        if job is not None and theirs is not None and job[0] != theirs[0]:
            continue
        if other.name != path.name and other.is_file():
            found.append(other)
    return found


def _rows_of(uids: Records, known: Records) -> tuple[Integers, int]:
    """Return where each uid stands in ``known``, and how many do; others have a row of no sense."""
    if not len(known):
        return np.zeros(len(uids), dtype=np.int64), 0
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], uids).clip(max=len(order) - 1)
    rows = np.asarray(order[place], dtype=np.int64)
    return rows, int((known[rows] == uids).sum())


def _n_repeated(uids: Records) -> int:
    """Return how many particles share their uid with another."""
    _, counts = np.unique(uids, return_counts=True)
    return int(counts[counts > 1].sum())


def _refuse_repeated(uids: Records, path: Path, other: Path) -> None:
    if repeated := _n_repeated(uids):
        raise InputError(
            f"{path} has {repeated} particles that share their uid with another, so that they "
            f"cannot be told apart in {other.name}; export both files again from one job."
        )

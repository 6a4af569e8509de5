"""The files that come along with one that is named: stacks of a STAR file, what is in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.cs_file import SUFFIX, is_cs
from napari_cryoorient.io.image_names import split_image_names
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.particle_table import ParticleTable
from napari_cryoorient.io.star import read_star
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.reader import RunReader, read_json


def files_of(kind: str, path: Path, project_dir: Path | None = None) -> list[Path]:
    """Return all files that are read with ``path``, as far as they are found.

    ``kind`` is "particles" (a STAR or ``.cs`` file), "run" or "study" (a folder), "any" (one of
    these), or something else, which stands for itself.
    """
    if kind == "any":
        is_table = path.suffix.lower() in (".star", ".cs")
        kind = "run" if path.is_dir() else "particles" if is_table else "file"
    if kind == "particles":
        return list(_of_particles(path, project_dir))
    if kind == "run":
        return list(_of_run(path, project_dir))
    if kind == "study":
        return list(_of_study(path))
    return [path]


def _of_particles(path: Path, project_dir: Path | None) -> Iterator[Path]:
    yield path
    if not path.is_file():
        return
    if is_cs(path):  # what other jobs passed on lies beside it
        yield from path.resolve().parent.glob(f"*passthrough*{SUFFIX}")
    try:
        names = ParticleTable(read_star(path)).image_names()
        finder = StackFinder(path, project_dir)
    except InputError:  # the command itself will say what is wrong with it
        return
    for name in split_image_names(names)[2]:
        try:
            yield finder.find(name)
        except InputError:
            continue


def _of_run(folder: Path, project_dir: Path | None) -> Iterator[Path]:
    """Yield what lies in a run folder, and stack and map that it was trained with."""
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_file())
    if (record := RunReader(folder).run()) is not None:
        yield from _named(record.inputs.star, record.inputs.map, project_dir)


def _of_study(folder: Path) -> Iterator[Path]:
    """Yield the files of a study's runs, and stack and map that they were trained with."""
    record = read_json(folder / "study.json") or {}
    settings = record.get("settings", {})
    yield folder / "study.json"
    project_dir = settings.get("project_dir")
    yield from _named(settings.get("star"), settings.get("map"), project_dir and Path(project_dir))
    for run in record.get("runs", []):
        here = folder / str(run.get("folder"))
        yield from (here / name for name in (layout.POSES, layout.SPLIT, layout.CHECKPOINT))


def _named(star: object, density: object, project_dir: Path | None) -> Iterator[Path]:
    if isinstance(density, str):
        yield Path(density)
    if isinstance(star, str):
        yield from _of_particles(Path(star), project_dir)

"""No command replaces one of its inputs, by any output, path or link: for every command."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args

import numpy as np
import pytest
import typer

from napari_cryoorient import cli
from napari_cryoorient.cli.app import program
from napari_cryoorient.cli.commands import COMMANDS as NAMES
from napari_cryoorient.cli.commands import module_of
from napari_cryoorient.cli.files import Reads, Writes, roles_of
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import DensityMap

COMMANDS = [module_of(name) for name in NAMES]
Run = Callable[..., tuple[int, str, str]]
BOX = 16


def write_particles(star: Path) -> Path:
    """Write a STAR file of two particles and its stack, which is returned."""
    stack = star.with_suffix(".mrcs")
    with StackWriter(stack, 2, BOX, 5.0) as writer:
        writer.append(np.random.default_rng(0).normal(size=(2, BOX, BOX)))
    columns = ("rlnImageName", "rlnPixelSize", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    head = "".join(f"_{name} #{i}\n" for i, name in enumerate(columns, 1))
    rows = "".join(f"{i}@{stack.name} 5.0 {10 * i} 20 30\n" for i in (1, 2))
    star.write_text(f"data_\n\nloop_\n{head}{rows}")
    return stack


def make_map(path: Path) -> Path:
    voxels = np.random.default_rng(1).normal(size=(BOX,) * 3).astype(np.float32)
    write_map(DensityMap(voxels, 5.0), path)
    return path


def make_particles(folder: Path, name: str) -> tuple[Path, list[Path]]:
    star = folder / f"{name}.star"
    return star, [star, write_particles(star)]


def make_run(folder: Path, name: str) -> tuple[Path, list[Path]]:
    run = folder / name
    run.mkdir()
    star, files = make_particles(folder, f"{name}-learned")
    density = make_map(folder / f"{name}-map.mrc")
    inputs = {"star": str(star), "map": str(density)}
    (run / "run.json").write_text(json.dumps({"state": "finished", "inputs": inputs}))
    (run / "checkpoint.pt").write_bytes(b"weights")
    return run, [run / "run.json", run / "checkpoint.pt", density, *files]


def make_study(folder: Path, name: str) -> tuple[Path, list[Path]]:
    study = folder / name
    (study / "runs" / "w0").mkdir(parents=True)
    star, files = make_particles(folder, f"{name}-learned")
    density = make_map(folder / f"{name}-map.mrc")
    record = {
        "kind": "sweep",
        "settings": {"star": str(star), "map": str(density), "project_dir": None},
        "runs": [{"folder": "runs/w0", "w": 0.0}],
    }
    (study / "study.json").write_text(json.dumps(record))
    poses = study / "runs" / "w0" / "poses.star"
    write_particles(poses)
    return study, [study / "study.json", poses, density, *files]


def make_file(folder: Path, name: str) -> tuple[Path, list[Path]]:
    path = folder / f"{name}.bin"
    path.write_bytes(b"numbers")
    return path, [path]


def make_a_map(folder: Path, name: str) -> tuple[Path, list[Path]]:
    path = make_map(folder / f"{name}.mrc")
    return path, [path]


# What to name for each kind of input, and the files that are read with it. A kind that is not here
# fails the tests below.
MAKERS: dict[str, Callable[[Path, str], tuple[Path, list[Path]]]] = {
    "particles": make_particles,
    "map": make_a_map,
    "file": make_file,
    "run": make_run,
    "study": make_study,
    "any": make_particles,
}


def flags_of(command: ModuleType) -> dict[str, str | None]:
    """Return the flag of each parameter of a command; None for one that has a place instead."""
    flags: dict[str, str | None] = {}
    for name, parameter in inspect.signature(command.run, eval_str=True).parameters.items():
        for mark in get_args(parameter.annotation):
            if isinstance(mark, typer.models.ArgumentInfo):
                flags[name] = None
            elif isinstance(mark, typer.models.OptionInfo):
                # In an annotation typer takes the first name for a default.
                names = (mark.default, *(mark.param_decls or ()))
                long = [flag for flag in names if str(flag).startswith("--")]
                flags[name] = long[0] if long else "--" + name.replace("_", "-")
    return flags


def name_of(command: ModuleType) -> str:
    return NAMES[COMMANDS.index(command)]


def arguments_of(command: ModuleType, paths: dict[str, Path]) -> list[str]:
    flags = flags_of(command)
    named = [each for n, p in paths.items() if flags[n] for each in (str(flags[n]), str(p))]
    placed = [str(paths[n]) for n in flags if flags[n] is None and n in paths]
    return [name_of(command), *placed, *named]


def targets_of(role: Writes) -> list[str]:
    """Return where an output goes besides the path itself: names in it, or beside it."""
    inside = [pattern.replace("*", "one") for pattern in role.inside]
    return [*inside, *(f"beside:{name}" for name in role.beside)]


def cases() -> Iterator[Any]:
    for command in COMMANDS:
        roles = roles_of(command.run)
        for output, writes in roles:
            if not isinstance(writes, Writes):
                continue
            for name, reads in roles:
                if isinstance(reads, Reads) and name != output:
                    label = f"{name_of(command)}-{name}-{output}"
                    yield pytest.param(command, name, output, id=label)


def inputs_in(
    command: ModuleType, folder: Path
) -> tuple[dict[str, Path], dict[str, list[Path]], dict[str, Writes]]:
    """Make all inputs of a command: what to name, and the files read with each."""
    paths, files, outputs = {}, {}, {}
    for name, role in roles_of(command.run):
        if isinstance(role, Reads):
            paths[name], files[name] = MAKERS[role.kind](folder, name)
        elif isinstance(role, Writes):
            outputs[name] = role
    return paths, files, outputs


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def by_the_same_path(read: Path, _target: Path) -> Path:
    return read


def by_another_spelling(read: Path, _target: Path) -> Path:
    (read.parent / "sub").mkdir(exist_ok=True)
    return Path(os.path.relpath(read.parent)) / "sub" / ".." / "." / read.name


def by_a_symbolic_link(read: Path, target: Path) -> Path:
    target.symlink_to(read)
    return target


def by_a_hard_link(read: Path, target: Path) -> Path:
    os.link(read, target)
    return target


WAYS = (by_the_same_path, by_another_spelling, by_a_symbolic_link, by_a_hard_link)


@pytest.mark.parametrize(("command", "name", "output"), list(cases()))
def test_every_output_that_is_an_input_is_refused_before_any_work(
    command: ModuleType, name: str, output: str, tmp_path: Path, run: Run
) -> None:
    paths, files, outputs = inputs_in(command, tmp_path)
    needed = inspect.signature(command.run).parameters
    for other in outputs:  # those a command cannot do without, where no input is
        if other != output and needed[other].default is inspect.Parameter.empty:
            paths[other] = tmp_path / f"other-{other}.star"

    def refuse(named: Path, what: object) -> None:
        before = digests(tmp_path)
        status, _, err = run(*arguments_of(command, {**paths, output: named}))
        assert status == 2, (what, err)
        assert "would be overwritten" in err, what
        assert len(err.splitlines()) == 1
        assert digests(tmp_path) == before

    for i, read in enumerate(files[name]):
        for way in WAYS:
            place = tmp_path / f"{way.__name__}-{i}" / read.name
            place.parent.mkdir()
            refuse(way(read, place), (way, read))
    read = files[name][-1]
    for i, target in enumerate(targets_of(outputs[output])):
        out = tmp_path / f"out-{i}" / "out.mrc"
        beside = target.removeprefix("beside:").format(stem=out.stem, suffix=out.suffix)
        place = out.with_name(beside) if target.startswith("beside:") else out / target
        place.parent.mkdir(parents=True)
        WAYS[2 + i % 2](read, place)
        refuse(out, target)


def test_a_folder_of_a_study_is_not_written_over_what_it_was_made_from(
    tmp_path: Path, run: Run
) -> None:
    study, files = make_study(tmp_path, "study")
    (study / "reconstructions").mkdir()
    for read in files:
        (study / "reconstructions" / "true.mrc").unlink(missing_ok=True)
        os.link(read, study / "reconstructions" / "true.mrc")
        before = digests(tmp_path)
        status, _, err = run("reconstruct-sweep", study)
        assert status == 2
        assert "would be overwritten" in err
        assert digests(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_command_says_what_its_paths_are_for(command: ModuleType) -> None:
    parameters = inspect.signature(command.run, eval_str=True).parameters
    with_roles = {name for name, _ in roles_of(command.run)}
    for name, parameter in parameters.items():
        kinds = get_args(parameter.annotation)[:1]
        if Path in (*kinds, *(each for kind in kinds for each in get_args(kind))):
            assert name in with_roles
        words = " ".join(str(getattr(m, "metavar", "")) for m in get_args(parameter.annotation))
        if any(word in words for word in ("FILE", "MAP", "STAR")):
            assert name in with_roles, f"{name} seems to take a path ({words})"


def test_no_command_is_missing_here() -> None:
    """Every module of the room that has a summary for the help is driven by the tests above."""
    modules = {info.name for info in pkgutil.iter_modules(cli.__path__)}
    commands = {name for name in modules if hasattr(module_of(name), "SUMMARY")}
    assert commands == {name.replace("-", "_") for name in NAMES}
    registered = [each.name for each in program().registered_commands]
    assert registered == list(NAMES)


def test_a_command_with_a_path_of_no_known_use_is_refused() -> None:
    def run(path: Annotated[Path, typer.Argument()]) -> None: ...

    with pytest.raises(TypeError, match="say what path is for"):
        roles_of(run)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_pipe_is_refused_and_never_waited_for(
    command: ModuleType, tmp_path: Path, run: Run
) -> None:
    paths, _, outputs = inputs_in(command, tmp_path)
    out = {name: tmp_path / "out" for name in outputs if name not in paths}
    os.mkfifo(tmp_path / "pipe")
    for name in paths:
        status, _, err = run(*arguments_of(command, {**paths, **out, name: tmp_path / "pipe"}))
        assert status == 2
        assert "pipe does not allow" in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_two_outputs_in_one_file_are_refused(tmp_path: Path, run: Run) -> None:
    a, b = make_map(tmp_path / "a.mrc"), make_map(tmp_path / "b.mrc")
    out = tmp_path / "out.png"
    status, _, err = run("fsc", a, b, "--csv", out, "--figure", tmp_path / "." / "out.png")
    assert status == 2
    assert "Two outputs" in err
    assert not out.exists()


def test_simulate_leaves_files_alone_that_are_of_no_simulation(tmp_path: Path, run: Run) -> None:
    density = make_map(tmp_path / "density.mrc")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("particles.mrcs", "map.mrc"):
        (out / name).write_bytes(b"measured for a week")
        before = digests(tmp_path)
        status, _, err = run("simulate", density, "-o", out, "--n", 2)
        assert status == 2
        assert "not of a simulation" in err
        assert digests(tmp_path) == before
        (out / name).unlink()
    assert run("simulate", density, "-o", out, "--n", 2)[0] == 0
    assert run("simulate", density, "-o", out, "--n", 3)[0] == 0  # its own may be made again
    with (out / "particles.mrcs").open("r+b") as stack:
        stack.seek(224)
        stack.write(b"RELION".ljust(80))
    assert run("simulate", density, "-o", out, "--n", 2)[0] == 2


@pytest.mark.parametrize("place", [".", "..", "/"])
@pytest.mark.parametrize("command", ["refine", "search", "reconstruct", "export", "project"])
def test_an_output_that_is_a_folder_without_a_name_is_refused(
    command: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    write_particles(tmp_path / "a.star")
    make_map(tmp_path / "map.mrc")
    maps = {"refine": ["--map", "map.mrc"], "search": ["--map", "map.mrc"]}.get(command, [])
    placed = ["map.mrc", "a.star"] if command == "project" else ["a.star"]
    status, _, said = run(command, *placed, *maps, "-o", place)
    assert status == 2
    assert "is a folder" in said


def test_a_write_protected_output_is_kept(tmp_path: Path, run: Run) -> None:
    write_particles(tmp_path / "a.star")
    kept = tmp_path / "kept.mrc"
    kept.write_bytes(b"kept")
    kept.chmod(0o444)
    status, _, said = run("reconstruct", str(tmp_path / "a.star"), "-o", str(kept))
    assert status == 2
    assert "write-protected" in said
    assert kept.read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("command", "name"),
    [("refine", "out.mrc"), ("search", "out.csv"), ("reconstruct", "out.star")],
)
def test_a_name_that_promises_something_else_is_refused(
    command: str, name: str, tmp_path: Path, run: Run
) -> None:
    write_particles(tmp_path / "a.star")
    maps = [] if command == "reconstruct" else ["--map", str(make_map(tmp_path / "map.mrc"))]
    star, out = tmp_path / "a.star", tmp_path / name
    status, _, said = run(command, str(star), *maps, "-o", str(out))
    assert status == 2
    assert "give another name" in said
    assert not out.exists()

"""What every path given to a command is for, and the check that none of it destroys an input.

Each parameter that holds a path carries one of ``Reads``, ``Writes`` and ``LooksIn``; a command
with one that does not is refused when the program starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs.layout import RUN_FILES
from napari_cryoorient.simulation import layout as simulated

Kind = Literal["particles", "map", "file", "run", "study", "any"]
Content = Literal["poses", "images", "table"]
_IMAGES = (".mrc", ".mrcs", ".map", ".ccp4", ".st", ".tif", ".tiff")
_POSES = (".star", ".cs", ".csg", ".pkl")
_OTHERS = (".png", ".svg", ".pdf", ".json", ".pt", ".pdb", ".cif", ".gz", ".bz2")
ENDINGS_OF_OTHERS: dict[Content, tuple[str, ...]] = {
    "poses": (*_IMAGES, *_OTHERS, ".csv", ".pkl", ".csg"),
    "images": (*_POSES, *_OTHERS, ".csv"),
    "table": (*_POSES, *_IMAGES, *_OTHERS),
}

DEMO_FILES = (
    *(*simulated.FILES, "demo.json", "train.star", "held-out.star", "poses.star", "summary.json"),
    *("curves.png", "projections.png", "errors.png", "napari.png"),
    *(f"run/{name}" for name in RUN_FILES),
)
STUDY_FILES = ("study.json", "*.csv", "*.png", *(f"runs/*/{name}" for name in RUN_FILES))


@dataclass(frozen=True)
class Reads:
    """An input: a STAR or ``.cs`` file with its stacks, a map, a run or study folder, or a file."""

    kind: Kind
    no_paths: tuple[str, ...] = ()
    """Words the parameter takes besides paths."""


@dataclass(frozen=True)
class Writes:
    """An output: a file; or, with ``inside``, a folder with files of these patterns.

    ``beside`` are further files in the output's own folder, of its ``stem`` and ``suffix``.
    An output that ``holds`` one thing is not given a name that promises another.
    """

    inside: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    holds: Content | None = None

    def paths(self, output: Path) -> Iterator[Path]:
        """Yield the files that may be written, as far as their names are known or they exist."""
        yield output
        for name in self.beside:
            yield output.with_name(name.format(stem=output.stem, suffix=output.suffix))
        for pattern in self.inside:
            yield from output.glob(pattern) if "*" in pattern else (output / pattern,)


@dataclass(frozen=True)
class LooksIn:
    """A folder in which files are looked for; nothing in it is an input by that alone."""


Role = Reads | Writes | LooksIn


def roles_of(command: Callable[..., Any]) -> list[tuple[str, Role]]:
    """Return parameters that hold paths with their roles; raises TypeError where one has none."""
    roles: list[tuple[str, Role]] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        kind, *marks = (
            get_args(parameter.annotation)
            if get_origin(parameter.annotation) is Annotated
            else (parameter.annotation,)
        )
        found = [mark for mark in marks if isinstance(mark, Role)]
        roles += [(name, role) for role in found]
        if not found and Path in (kind, *get_args(kind)):
            raise TypeError(f"{command.__module__}: say what {name} is for, by a role of cli.files")
    return roles


def keeping_inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command refuse, before any work, to replace one of its inputs or to read a pipe."""
    roles = roles_of(command)

    def run(**given: Any) -> Any:
        _check(roles, given)
        return command(**given)

    run.__doc__ = command.__doc__
    run.__module__ = command.__module__
    run.__signature__ = inspect.signature(command, eval_str=True)  # type: ignore[attr-defined]
    return run


def _check(roles: Sequence[tuple[str, Role]], given: Mapping[str, Any]) -> None:
    """Raise InputError for inputs that are pipes, and for outputs that are inputs."""
    from napari_cryoorient.io.kept_inputs import (
        identity_of,
        refuse_pipe,
        refuse_protected,
        refuse_replacing,
        refuse_twice,
    )

    inputs = [
        (role.kind, Path(given[name]))
        for name, role in roles
        if isinstance(role, Reads) and given[name] is not None and given[name] not in role.no_paths
    ]
    for _, path in inputs:
        refuse_pipe(path)
    named = [
        (role, Path(given[name]))
        for name, role in roles
        if isinstance(role, Writes) and given[name] is not None
    ]
    for role, output in named:
        if not role.inside and output.is_dir():
            raise InputError(f"{output} is a folder; give the name of a file to write.")
    outputs = [path for role, output in named for path in role.paths(output)]
    refuse_twice(outputs)
    there = [path for path in outputs if identity_of(path) is not None and not path.is_dir()]
    if there:  # else nothing can be replaced, and no file need be looked into
        refuse_replacing(there, [path for _, path in inputs])

        from napari_cryoorient.runs.named_files import files_of

        project_dir = given.get("project_dir")
        for kind, path in inputs:
            refuse_replacing(there, files_of(kind, path, project_dir))
        refuse_protected(there)
    for role, output in named:
        _refuse_misleading(role, output)


def _refuse_misleading(role: Writes, output: Path) -> None:
    """Raise InputError for poses called ``.mrc``, a map called ``.star`` and the like."""
    ending = output.suffix.lower()
    if role.holds is not None and ending in ENDINGS_OF_OTHERS[role.holds]:
        raise InputError(
            f"The output holds {role.holds}, which a name that ends in {ending} does not say: "
            f"give another name than {output}."
        )

"""The flags every command has, and flags made from the fields of a settings model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from napari_cryoorient.cli.files import LooksIn, Reads
from napari_cryoorient.errors import InputError

OUTPUT_HELP = "STAR file to write; a .cs file too where the particles come from one."

DeviceName = Literal["auto", "cuda", "mps", "cpu"]

Settings = TypeVar("Settings", bound=BaseModel)

# Settings of a model that hold paths.
FIELDS_WITH_PATHS = {"from_run": Reads("run"), "weights": Reads("file", ("auto", "none"))}

Device = Annotated[
    DeviceName, typer.Option(help="Where to compute: auto takes CUDA, then MPS, then the CPU.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
UnusedSeed = Annotated[int, typer.Option(min=0, help="Taken as by every command; no effect here.")]
Json = Annotated[
    bool, typer.Option("--json", help="End with one line of machine-readable results on stdout.")
]
Symmetry = Annotated[
    str, typer.Option(metavar="NAME", help="Point group on RELION's axes: C1, D2, D7, O, I1, ...")
]
StarPath = Annotated[
    Path, typer.Argument(metavar="STAR", help="Particle STAR file."), Reads("particles")
]
MapPath = Annotated[
    Path,
    typer.Option("--map", metavar="MAP", help="Reference map (mrc, map, gz, bz2, PDB, mmCIF)."),
    Reads("map"),
]
OptionalMapPath = Annotated[
    Path | None,
    typer.Option("--map", metavar="MAP", help="Reference map (mrc, map, gz, bz2, PDB, mmCIF)."),
    Reads("map"),
]
PixelSize = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="A", help="Pixel size of a map whose header has none."),
]
ProjectDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that image names in the STAR file start from."),
    LooksIn(),
]
Resolution = Annotated[
    float | None,
    typer.Option(
        min=0.1, metavar="A", help="Finest detail used. [default: where the stack's signal ends]"
    ),
]
InvertContrast = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(help="Turn dark particles on white; auto does it where the sign is clear."),
]


def with_settings(
    model: type[BaseModel], leave_out: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one flag for each field of ``model``, passed on as keyword arguments.

    Only flags the user gave are passed; the model knows the defaults.
    """
    left_out = set(leave_out)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        settings = [
            _flag(name, field) for name, field in model.model_fields.items() if name not in left_out
        ]

        def run(**values: Any) -> Any:
            given = {k: v for k, v in values.items() if k in names and v is not None}
            rest = {k: v for k, v in values.items() if k not in names}
            return command(**rest, **given)

        names = {p.name for p in settings}
        run.__doc__ = command.__doc__
        run.__signature__ = signature.replace(parameters=own + settings)  # type: ignore[attr-defined]
        return run

    return decorate


def build_settings(model: type[Settings], values: dict[str, Any]) -> Settings:
    """Validate flags against the model they were made from.

    Raises:
        InputError: naming the flag and what it allows.

    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "the settings"
        raise InputError(f"{flag} {first['input']!r}: {first['msg'].lower()}.") from None


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    """Make one flag; its default is None, and the help text states the model's own."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    help_text = (field.description or "").rstrip(".")
    if field.default is not None:
        help_text += f" [default: {field.default}]"
    limits: dict[str, Any] = {key: bound for m in field.metadata for key, bound in _bounds(m)}
    flags = ["--" + name.replace("_", "-")]
    if "flag" in extra:
        flags.insert(0, str(extra["flag"]))
    option = typer.Option(
        *flags,
        help=help_text + ".",
        show_default=False,
        metavar=str(extra.get("metavar", extra.get("unit", ""))).upper() or None,
        **limits,
    )
    kind = field.annotation
    role = (FIELDS_WITH_PATHS[name],) if name in FIELDS_WITH_PATHS else ()
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option, *role],  # type: ignore[operator]
    )


def _bounds(constraint: Any) -> Iterable[tuple[str, float]]:
    """Give typer the bounds it knows; pydantic checks the open ones."""
    if getattr(constraint, "ge", None) is not None:
        yield "min", constraint.ge
    if getattr(constraint, "le", None) is not None:
        yield "max", constraint.le

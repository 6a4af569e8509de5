"""Flags made from the fields of a settings model; only commands that train load pydantic."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from napari_cryoorient.cli.files import Reads
from napari_cryoorient.errors import InputError

Settings = TypeVar("Settings", bound=BaseModel)

# Settings of a model that hold paths.
FIELDS_WITH_PATHS = {"from_run": Reads("run"), "weights": Reads("file", ("auto", "none"))}


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

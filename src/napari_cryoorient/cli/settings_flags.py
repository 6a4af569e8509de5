"""Flags made from the fields of a config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from napari_cryoorient.cli.files import Reads, Role, Writes
from napari_cryoorient.cli.options import option_of
from napari_cryoorient.config.base import Config
from napari_cryoorient.config.spreading import QUEUES

Settings = TypeVar("Settings", bound=Config)

# Settings of a model that hold paths.
FIELDS_WITH_PATHS: dict[str, Role] = {
    "from_run": Reads("run"),
    "weights": Reads("file", ("auto", "none")),
    "cluster": Reads("file", QUEUES),
    "parts": Writes(inside=("*.json", "*.npz", "*/*.json", "*/*.npz", "*/*.npy")),
}


def with_settings(
    model: type[Config], leave_out: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one flag for each field of ``model``, passed on as keyword arguments.

    Only flags the user gave are passed; the model knows the defaults.
    """
    left_out = set(leave_out)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        settings = [_flag(model, name) for name in model.model_fields if name not in left_out]

        def run(**values: Any) -> Any:
            given = {k: v for k, v in values.items() if k in names and v is not None}
            rest = {k: v for k, v in values.items() if k not in names}
            return command(**rest, **given)

        names = {p.name for p in settings}
        run.__doc__ = command.__doc__
        last = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.name == "json"]
        first = [p for p in own if p.name != "json"]
        run.__signature__ = signature.replace(parameters=first + settings + last)  # type: ignore[attr-defined]
        return run

    return decorate


def build_settings(model: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Validate flags against the model they were made from.

    Raises:
        InputError: naming the flag and what it allows.

    """
    return model.of(values, lambda name: _named(model, name))


def _named(model: type[Config], name: str) -> str:
    """Return a field's name on the command line, as it stands before a value in a message."""
    flag = model.flags(name)[0] if name in model.model_fields else "--" + name.replace("_", "-")
    return flag.partition("/")[0] + " "


def _flag(model: type[Config], name: str) -> inspect.Parameter:
    """Make one flag; its default is None, and the help text states the model's own."""
    field = model.model_fields[name]
    default, flags = field.default, model.flags(name)
    if isinstance(default, bool):  # of an on/off pair the one that holds; a lone flag is off
        on, _, off = flags[0].partition("/")
        default = (on if default else off).removeprefix("--") or None
    option = option_of(model.setting(name), *flags, default=default)
    role = (FIELDS_WITH_PATHS[name],) if name in FIELDS_WITH_PATHS else ()
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[field.annotation | None, option, *role],  # type: ignore[operator]
    )

"""Python keywords made from the fields of a config, as the flags of a command are."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from napari_cryoorient.config import Config

AnyConfig = TypeVar("AnyConfig", bound=Config)
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def with_keywords(
    model: type[Config], leave_out: tuple[str, ...] = ()
) -> Callable[[AnyFunction], AnyFunction]:
    """Show the fields of ``model`` in the signature and help of a function's ``**settings``.

    The function itself makes a config of them, by ``config_of``.
    """

    def decorate(function: AnyFunction) -> AnyFunction:
        names = [name for name in model.model_fields if name not in leave_out]
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        keywords = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=model.model_fields[name].default,
                annotation=model.model_fields[name].annotation,
            )
            for name in names
            if name not in signature.parameters
        ]
        function.__signature__ = signature.replace(parameters=own + keywords)  # type: ignore[attr-defined]
        function.__doc__ = _documented(function.__doc__ or "", model, names)
        return function

    return decorate


def config_of(
    model: type[AnyConfig],
    config: AnyConfig | None,
    settings: Mapping[str, Any],
    leave_out: tuple[str, ...] = (),
) -> AnyConfig:
    """Return the settings of ``config`` with single ones in place of its own.

    Raises TypeError for a name that is no setting, as Python does, and InputError naming the one
    whose value is not allowed.
    """
    known = [name for name in model.model_fields if name not in leave_out]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f": {near[0]} is meant?" if near else f"; there are {', '.join(known)}."
            raise TypeError(f"There is no setting {name!r}{meant}")
    given = {} if config is None else config.model_dump(include=config.model_fields_set)
    return model.of({**given, **settings}, "{}=".format)


def _documented(text: str, model: type[Config], names: list[str]) -> str:
    """Put a line for each setting where the docstring speaks of ``settings``."""
    lines = []
    for line in text.splitlines():
        if not line.strip().startswith("settings:"):
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines += [
            f"{indent}{name}: {model.setting(name).sentence(model.model_fields[name].default)}"
            for name in names
        ]
    return "\n".join(lines)

"""Checks, at every call of a room's functions, the shapes that their signatures tell."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import typing
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any

import torch
from jaxtyping import Shaped, jaxtyped
from torch import Tensor


class WrongShape(AssertionError):
    """A tensor has not the shape that a signature tells."""


def check_shapes_of(room: str) -> int:
    """Check what every function and method of a room is given and returns; count them.

    Must be called before others import from the room.
    """
    n = 0
    package = import_module(room)
    for found in pkgutil.iter_modules(package.__path__, f"{room}."):
        n += _check_module(import_module(found.name))
    return n


def _check_module(module: ModuleType) -> int:
    n = 0
    for name, value in vars(module).copy().items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value) and _shapes(value):
            setattr(module, name, checked(value))
            n += 1
        elif inspect.isclass(value) and not issubclass(value, torch.autograd.Function):
            for inner, method in vars(value).copy().items():
                if inspect.isfunction(method) and _shapes(method):
                    setattr(value, inner, checked(method))
                    n += 1
    return n


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises ``WrongShape`` where a tensor is not as its signature tells."""
    shapes, signature = _shapes(function), inspect.signature(function)

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        given = signature.bind(*arguments, **keywords).arguments
        with jaxtyped("context"):
            for name, value in given.items():
                if type(value) is int and value > 0 and name != "self":
                    isinstance(torch.empty(value, device="meta"), Shaped[Tensor, name])
            for name in sorted(given, key=lambda name: "//" in str(shapes.get(name))):
                _check(given[name], shapes.get(name), f"{function.__qualname__}({name})")
            result = function(*arguments, **keywords)
            _check(result, shapes.get("return"), f"{function.__qualname__} -> ")
        return result

    return call


def _check(value: Any, shape: Any, where: str) -> None:
    if isinstance(shape, tuple):
        for part, of_part in zip(value, shape, strict=True):
            _check(part, of_part, where)
    elif shape is not None and value is not None and not isinstance(value, Shaped[Tensor, shape]):
        raise WrongShape(f"{where}: {tuple(value.shape)} is not {shape}")


def _shapes(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the shapes by argument, and that of ``return``; tuples of them for tuples."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {name: _shape(hint) for name, hint in hints.items()}
    return {name: shape for name, shape in found.items() if shape is not None}


def _shape(hint: Any) -> Any:
    if typing.get_origin(hint) is Annotated:
        return hint.__metadata__[0]
    parts = [_shape(part) for part in typing.get_args(hint)]
    if typing.get_origin(hint) is tuple:
        return tuple(parts) if any(parts) else None
    return next((part for part in parts if part is not None), None)  # of X | None

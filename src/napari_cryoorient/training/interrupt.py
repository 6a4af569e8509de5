"""Leave a pass through a network between two of its layers, when somebody asks to stop.

A step of a large network takes seconds on a slow CPU; a layer takes a small part of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Abandoned(Exception):
    """A forward or backward pass was left half-done; nothing has been changed by it."""


@contextmanager
def abandoning(network: nn.Module, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Raise ``Abandoned`` out of passes through ``network`` once ``should_stop`` says so."""

    def check(*_: object) -> None:
        if should_stop():
            raise Abandoned

    def after_layer(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        check()
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(check)  # type: ignore[no-untyped-call]

    leaves = [module for module in network.modules() if not list(module.children())]
    handles = [leaf.register_forward_hook(after_layer) for leaf in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

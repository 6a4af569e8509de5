"""Layers that change in several ways at once: napari would draw them after each change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def drawn_once(*layers: Any) -> Iterator[None]:
    """Draw layers once after several changes, in place of once after each of them."""
    with ExitStack() as blocked:
        for layer in layers:
            blocked.enter_context(layer.events.blocker_all())
        yield
    for layer in layers:
        layer.refresh()

"""Text on a canvas whose world unit is a pixel: where it goes, so that words keep apart."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROW = 14.0  # height of a line of text, in pixels
LETTER = 7.6  # width of a letter, in pixels


def said_in_the_middle(words: str, size: tuple[int, int]) -> list[tuple[NDArray[np.float64], str]]:
    """Break words into lines that fit a canvas; return the place and the text of each."""
    height, width = size
    lines = wrap(words, max(int(0.8 * width / LETTER), 10))
    first = height / 2 - ROW * 1.2 * (len(lines) - 1) / 2
    return [(np.array([first + 1.2 * ROW * i, width / 2]), line) for i, line in enumerate(lines)]


def write_labels(
    layer: Any, places: NDArray[np.float64], marks: Sequence[tuple[Any, str, Any]]
) -> None:
    """Show the text of ``marks`` (place, text, colour) at ``places`` ``(n, 2)``, row and column."""
    with layer.events.blocker_all():
        layer.data = places
        layer.features = {"label": [text for _, text, _ in marks]}
    layer.text = {
        "string": "{label}",
        "size": 9,
        "color": np.array([colour for _, _, colour in marks]),
        "anchor": "center",
    }
    layer.refresh()


def spread(rows: NDArray[np.float64], top: float, bottom: float) -> NDArray[np.float64]:
    """Move labels apart so that each has a row of its own between top and bottom.

    Where there are more than fit, some in between get NaN: they are left out.
    """
    n_fit = max(int((bottom - top) // ROW) + 1, 1)
    order = np.argsort(rows, kind="stable")
    kept = order
    if len(order) > n_fit:
        kept = order[np.unique(np.linspace(0, len(order) - 1, n_fit).round().astype(int))]
    placed = np.full(len(rows), np.nan)
    if not len(kept):
        return placed
    at = np.clip(rows[kept], top, bottom)
    steps = ROW * np.arange(len(kept))
    at = np.maximum.accumulate(at - steps) + steps  # each a row below the one before
    at = np.minimum(at, bottom)
    at = np.minimum.accumulate((at - steps)[::-1])[::-1] + steps  # and above the one after
    placed[kept] = at
    return placed

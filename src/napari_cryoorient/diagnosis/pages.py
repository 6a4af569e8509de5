"""What the pages of this room share: their paper, their colours, and a sphere of directions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cryoorient.figures import BLUE, GREEN, GREY, VERMILLION
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.particles import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREEN", "GREY", "VERMILLION", "draw_sphere", "new_page", "save_page"]


def new_page(width: float, height: float) -> Figure:
    """Return an empty page, in inches, that needs no screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_page(figure: Figure, path: Path) -> None:
    """Save a page in the format of the path's ending, whole or not at all."""
    kind = path.suffix.lstrip(".").lower() or "png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=150)


def draw_sphere(
    figure: Figure, axes: Axes, directions: Floats, values: Floats, label: str, **style: Any
) -> None:
    """Draw values ``(m,)`` at unit vectors ``(m, 3)`` on Mollweide axes, with a scale below."""
    longitude = np.arctan2(directions[:, 1], directions[:, 0])
    latitude = np.arcsin(np.clip(directions[:, 2], -1, 1))
    # Points of the area that one direction stands for, in squared points of the picture.
    size = 30000.0 / max(len(directions), 48)
    drawn = axes.scatter(
        longitude, latitude, c=values, s=size, linewidths=0, **({"cmap": "viridis"} | style)
    )
    axes.set_xticks([])
    axes.set_yticks([])
    bar = figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.7, pad=0.04)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8)

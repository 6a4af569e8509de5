"""Linked image layers side by side: input, projection at the true pose, at the predicted pose.

The layers are known by ``metadata["napari-cryoorient"]["role"]``, whatever the user calls them.
Grey scale is shared by the projections, colour map and gamma by all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Images, ImageSource, Integers
from napari_cryoorient.session.display_filter import LowPassFiltered
from napari_cryoorient.session.inspection import Inspection, Picture
from napari_cryoorient.viewer.lazy_stack import LazyStack, display_limits
from napari_cryoorient.viewer.napari_api import grid_of, show_titles
from napari_cryoorient.viewer.readers import METADATA_KEY, particles_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

GROUP = "triptych"
LIKE = ("true", "predicted", "blink")  # projections, which share a grey scale
# What is shown in one grey scale, and the layer that stands for it.
Group = Literal["image", "projections", "difference"]
COLOURS = ("gray", "gray_r", "viridis", "magma", "inferno", "turbo")


@dataclass(frozen=True)
class Levels:
    """Grey values shown as black and as white, and those of the beginning, ``low`` to ``high``."""

    black: float
    white: float
    low: float
    high: float

    def part_of(self, value: float) -> float:
        """Return where a value lies in what can be chosen: from a width below to one above."""
        width = self.high - self.low
        return min(max((value - self.low + width) / (3.0 * width), 0.0), 1.0)

    def at(self, part: float) -> float:
        """Return the value at a place from 0 to 1."""
        width = self.high - self.low
        return self.low - width + 3.0 * width * part


class Triptych:
    """Owns the layers of one viewer that show particles; nothing else writes to them."""

    def __init__(
        self, viewer: ViewerModel, on_problem: Callable[[str], None] = lambda _: None
    ) -> None:
        self._viewer = viewer
        self.on_layout_changed: Callable[[], None] = lambda: None  # called after cells were rebuilt
        self._on_problem = on_problem  # hears why an image cannot be read, or "" once it can
        self._kind: tuple[object, ...] = ()
        self._blinking: Blinking | None = None
        self._low_pass: float | None = None
        self._first: dict[str, tuple[float, float]] = {}  # limits of the beginning, by role
        self.colours = COLOURS[0]

    def layers(self) -> dict[str, Image]:
        """Return the layers there are, by role."""
        found = {}
        for layer in self._viewer.layers:
            ours = layer.metadata.get(METADATA_KEY, {})
            if ours.get("group") == GROUP:
                found[str(ours["role"])] = layer
        return found

    def show(self, inspection: Inspection, low_pass_angstrom: float | None = None) -> None:
        """Show the pictures of an inspection; layers are kept where the roles stay the same.

        Contrast and camera stay as the user has them while the same thing is refreshed: another
        stack, map, contrast sign or box starts from grey levels and zoom of its own.
        """
        titles = tuple(picture.title for picture in inspection.pictures)
        boxes = tuple(picture.images.box for picture in inspection.pictures)
        kind = (inspection.kind, titles, boxes, *inspection.subject)
        is_same_view = kind == self._kind
        is_refresh = is_same_view and low_pass_angstrom == self._low_pass
        self._kind, self._low_pass = kind, low_pass_angstrom
        sources: dict[str, ImageSource] = {
            picture.role: Guarded(_as_shown(picture.images, low_pass_angstrom), self._on_problem)
            for picture in inspection.pictures
        }
        self._blinking = None
        if "blink" in sources:
            sources["blink"] = self._blinking = Blinking(sources["true"], sources["predicted"])
        pictures = [(picture, sources[picture.role]) for picture in inspection.pictures]
        layers = self.layers()
        if list(layers) != [picture.role for picture in inspection.pictures]:
            self._replace(pictures)
            self._lay_out(len(pictures))
            return
        for picture, source in pictures:
            _refill(layers[picture.role], picture, source, keeps_contrast=is_refresh)
        if not is_refresh:
            _align_contrast(
                [layers[picture.role] for picture in inspection.pictures if picture.role in LIKE]
            )
            self._remember_limits()
        if not is_same_view and pictures:
            self._viewer.reset_view()

    def levels(self, group: Group) -> Levels | None:
        """Return the grey levels of one kind of picture; None where none is shown."""
        layers = self._of_group(group)
        if not layers:
            return None
        black, white = layers[0].contrast_limits
        return Levels(float(black), float(white), *self._first[_role_of(layers[0])])

    def set_levels(self, group: Group, black: float, white: float) -> None:
        """Show one kind of picture between two grey values; stepping through it keeps them."""
        for layer in self._of_group(group):
            low, high = layer.contrast_limits_range
            layer.contrast_limits_range = (min(low, black), max(high, white))
            layer.contrast_limits = (black, white)

    def set_colours(self, name: str) -> None:
        """Show all pictures in a colour map, those of later views too."""
        self.colours = name
        for layer in self.layers().values():
            layer.colormap = name

    def _of_group(self, group: Group) -> list[Image]:
        roles = {"image": ("input",), "projections": LIKE, "difference": ("difference",)}[group]
        return [layer for role, layer in self.layers().items() if role in roles]

    def _remember_limits(self) -> None:
        for role, layer in self.layers().items():
            low, high = layer.contrast_limits
            self._first[role] = float(low), float(high)

    def blink(self) -> None:
        """Show the other projection in the view that blinks; its title says which."""
        layer = self.layers().get("blink")
        if layer is None or self._blinking is None:
            return
        self._blinking.shows_second = not self._blinking.shows_second
        shown = self.layers()["predicted" if self._blinking.shows_second else "true"]
        layer.name = f"blink: {shown.name}"
        layer.refresh(thumbnail=False, extent=False)

    def _replace(self, pictures: list[tuple[Picture, ImageSource]]) -> None:
        for layer in self.layers().values():
            self._viewer.layers.remove(layer)
        added = []
        for picture, source in pictures:
            data, options, _ = particles_layer(source, name=picture.title, path=Path(picture.role))
            options["metadata"][METADATA_KEY] |= {"group": GROUP, "role": picture.role}
            layer = self._viewer.add_image(data, colormap=self.colours, **options)
            added.append(layer)
        show_titles(self._viewer, added, font_size=12 if len(pictures) < 4 else 10)
        if len(added) > 1:
            self._viewer.layers.link_layers(added, ("gamma", "colormap"))
        projections = [
            layer for layer, (one, _) in zip(added, pictures, strict=True) if one.role in LIKE
        ]
        if len(projections) > 1:
            _align_contrast(projections)
            self._viewer.layers.link_layers(projections, ("contrast_limits",))
        self._remember_limits()

    def _lay_out(self, n_pictures: int) -> None:
        grid = grid_of(self._viewer)
        grid.stride = 1
        grid.shape = (1, -1)
        grid.spacing = 4
        grid.enabled = n_pictures > 1
        if n_pictures:
            self._viewer.dims.set_current_step(0, 0)
            self._viewer.reset_view()
            self.on_layout_changed()

    def forget_view(self) -> None:
        """Let grey levels and zoom be chosen again when the images are shown next."""
        self._kind = ()

    def fit(self) -> None:
        """Let the images fill the canvas, after its size has changed for one."""
        if len(self._viewer.layers):
            self._viewer.reset_view()


def _role_of(layer: Image) -> str:
    return str(layer.metadata[METADATA_KEY]["role"])


def _align_contrast(layers: Sequence[Image]) -> None:
    """Show images of one kind in one grey scale, that of the first."""
    for other in layers[1:]:
        other.contrast_limits_range = layers[0].contrast_limits_range
        other.contrast_limits = layers[0].contrast_limits


class Guarded:
    """Images of another source; one that cannot be used is blank, and it is said why."""

    def __init__(self, source: ImageSource, tell: Callable[[str], None]) -> None:
        self._source = source
        self._announce = tell

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self._source.box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self._source.pixel_size_angstrom

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Integers) -> Images:
        """Read images ``(k, box, box)``, or blank ones."""
        try:
            images = self._source.read(indices)
        except InputError as error:
            self._announce(str(error))
        except OSError as error:
            self._announce(f"The image cannot be read: {error.strerror or error}.")
        else:
            if np.isfinite(images).all():
                return images
            self._announce("The image has values that are not finite numbers; it is left out.")
        return np.zeros((np.size(indices), self.box, self.box), np.float32)


class Blinking:
    """Images of one of two sources, whichever it is the turn of."""

    def __init__(self, first: ImageSource, second: ImageSource) -> None:
        self._sources = first, second
        self.shows_second = False

    @property
    def box(self) -> int:
        """Edge of the images in pixels."""
        return self._sources[0].box

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in angstrom."""
        return self._sources[0].pixel_size_angstrom

    def __len__(self) -> int:
        return len(self._sources[0])

    def read(self, indices: Integers) -> Images:
        """Read from the source whose turn it is."""
        return self._sources[int(self.shows_second)].read(indices)


def _as_shown(source: ImageSource, low_pass_angstrom: float | None) -> ImageSource:
    return source if low_pass_angstrom is None else LowPassFiltered(source, low_pass_angstrom)


def _refill(layer: Image, picture: Picture, source: ImageSource, *, keeps_contrast: bool) -> None:
    """Give a layer other images of the same role."""
    data: Any = LazyStack(source)
    spacing = source.pixel_size_angstrom
    corner = -(source.box // 2) * spacing
    limits = None if keeps_contrast else display_limits(source)
    layer.data = data
    # Each of these redraws the layer, changed or not.
    scale, translate = (1.0, spacing, spacing), (0.0, corner, corner)
    if not np.allclose(layer.scale, scale):
        layer.scale = scale
    if not np.allclose(layer.translate, translate):
        layer.translate = translate
    if layer.name != picture.title:
        layer.name = picture.title
    if limits is not None:
        layer.contrast_limits_range = limits
        layer.contrast_limits = limits

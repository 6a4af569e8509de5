"""Figures say what they show, in words, with units; their images are those of the window."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.particles import Poses
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.session import Session

from .conftest import BOX, AtOnce, N, Stack, Told

HREF = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    particles = controller.session.data.particles
    assert particles is not None
    assert particles.poses is not None
    turned = Poses(particles.poses.rotations[::-1].copy(), particles.poses.shifts_angstrom)
    errors = np.arange(N, dtype=float)
    controller.session.set_predictions(Predictions(Path("p"), turned, errors / N, errors, None))
    return controller


def told(controller: Controller) -> Told:
    assert isinstance(controller._notify, Told)
    return controller._notify


def words_of(path: Path) -> set[str]:
    return {element.text for element in ElementTree.parse(path).iter() if element.text}


def images_of(path: Path) -> list[np.ndarray]:
    from matplotlib.image import imread

    images = []
    for element in ElementTree.parse(path).iter():
        if element.tag.endswith("image"):
            content = base64.b64decode(element.get(HREF, "").split(",")[1])
            image = imread(io.BytesIO(content))
            is_turned = "scale(1 -1)" in element.get("transform", "")
            images.append(image[::-1] if is_turned else image)
    return images


def test_a_triptych_starts_with_the_current_particle_and_goes_on_by_rank(
    controller: Controller, tmp_path: Path
) -> None:
    controller.session.set_particle(20)
    out = tmp_path / "triptych.svg"
    controller.exports.figure("triptych", out, 3)
    assert told(controller).errors == []
    words = words_of(out)
    assert {"input", "true pose", "predicted pose", "50 Å"} <= words  # a box of 256 A
    assert {f"0000{i}@particles.mrcs" for i in (21, 20, 19)} <= words
    assert {"angular error 20.0°", "confidence 0.83"} <= words
    images = images_of(out)
    assert len(images) == 9
    assert not np.array_equal(images[1], images[2])  # another pose


def test_a_difference_on_screen_is_a_fourth_column(controller: Controller, tmp_path: Path) -> None:
    controller.session.set_fourth("difference")
    out = tmp_path / "triptych.svg"
    controller.exports.figure("triptych", out, 1)
    assert "predicted - true" in words_of(out)
    assert len(images_of(out)) == 4


def test_images_are_those_of_the_window(controller: Controller, tmp_path: Path) -> None:
    controller.session.set_particle(7)
    out = tmp_path / "triptych.svg"
    controller.exports.figure("triptych", out, 1)
    drawn = images_of(out)[1][..., 0]
    picture = controller.session.inspection.pictures[1].images.read(np.array([7]))[0]
    height, width = drawn.shape
    rows = ((np.arange(BOX) + 0.5) * height / BOX).astype(int)
    columns = ((np.arange(BOX) + 0.5) * width / BOX).astype(int)
    small = drawn[np.ix_(rows, columns)]
    same = np.corrcoef(small.ravel(), picture.ravel())[0, 1]
    upside_down = np.corrcoef(small[::-1].ravel(), picture.ravel())[0, 1]
    assert same > 0.95 > upside_down + 0.05


def test_directions_are_of_those_the_filter_keeps(controller: Controller, tmp_path: Path) -> None:
    controller.session.set_selection("angular error", 9.0)
    controller.exports.figure("directions", tmp_path / "directions.svg")
    words = words_of(tmp_path / "directions.svg")
    assert {"Viewing directions of 10 particles", "angular error (°)", "rot", "tilt"} <= words
    controller.session.set_selection("angular error", -1.0)
    controller.exports.figure("directions", tmp_path / "none.svg")
    assert "filter" in told(controller).errors[0]
    assert not (tmp_path / "none.svg").exists()


@pytest.mark.parametrize("kind", ["triptych", "directions"])
def test_png_is_png_and_other_endings_are_refused(
    controller: Controller, tmp_path: Path, kind: str
) -> None:
    controller.exports.figure(kind, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    controller.exports.figure(kind, tmp_path / "figure.bmp")
    assert ".svg" in told(controller).errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_nothing_loaded_is_nothing_to_draw(tmp_path: Path) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    for kind in ("triptych", "directions", "curves"):
        controller.exports.figure(kind, tmp_path / "figure.png")
    assert len(told(controller).errors) == 3

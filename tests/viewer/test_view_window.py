"""`view` and the demo's end: napari with the panel in it, a process of its own, and its picture."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.cli.screen import can_draw_unseen, picture_of
from napari_cryoorient.errors import InputError
from session.conftest import Stack, made
from support.command_line import TINY

__all__ = ["made"]

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.window

CANVAS = np.s_[80:370, 40:980]  # in a picture of 1366 x 768, beside the panel


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "napari_cryoorient", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def run_dir(made: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view") / "run"
    quick = [*TINY, "--steps", "2", "--precision", "float32", "--device", "cpu"]
    inputs = [str(made.star), "--map", str(made.map)]
    assert main(["train", *inputs, "-o", str(folder), *quick]) == 0
    return folder


def test_a_finished_run_opens_in_the_panel(run_dir: Path, tmp_path: Path):
    picture = tmp_path / "run.png"
    done = program("view", run_dir, "--picture", picture, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["picture"] == str(picture)
    pixels = matplotlib.image.imread(picture)
    assert pixels.shape[:2] == (768, 1366)
    triptych = pixels[CANVAS][..., :3].mean(axis=-1)
    for third in np.array_split(triptych, 3, axis=1):
        assert third.std() > 0.05  # input and both projections are drawn
    curves, sphere = pixels[500:740, 30:560, :3], pixels[500:740, 620:980, :3]
    assert curves.std() > 0.05
    assert (sphere.max(axis=-1) - sphere.min(axis=-1) > 0.3).mean() > 5e-4  # coloured points
    assert list(tmp_path.iterdir()) == [picture]


def test_a_stack_opens_beside_its_projections(made: Stack, tmp_path: Path):
    if not can_draw_unseen():
        pytest.skip("no Xvfb")
    picture = tmp_path / "stack.png"
    picture_of(made.star, picture)
    assert matplotlib.image.imread(picture)[CANVAS][..., :3].std() > 0.05


def test_what_cannot_be_shown_is_refused_before_a_window_opens(tmp_path: Path, run: Run):
    star = tmp_path / "bad.star"
    star.write_text("nothing of the kind\n")
    status, _, err = run("view", star)
    assert status == 2
    assert "is not a STAR file" in err
    (tmp_path / "empty").mkdir()
    picture = tmp_path / "none.png"
    if can_draw_unseen():
        with pytest.raises(InputError, match=r"run\.json"):
            picture_of(tmp_path / "empty", picture)
    assert not picture.exists()

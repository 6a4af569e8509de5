import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.figures import colour_of_w, save_curves, save_error_histogram, save_triptych
from napari_cryoorient.settings import W

LINES = [
    {
        "seconds": float(i),
        "w": 0.8 if i < 5 else 0.4,
        "qd": 0.7 / (i + 1),
        "reprojection": 0.8 / (i + 1),
        "train_relative_rmse": 1.0 / (i + 1),
        "test_relative_rmse": None if i < 3 else 1.1 / (i + 1),
        "angular_error_deg": None if i < 3 else 90.0 / (i + 1),
    }
    for i in range(10)
]
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("n", [1, 3, 7])
def test_triptych_in_every_format(tmp_path: Path, suffix: str, n: int) -> None:
    path = tmp_path / f"triptych{suffix}"
    errors = np.linspace(1, 20, n)
    save_triptych(path, images(n), images(n), images(n), errors, pixel_size_angstrom=5.0)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("n_lines", [0, 1, 2, 10])
def test_curves_of_a_run_of_any_length(tmp_path: Path, n_lines: int) -> None:
    path = tmp_path / "curves.png"
    save_curves(path, LINES[:n_lines])
    assert path.read_bytes().startswith(MAGIC[".png"])


def test_histogram_of_perfect_and_hopeless_poses(tmp_path: Path) -> None:
    path = tmp_path / "errors.png"
    save_error_histogram(path, np.array([0.0, 3.0, 180.0]))
    assert path.read_bytes().startswith(MAGIC[".png"])


def test_figures_load_matplotlib_when_they_draw() -> None:
    code = (
        "import sys, napari_cryoorient.figures; "
        "sys.exit(any(m.startswith('matplotlib') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_scale_of_colours_stands_for_w_and_each_end_is_the_same_on_paper() -> None:
    low, high = W.bounds()
    for end in (low, high):
        assert colour_of_w(end) == colour_of_w(end, on_paper=True)
    red, _, blue, _ = colour_of_w(low)
    assert red > blue
    red, _, blue, _ = colour_of_w(high)
    assert blue > red
    assert max(colour_of_w(0.5, on_paper=True)[:3]) < 0.7  # seen on white
    assert min(colour_of_w(0.5)[:3]) > 0.7  # seen on a dark window

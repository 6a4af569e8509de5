import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.figures import save_curves, save_error_histogram, save_triptych

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

"""The notebooks of the site run from top to bottom and draw what they promise."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))
PATIENCE_S = 300  # for one cell; a minute for a whole notebook on a quiet machine


def pictures_of(notebook: nbformat.NotebookNode) -> int:
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return sum("image/png" in out.get("data", {}) for out in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_draws_as_many_pictures_as_it_shows(path):
    shown = nbformat.read(path, as_version=4)
    ran = nbformat.read(path, as_version=4)
    NotebookClient(ran, timeout=PATIENCE_S, kernel_name="python3").execute()
    assert pictures_of(ran) == pictures_of(shown) > 0


def test_there_are_three():
    assert len(NOTEBOOKS) == 3

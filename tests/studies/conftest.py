from __future__ import annotations

from pathlib import Path

import pytest

from napari_cryoorient.studies.job import TrainingCommand


@pytest.fixture
def training(tmp_path: Path) -> TrainingCommand:
    star, density = tmp_path / "particles.star", tmp_path / "map.mrc"
    star.write_text("data_particles\n")
    density.write_text("a map")
    return TrainingCommand(star, density, {"preset": "paper", "steps": 4})

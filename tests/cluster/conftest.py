"""A small stack, and what a single process finds in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cryoorient.cli import main
from support.command_line import simulated

N = 200


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles in noise, some of which stay in doubt, and their map."""
    flags = ["--n", N, "--snr", 0.1, "--shift-sigma", 4]
    return simulated(tmp_path_factory.mktemp("cluster"), *flags)


@pytest.fixture(scope="session")
def found(stack: Path) -> Path:
    """What ``search`` finds in one process."""
    out = stack / "found.star"
    files = [str(stack / "particles.star"), "--map", str(stack / "map.mrc"), "-o", str(out)]
    assert main(["search", *files]) == 0
    return out


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several ranges of a small stack."""
    monkeypatch.setattr("napari_cryoorient.cluster.parts.FEWEST_ROWS", 64)

"""Where memory is short a reconstruction keeps the sums of one half-set, the others in files."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch

from napari_cryoorient.budget import Budget, held_to
from napari_cryoorient.config import ReconstructConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.maps.insertion import SliceSums
from napari_cryoorient.tasks.back_projection_job import BackProjectionJob
from napari_cryoorient.tasks.reconstruct import reconstruct_star
from support.command_line import simulated

MAPS = ("out.mrc", "out_half1.mrc", "out_half2.mrc")
AMPLE = Budget(1 << 34, is_given=True)
# In a box of 32, sums of one half-set are 2.0 MB.
SHORT, TOO_SHORT = Budget(3_000_000, is_given=True), Budget(1_000_000, is_given=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return forty particles of 32 pixels."""
    flags = ["--n", 40, "--snr", 2, "--shift-sigma", 4]
    return simulated(tmp_path_factory.mktemp("stack"), *flags) / "particles.star"


@pytest.fixture
def laid_by(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note whether sums were laid by."""
    noted: list[bool] = []
    at_once = BackProjectionJob.at_once

    def noting(job: BackProjectionJob, *given):
        noted.append(job.is_laid_by)
        return at_once(job, *given)

    monkeypatch.setattr(BackProjectionJob, "at_once", noting)
    return noted


@pytest.mark.parametrize("symmetry", ["C1", "D2", "C3"])
def test_the_maps_are_the_same_to_the_last_bit(
    stack: Path, tmp_path: Path, symmetry: str, laid_by: list[bool]
):
    made = []
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, budget in (("ample", AMPLE), ("short", SHORT)):
            folder = tmp_path / name
            folder.mkdir()
            config = ReconstructConfig(half_maps=True, symmetry=symmetry, device="cpu")
            with held_to(budget):
                done = reconstruct_star(stack, folder / "out.mrc", config)
            made.append(([(folder / name).read_bytes() for name in MAPS], done.fsc.values.tolist()))
            assert {path.name for path in folder.iterdir()} == set(MAPS)
    finally:
        torch.set_num_threads(before)
    assert laid_by == [False, True]
    assert made[0] == made[1]


def test_what_does_not_fit_even_so_is_refused(stack: Path, tmp_path: Path):
    config = ReconstructConfig(half_maps=True, device="cpu")
    with held_to(TOO_SHORT), pytest.raises(InputError, match="Reconstructing in a box of 32 needs"):
        reconstruct_star(stack, tmp_path / "out.mrc", config)
    assert not list(tmp_path.iterdir())


def test_sums_of_one_half_set_at_a_time_are_in_memory(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    living: weakref.WeakSet[SliceSums] = weakref.WeakSet()
    most: list[int] = []
    begun = SliceSums.__init__

    def begin(sums: SliceSums, *given, **settings):
        begun(sums, *given, **settings)
        living.add(sums)
        most[-1] = max(most[-1], len(living))

    monkeypatch.setattr(SliceSums, "__init__", begin)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for budget in (AMPLE, SHORT):
            most.append(0)
            config = ReconstructConfig(half_maps=True, symmetry="D2", device="cpu")
            with held_to(budget):
                reconstruct_star(stack, tmp_path / "out.mrc", config)
            gc.collect()
            living.clear()
    finally:
        torch.set_num_threads(before)
    assert most == [2, 1]

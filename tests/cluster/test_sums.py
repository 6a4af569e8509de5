"""Maps whose sums are added up range by range are those of one process, whatever is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cluster.sums import SumOfRange, SumOfTwo
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.viewer.show import layers_of

Run = Callable[..., tuple[int, str, str]]
Made = Callable[..., str]
OUT = ("out.mrc", "out_half1.mrc", "out_half2.mrc")


@pytest.fixture(autouse=True)
def tiny_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four ranges in each half-set of 100."""
    monkeypatch.setattr("napari_cryoorient.cluster.parts.FEWEST_ROWS", 32)
    monkeypatch.setattr("napari_cryoorient.tasks.back_projection_job.ROWS_A_PIXEL", 1)


@pytest.fixture
def made(run: Run, stack: Path, tmp_path: Path) -> Made:
    """Make both half-maps of the stack at its own poses, in a folder; return what was said."""

    def make(folder: str, *flags: object, status: int = 0) -> str:
        out = tmp_path / folder / "out.mrc"
        given = [stack / "particles.star", "-o", out, "--half-maps", "--symmetry", "C3", *flags]
        answer, _, err = run("reconstruct", *given)
        assert answer == status, err
        return err

    return make


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    yield
    torch.set_num_threads(before)


def maps_in(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in OUT]


def sums_in(parts: Path) -> list[str]:
    return sorted(
        str(path.relative_to(parts)) for path in parts.rglob("*.npy") if path.stem != "rows"
    )


WHOLE = [f"sums{k}/{0:010d}-{100:010d}.npy" for k in (1, 2)]


def test_the_map_is_that_of_one_process(made: Made, tmp_path: Path):
    made("at_once")
    parts = tmp_path / "p"
    made("parts", "--parts", parts)
    for name in OUT:
        whole, in_parts = (read_map(tmp_path / f / name).voxels for f in ("at_once", "parts"))
        assert np.abs(in_parts - whole).max() < 1e-5 * whole.std()
    assert sums_in(parts) == WHOLE  # what they were made of has gone
    with pytest.raises(InputError, match="These are parts of a map"):
        layers_of(parts)
    said = made("again", "--parts", parts)
    assert "200 of 200 particles were done before" in said
    assert maps_in(tmp_path / "again") == maps_in(tmp_path / "parts")
    # Nor does it matter how many threads share the ranges.
    with threads(3):
        made("threads", "--parts", tmp_path / "q")
    for name in WHOLE:
        assert (tmp_path / "q" / name).read_bytes() == (parts / name).read_bytes()


def test_what_was_added_up_stays_when_it_is_stopped(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made("whole", "--parts", tmp_path / "p")
    entered: list[str] = []
    real = SumOfRange.do

    def three_at_most(given: SumOfRange, *stop: Callable[[], bool]) -> int:
        if len(entered) == 3:
            raise KeyboardInterrupt
        entered.append(given.name)
        return real(given, *stop)

    monkeypatch.setattr(SumOfRange, "do", three_at_most)
    monkeypatch.setattr("napari_cryoorient.cluster.executors._SUMS_BYTES", 1)  # one thread
    said = made("stopped", "--parts", tmp_path / "q", status=130)
    assert "Finished parts are kept" in said
    assert not (tmp_path / "stopped" / "out.mrc").exists()
    # The first two have become one, the third waits for the fourth.
    assert sums_in(tmp_path / "q") == [
        f"sums1/{a:010d}-{b:010d}.npy" for a, b in ((0, 64), (64, 96))
    ]
    # As if the command had ended before it could remove the two that the first sum is made of.
    left_over = tmp_path / "q" / "sums1" / f"{32:010d}-{64:010d}.npy"
    left_over.write_bytes(b"half of it")
    monkeypatch.setattr(SumOfRange, "do", real)
    said = made("resumed", "--parts", tmp_path / "q")
    assert "96 of 200 particles were done before" in said
    assert not left_over.exists()
    assert maps_in(tmp_path / "resumed") == maps_in(tmp_path / "whole")


def test_a_damaged_sum_is_made_again(made: Made, tmp_path: Path):
    made("whole", "--parts", tmp_path / "p")
    damaged = tmp_path / "p" / WHOLE[1]
    damaged.write_bytes(damaged.read_bytes()[:500])
    assert "damaged" in made("refused", "--parts", tmp_path / "p", status=2)
    made("mended", "--parts", tmp_path / "p")
    assert maps_in(tmp_path / "mended") == maps_in(tmp_path / "whole")


def test_workers_make_the_same_map_and_one_may_be_killed(
    made: Made, tmp_path: Path, workers: str, kill_a_worker: Callable[[], None]
):
    made("whole", "--parts", tmp_path / "p")
    kill_a_worker()
    made("spread", "--scheduler", workers)
    assert maps_in(tmp_path / "spread") == maps_in(tmp_path / "whole")
    assert not (tmp_path / "spread" / "out.mrc.parts").exists()


def test_a_sum_that_somebody_else_has_made_is_left_alone(tmp_path: Path):
    whole, parts = tmp_path / "whole.npy", (tmp_path / "a.npy", tmp_path / "b.npy")
    for path, value in zip((whole, *parts), (3.0, 1.0, 1.0), strict=True):
        np.save(path, np.full((3, 2, 2, 1), value, dtype=np.float32))
    SumOfTwo(whole, (), parts).do()
    assert float(np.load(whole).max()) == 3.0
    assert not any(path.exists() for path in parts)
    SumOfTwo(tmp_path / "part.npy", (whole,), parts).do()  # it is a part of what is there
    assert not (tmp_path / "part.npy").exists()
    with pytest.raises(FileNotFoundError):
        SumOfTwo(tmp_path / "other.npy", (), parts).do()

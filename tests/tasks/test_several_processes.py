"""Training by two processes, as torchrun starts them, gives what one process gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.training.ranks import ALONE, Ranks
from support.one_of_two import CONFIGS, WithoutDropout, train

LIMIT_S = 300
TESTS = Path(__file__).resolve().parents[1]


def metrics_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def in_two_processes(*arguments: Path) -> None:
    """Run ``support.one_of_two`` twice, each told what torchrun tells."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "support.one_of_two", *map(str, arguments)],
            env=os.environ | told | {"RANK": str(i), "LOCAL_RANK": str(i), "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    try:
        said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)


def test_two_processes_give_the_losses_of_one_through_w_stop_and_resume(
    files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("napari_cryoorient.training.paper.PaperNetwork", WithoutDropout)
    in_two_processes(files.star, files.map, tmp_path / "two")
    for name, config in CONFIGS.items():
        train(config, files.star, files.map, tmp_path / "one" / name, stops=False)
        one, two = (metrics_of(tmp_path / many / name) for many in ("one", "two"))
        assert [line["step"] for line in two] == [1, 2, 3, 4]
        assert [line["w"] for line in two] == [0.9, 0.2, 0.2, 0.2]
        for figure in ("loss", "qd", "reprojection"):
            np.testing.assert_allclose(
                [line[figure] for line in two], [line[figure] for line in one], rtol=1e-5
            )
        assert RunReader(tmp_path / "two" / name).status().state == "finished"
        assert (tmp_path / "two" / name / "poses.star").is_file()
        record = RunReader(tmp_path / "two" / name).run()
        assert any("2 processes together" in note for note in record.notes)


def test_parts_of_a_batch_are_its_images_once_each_and_share_the_first_few():
    whole = np.arange(12)
    parts = [whole[Ranks(rank, 3).of(12)] for rank in range(3)]
    assert sorted(np.concatenate(parts)) == list(whole)
    assert all((part < 6).sum() == Ranks(0, 3).share_of(6) == 2 for part in parts)
    # The last five of twelve, when seven others come first.
    later = [whole[7:][Ranks(rank, 3).of(5, before=7)] for rank in range(3)]
    assert [list(part) for part in later] == [list(part[part >= 7]) for part in parts]
    assert list(whole[ALONE.of(12)]) == list(whole)


def test_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match="multiple of 5"):
        Ranks(0, 5).refuse_uneven(24)
    Ranks(0, 4).refuse_uneven(24)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Ranks(1, 3, local_rank=1).device(torch.device("cuda")) == torch.device("cuda", 1)
    with pytest.raises(InputError, match="--nproc-per-node 2"):
        Ranks(2, 3, local_rank=2).device(torch.device("cuda"))

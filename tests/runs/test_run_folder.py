from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import reader
from napari_cryoorient.runs.folder import FileControl, RunFolder
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.training.report import Metrics, Preview


def metrics(step: int, **changes: float) -> Metrics:
    values = {
        **{"seconds": 1.0, "w": 0.8, "loss": 0.5, "qd": 0.5, "reprojection": 0.5},
        **{"learning_rate": 1e-3, "images_per_second": 10.0, "time_left_s": 2.0},
        **{"train_rmse": 0.1, "train_relative_rmse": 1.0},
    }
    return Metrics(step=step, **(values | changes))


def preview(step: int) -> Preview:
    images, poses, shifts = (
        np.full((2, 8, 8), step, np.float32),
        np.zeros((2, 3, 3)),
        np.zeros((2, 2)),
    )
    return Preview(
        step, np.arange(2), images, images, images, poses, poses, shifts, shifts, np.zeros(2)
    )


def test_reader_follows_by_whole_lines(tmp_path: Path):
    run = RunReader(tmp_path)
    assert run.new_metrics() == ([], False)
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert run.new_metrics() == ([{"step": 1}, {"step": 2}], False)
    with path.open("a") as file:
        file.write('p": 3}\n')
    assert run.new_metrics() == ([{"step": 3}], False)
    assert run.new_metrics() == ([], False)


def test_line_cut_by_a_kill_does_not_swallow_the_next(tmp_path: Path):
    folder = RunFolder(tmp_path, resume=False, config={})
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "lo')
    folder.write_metrics(metrics(2))
    lines, _ = RunReader(tmp_path).new_metrics()
    assert [line["step"] for line in lines] == [2]
    folder.close("finished")


def test_reader_is_told_when_a_resumed_run_forgets_lines(tmp_path: Path):
    folder = RunFolder(tmp_path, resume=False, config={})
    for step in (1, 2, 3, 4):
        folder.write_metrics(metrics(step))
    run = RunReader(tmp_path)
    assert [m["step"] for m in run.new_metrics()[0]] == [1, 2, 3, 4]
    folder.drop_metrics_after(2)
    folder.write_metrics(metrics(3, loss=0.25))
    lines, anew = run.new_metrics()
    assert anew
    assert [m["step"] for m in lines] == [1, 2, 3]
    folder.close("finished")


def test_numbers_that_are_not_finite_are_null(tmp_path: Path):
    folder = RunFolder(tmp_path, resume=False, config={"box": float("inf")})
    folder.write_metrics(metrics(1, loss=float("nan")))
    assert RunReader(tmp_path).new_metrics()[0][0]["loss"] is None
    assert RunReader(tmp_path).run().config == {"box": None}
    folder.close("finished")


def test_reader_finds_whole_files_at_any_instant(tmp_path: Path):
    """A writer and a reader at full speed: files parse, previews are of one piece."""
    folder = RunFolder(tmp_path, resume=False, config={})
    over = threading.Event()

    def write() -> None:
        step = 0
        while not over.is_set():
            step += 1
            folder.update(phase="training", inputs={"filler": "x" * 5000, "step": step})
            folder.write_preview(preview(step))
            folder.write_metrics(metrics(step))

    writer = threading.Thread(target=write)
    writer.start()
    follower, steps = RunReader(tmp_path), []
    n_runs = n_previews = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert json.loads((tmp_path / "run.json").read_text())["state"] == "running"
        n_runs += 1
        shown = follower.new_preview()
        if shown is not None:
            n_previews += 1
            assert np.all(shown["input"] == shown["step"])
            assert np.all(shown["predicted_projection"] == shown["step"])
        steps += [line["step"] for line in follower.new_metrics()[0]]
    over.set()
    writer.join()
    folder.close("finished")
    assert n_runs > 20
    assert n_previews > 5
    assert steps == list(range(1, len(steps) + 1))
    assert not list(tmp_path.glob(".*partial"))


def test_preview_is_given_once(tmp_path: Path):
    folder, run = RunFolder(tmp_path, resume=False, config={}), RunReader(tmp_path)
    assert run.new_preview() is None
    folder.write_preview(preview(1))
    assert run.new_preview()["step"] == 1
    assert run.new_preview() is None
    folder.write_preview(preview(2))
    assert run.new_preview()["step"] == 2
    folder.close("finished")


def test_requests_reach_the_loop(tmp_path: Path):
    control, run = FileControl(tmp_path), RunReader(tmp_path)
    assert (control.poll().w, control.poll().stop) == (None, False)

    def polled() -> tuple[float | None, bool]:
        time.sleep(0.06)
        request = control.poll()
        return request.w, request.stop

    run.ask(w=0.3)
    assert polled() == (0.3, False)
    run.ask(stop=True)
    assert polled() == (0.3, True)
    (tmp_path / "control.json").write_text('{"w": 0.')  # somebody edits it by hand
    assert polled() == (0.3, True)
    (tmp_path / "control.json").write_text('{"w": 7, "stop": "maybe"}')
    assert polled() == (None, False)
    with pytest.raises(ValueError, match="w lies in"):
        run.ask(w=1.5)


def test_request_to_stop_before_the_run_is_up_is_not_lost(tmp_path: Path):
    RunReader(tmp_path).ask(stop=True)
    folder = RunFolder(tmp_path, resume=False, config={})
    folder.offer_control(0.8, overwrite=False)
    assert FileControl(tmp_path).poll().stop
    folder.close("stopped")
    assert not FileControl(tmp_path).poll().stop


def _be_killed(path: Path) -> None:
    RunFolder(path, resume=False, config={})
    os._exit(9)


def test_crashed_process_is_recognised_and_may_be_resumed(tmp_path: Path):
    process = multiprocessing.get_context("spawn").Process(target=_be_killed, args=(tmp_path,))
    process.start()
    process.join()
    RunReader(tmp_path).ask(stop=True)
    assert RunReader(tmp_path).run().state == "running"
    status = RunReader(tmp_path).status()
    assert status.state == "crashed"
    assert str(process.pid) in status.reason
    with pytest.raises(InputError, match=r"crashed.*--resume"):
        RunFolder(tmp_path, resume=False, config={})
    folder = RunFolder(tmp_path, resume=True, config={})
    assert not FileControl(tmp_path).poll().stop  # the request was to the process that crashed
    assert RunReader(tmp_path).status().state == "running"
    folder.close("finished")


def test_run_of_another_machine_is_given_up_when_silent(tmp_path: Path, monkeypatch):
    folder = RunFolder(tmp_path, resume=False, config={})
    folder.close("finished")
    record = RunReader(tmp_path).run().content() | {
        "state": "running",
        "host": "elsewhere",
        "pid": 1,
    }

    def put(**changes: object) -> None:
        (tmp_path / "run.json").write_text(json.dumps(record | changes))

    put(heartbeat=time.time())
    run = RunReader(tmp_path)
    assert run.status().state == "running"
    monkeypatch.setattr(reader, "SILENT_S", 0.05)
    time.sleep(0.1)
    assert run.status().state == "crashed"
    put(heartbeat=time.time() - 7200)  # its clock is two hours behind, but it beats
    assert run.status().state == "running"


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path):
    folder = RunFolder(tmp_path, resume=False, config={})
    with pytest.raises(InputError, match="another process"):
        RunFolder(tmp_path, resume=True, config={})
    folder.close("stopped")


def test_heartbeat_goes_on_while_the_run_is_busy(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.runs.folder.HEARTBEAT_S", 0.05)
    folder = RunFolder(tmp_path, resume=False, config={})
    first = RunReader(tmp_path).run().heartbeat
    time.sleep(0.3)
    assert RunReader(tmp_path).run().heartbeat > first
    folder.close("finished")
    last = RunReader(tmp_path).run().heartbeat
    time.sleep(0.15)
    assert RunReader(tmp_path).run().heartbeat == last


def test_reader_needs_no_torch():
    code = "import sys, napari_cryoorient.runs.reader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_run_that_failed_before_its_first_checkpoint_is_not_in_the_way(tmp_path: Path):
    RunFolder(tmp_path, resume=False, config={}).close("failed", "no such symmetry")
    RunFolder(tmp_path, resume=False, config={}).close("failed", "again")
    (tmp_path / "checkpoint.pt").write_bytes(b"something to lose")
    with pytest.raises(InputError, match="already holds a run"):
        RunFolder(tmp_path, resume=False, config={})


def test_the_end_of_a_log_is_read_when_it_has_grown(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.runs.reader.LOG_BYTES", 60)
    reader, log = RunReader(tmp_path), tmp_path / "log.txt"
    assert reader.new_log() is None
    log.write_text("one\n")
    assert reader.new_log() == "one\n"
    assert reader.new_log() is None
    log.write_text("".join(f"line {i}, some words\n" for i in range(9)))
    assert reader.new_log() == "line 6, some words\nline 7, some words\nline 8, some words\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"w": 0.', "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ('{"w": 7}', "w 7, which is no number from 0 to 1"),
        ('{"w": true}', "w true"),
        ('{"stop": "maybe"}', 'stop "maybe"'),
        ('{"halt": true}', "halt, which nothing is called"),
    ],
)
def test_a_request_that_is_not_understood_is_said_once(tmp_path: Path, content: str, said: str):
    sentences: list[str] = []
    control = FileControl(tmp_path, sentences.append)
    (tmp_path / "control.json").write_text(content)
    for _ in range(5):
        control.poll()
        time.sleep(0.06)
    assert len(sentences) == 1
    assert said in sentences[0]
    assert str(tmp_path / "control.json") in sentences[0]
    RunReader(tmp_path).ask(w=0.4)
    (tmp_path / "control.json").write_text('{"w": 0.4}')
    time.sleep(0.06)
    assert control.poll().w == 0.4
    assert len(sentences) == 1

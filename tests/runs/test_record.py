"""What ``run.json`` holds is one model; the names of a run folder's files stand in one place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import napari_cryoorient
from napari_cryoorient.runs.layout import RUN_FILES
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.runs.record import RunRecord

OF_0_1_0 = {
    "format": 1,
    "state": "finished",
    "reason": None,
    "phase": "over",
    "pid": 17,
    "host": "here",
    "started": 1.5,
    "resumed": [2.5],
    "ended": 3.5,
    "heartbeat": 3.5,
    "versions": {"torch": "2.10.0"},
    "config": {"w": 0.4, "preset": "fast", "of_another_version": True},
    "inputs": {"star": "/a/p.star", "map": "/a/m.mrc", "box": 64, "pixel_size_angstrom": 2.0},
    "device": {"type": "cpu", "name": "CPU", "precision": "float32", "precision_reason": "why"},
    "notes": ["one"],
    "memory": {"resident_bytes": 5},
}


def test_what_an_earlier_version_wrote_is_read_and_written_back_whole() -> None:
    record = RunRecord.of(OF_0_1_0 | {"unknown": {"kept": 1}})
    assert record.inputs.star_path == Path("/a/p.star")
    assert record.device.precision == "float32"
    assert record.symmetry == "C1"
    again = json.loads(json.dumps(record.content()))
    assert again == OF_0_1_0 | {"unknown": {"kept": 1}}


@pytest.mark.parametrize(
    ("content", "name", "left"),
    [
        ({"pid": "seventeen", "host": "here"}, "pid", None),
        ({"state": "melted", "host": "here"}, "state", None),
        ({"inputs": "none", "host": "here"}, "inputs", RunRecord().inputs),
        ({"notes": ["a", {}], "host": "here"}, "notes", ()),
        ({"phase": 3, "host": "here"}, "phase", "preparing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_left_open_and_the_rest_is_read(
    content: dict[str, Any], name: str, left: object
) -> None:
    record = RunRecord.of(content)
    assert getattr(record, name) == left
    assert record.host == "here"


def test_one_wrong_number_does_not_lose_its_neighbours() -> None:
    record = RunRecord.of({"inputs": {"box": "large", "working_box": 32, "star": "/p.star"}})
    assert (record.inputs.box, record.inputs.working_box) == (None, 32)
    assert record.inputs.working_pixel_size_angstrom is None


def test_values_are_added_to_a_part_and_put_in_place_of_others() -> None:
    record = RunRecord.of(OF_0_1_0).updated(inputs={"working_box": 32}, phase="training")
    assert record.inputs.working_pixel_size_angstrom == 4.0
    assert record.inputs.star == "/a/p.star"
    assert record.phase == "training"


def test_a_record_that_says_nothing_is_a_run_that_crashed(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert RunReader(tmp_path).run() == RunRecord()
    assert RunReader(tmp_path).status().state == "crashed"


def test_file_names_of_a_run_are_spelt_once() -> None:
    source = Path(napari_cryoorient.__file__).parent
    names = [name for name in RUN_FILES if name != "poses.star"]  # as other commands call theirs
    spelt = re.compile("|".join(re.escape(f'"{name}"') for name in names))
    places = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if spelt.search(path.read_text(encoding="utf-8"))
    }
    assert places == {"runs/layout.py"}

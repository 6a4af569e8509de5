"""What is chosen in the panel is what the copied command line says, in a real window."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_cryoorient.cli.app import program
from napari_cryoorient.cli.spreading import spread_settings
from napari_cryoorient.config import Config, RefineConfig, SearchConfig, SpreadConfig, TrainConfig
from napari_cryoorient.session.inspection import NOTHING

from .conftest import WAIT_MS, Stack

pytestmark = pytest.mark.window


def read_back(text: str, model: type[Config]) -> tuple[dict[str, Any], Config, SpreadConfig]:
    """Read a command line as the program does: its files, its settings, and who does the work."""
    name, *words = shlex.split(text)[1:]
    assert shlex.split(text)[0] == "napari-cryoorient"
    command: Any = typer.main.get_command(program([name]))
    given = command.commands[name].make_context(name, words).params
    values = {key: value for key, value in given.items() if value is not None}
    spreading = spread_settings(values)
    settings = {key: values.pop(key) for key in model.model_fields if key in values}
    return values, model(**settings), spreading


def test_the_copied_lines_are_what_the_buttons_do(
    open_dock: Any, qtbot: Any, made: Stack, tmp_path: Path
):
    dock = open_dock()
    dock.data_section.star_row._choose(made.star)
    dock.data_section.map_row._choose(made.map)
    qtbot.waitUntil(
        lambda: not dock.jobs.busy and dock.session.inspection is not NOTHING, timeout=WAIT_MS
    )
    dock.show_step("2 Train")
    train = dock.train_section
    run_on, poses = train.run_on, train.poses_part
    dock.session.change_settings(symmetry="C3", w=0.3, device="cpu", steps=50, seed=7)
    train.rare.expand(animate=False)
    train.without.expand(animate=False)
    poses.rows["subset"].setText("20")
    poses.rows["shift_range_angstrom"].setText("6.5")

    def copied(what: str) -> str:
        if what == "train":
            qtbot.mouseClick(train.copy_button, Qt.MouseButton.LeftButton)
        else:
            {"search": poses.copy_search, "refine": poses.copy_refine}[what].trigger()
        return str(QGuiApplication.clipboard().text())

    def choose(name: str) -> None:
        run_on.choice.setCurrentIndex(run_on.choice.findData(name))

    def typed(edit: Any, text: str) -> None:
        edit.setFocus()
        edit.clear()
        qtbot.keyClicks(edit, text)
        qtbot.keyClick(edit, Qt.Key.Key_Return)

    def says(**asked: Any) -> None:
        """See that all three lines ask for this place, and for the settings of the panel."""
        expected = SpreadConfig(**asked)
        files, settings, spreading = read_back(copied("search"), SearchConfig)
        session = dock.session.settings
        assert settings == SearchConfig(
            symmetry="C3",
            device="cpu",
            seed=7,
            subset=20,
            shift_range_angstrom=6.5,
            evidence=True,
            invert_contrast=session.invert_contrast,
        )
        assert (files["star_path"], files["map_path"]) == (made.star, made.map)
        assert spreading == expected
        _, settings, spreading = read_back(copied("refine"), RefineConfig)
        assert (settings.symmetry, settings.device, spreading) == ("C3", "cpu", expected)
        files, settings, spreading = read_back(copied("train"), TrainConfig)
        assert settings == session
        assert files["star_path"] == made.star
        is_elsewhere = expected.scheduler or expected.cluster
        of_training = {"scheduler": expected.scheduler, "cluster": expected.cluster}
        assert spreading == SpreadConfig(**(of_training if is_elsewhere else {}))

    says()
    choose("processes")
    assert not train.train_button.isEnabled()  # how many is not said yet
    assert "number of processes" in train.train_button.toolTip()
    typed(run_on.workers, "2")
    assert train.train_button.isEnabled()
    says(workers=2)
    choose("slurm")
    typed(run_on.workers, "4")
    says(cluster="slurm", workers=4)
    choose("file")
    assert not train.train_button.isEnabled()
    queue = tmp_path / "my lab.yaml"
    queue.write_text("system: slurm\n")
    run_on.file._choose(queue)
    says(cluster=str(queue), workers=4)
    choose("scheduler")
    assert not train.train_button.isEnabled()
    typed(run_on.address, "tcp://node7:8786")
    assert run_on.address.isVisible()
    assert not run_on.workers.isVisible()
    says(scheduler="tcp://node7:8786")
    # The other list shows the same choice, and makes it as well.
    assert poses.run_on.address.text() == "tcp://node7:8786"
    assert poses.run_on.address.isVisible()
    poses.run_on.choice.setCurrentIndex(poses.run_on.choice.findData("pbs"))
    assert run_on.choice.currentData() == "pbs"
    assert not run_on.address.isVisible()
    says(cluster="pbs")
    choose("here")
    says()

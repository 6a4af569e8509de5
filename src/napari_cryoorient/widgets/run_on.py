"""Where Train, Search and Refine do their work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QGridLayout, QLineEdit, QWidget
from superqt.utils import signals_blocked

from napari_cryoorient.config import SpreadConfig
from napari_cryoorient.session.compute_target import ComputeTarget
from napari_cryoorient.widgets.path_row import PathRow
from napari_cryoorient.widgets.setting_rows import number_of, tooltip_of

HERE, PROCESSES, SCHEDULER, FILE = "here", "processes", "scheduler", "file"
# What stands in the list for each choice; those of a queue are the flag's own words.
CHOICES = {
    HERE: "this computer",
    PROCESSES: "processes",
    SCHEDULER: "a Dask cluster",
    "slurm": "a Slurm queue",
    "pbs": "a PBS queue",
    "sge": "an SGE queue",
    FILE: "a queue's file",
}
TOOLTIP = (
    "<p>Who does the work of Train, Search and Refine: this computer, several processes of it, the "
    "workers of a Dask cluster, or jobs of a queue, by its kind or by a file (.yaml, or a job "
    "script). A training is one process wherever it runs. All machines have to see the files under "
    "the same paths.</p>"
)
MISSING = {
    PROCESSES: "Where to run: give the number of processes.",
    SCHEDULER: "Where to run: give the address of the Dask scheduler, such as tcp://node7:8786.",
    FILE: "Where to run: choose the file with the queue's settings, or a job script.",
}


class RunOn(QWidget):
    """A list of places, and the fields that the chosen one needs; each shows the same choice."""

    def __init__(self, target: ComputeTarget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._target, self._is_telling = target, False
        self.choice = QComboBox()
        self.choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.choice.setMinimumContentsLength(6)
        self.choice.setAccessibleName("Where to run")
        self.choice.setToolTip(TOOLTIP)
        for name, text in CHOICES.items():
            self.choice.addItem(text, name)
        self.workers = number_of(SpreadConfig, "workers")
        self.address = QLineEdit()
        self.address.setPlaceholderText("tcp://node7:8786")
        self.address.setToolTip(tooltip_of(SpreadConfig, "scheduler"))
        self.address.setAccessibleName("Address of the Dask scheduler")
        self.file = PathRow(
            "a file of the queue", "Queues (*.yaml *.yml *.sh *.bash *.slurm *.pbs);;All files (*)"
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.choice, 0, 0)
        layout.addWidget(self.workers, 0, 1)
        layout.addWidget(self.address, 1, 0, 1, 2)
        layout.addWidget(self.file, 1, 0, 1, 2)
        layout.setColumnStretch(0, 5)
        layout.setColumnStretch(1, 3)
        self._pull()
        self.choice.currentIndexChanged.connect(self._on_choice)
        self.workers.editingFinished.connect(self._tell)
        self.address.editingFinished.connect(self._tell)
        self.file.chosen.connect(lambda _: self._tell())
        target.changed.connect(self._pull)

    def close_part(self) -> None:
        """Leave the choice alone from now on."""
        self._target.changed.disconnect(self._pull)

    def _pull(self) -> None:
        """Show the choice, unless it is being made here."""
        if self._is_telling:
            return
        settings = self._target.settings
        with signals_blocked(self.choice):
            self.choice.setCurrentIndex(self.choice.findData(self._target.kind))
        self.address.setText(settings.scheduler or "")
        has_file = self._target.kind == FILE and settings.cluster is not None
        self.file.set_path(Path(str(settings.cluster)) if has_file else None)
        self.workers.setText("" if settings.workers is None else str(settings.workers))
        self._show_fields()

    def _show_fields(self) -> None:
        name = self.choice.currentData()
        self.workers.setVisible(name not in (HERE, SCHEDULER))
        self.workers.setPlaceholderText("number" if name == PROCESSES else "jobs: 1")
        self.address.setVisible(name == SCHEDULER)
        self.file.setVisible(name == FILE)

    def _on_choice(self, _index: int) -> None:
        self._show_fields()
        self._tell()

    def _tell(self) -> None:
        name = self.choice.currentData()
        number, address = self.workers.number(), self.address.text().strip()
        path = self.file.path()
        values: dict[str, Any] = {}
        if name == SCHEDULER:
            values = {"scheduler": address or None}
        elif name == FILE:
            values = {"cluster": None if path is None else str(path)}
        elif name not in (HERE, PROCESSES):
            values = {"cluster": name}
        if name not in (HERE, SCHEDULER):
            values["workers"] = None if number is None else int(number)
        settings = SpreadConfig(**values)
        lacks = not (settings.scheduler or settings.cluster or settings.workers)
        if name == FILE and settings.cluster is None:
            settings, lacks = SpreadConfig(), True
        self._is_telling = True
        self._target.choose(name, settings, MISSING.get(name, "") if lacks else "")
        self._is_telling = False

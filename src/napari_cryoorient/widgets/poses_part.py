"""Poses without training: search and refine as commands, and how the command at work stands."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QGuiApplication  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cryoorient.config import Config, NullTestConfig, RefineConfig, SearchConfig
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.pose_jobs import What, noun_of, words_of
from napari_cryoorient.session.process_job import JobView
from napari_cryoorient.session.training_status import left_words
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.run_on import RunOn
from napari_cryoorient.widgets.setting_rows import number_of

SEARCH_TOOLTIP = (
    "<p>Finds poses of every particle from the map alone, under the symmetry set above; poses in "
    "the STAR file are ignored.</p>"
)
# Each is a setting of every command here that has a field of its name.
ROWS = ("subset", "shift_range_angstrom", "resolution_angstrom")
REFINE_TOOLTIP = (
    "<p>Refines poses against the map: those that the open run predicts for the whole stack, or "
    "else those of the STAR file.</p>"
)
NULL_TEST_TOOLTIP = (
    "<p>Searches up to 200 particles, images without a particle, and maps of random detail, and "
    "says whether the particles show this map. A page with all figures is written.</p>"
)


class PosesPart(QWidget):
    """Buttons for search, refinement and null test with the few things to set."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._jobs = controller.pose_jobs
        form = QFormLayout()
        self.rows = {name: number_of(SearchConfig, name) for name in ROWS}
        for row in self.rows.values():
            form.addRow(row.accessibleName(), row)
        self.run_on = RunOn(controller.compute_target)
        form.addRow("Run on", self.run_on)
        self.search_button = QPushButton("Search")
        self.search_button.setToolTip(SEARCH_TOOLTIP)
        self.refine_button = QPushButton("Refine")
        self.refine_button.setToolTip(REFINE_TOOLTIP)
        buttons = QHBoxLayout()
        buttons.addWidget(self.search_button)
        buttons.addWidget(self.refine_button)
        self.null_test_button = QPushButton("Null test")
        self.null_test_button.setToolTip(NULL_TEST_TOOLTIP)
        buttons.addWidget(self.null_test_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addLayout(buttons)
        self.copy_button = QPushButton("Copy command")
        self.copy_button.setToolTip("<p>What Search or Refine does, as a command line.</p>")
        menu = QMenu(self.copy_button)
        self.copy_search = QAction("Search", menu)
        self.copy_refine = QAction("Refine", menu)
        menu.addAction(self.copy_search)
        menu.addAction(self.copy_refine)
        self.copy_button.setMenu(menu)
        layout.addWidget(self.copy_button)
        self.copy_search.triggered.connect(self._on_copy_search)
        self.copy_refine.triggered.connect(self._on_copy_refine)
        self.search_button.clicked.connect(self._on_search)
        self.refine_button.clicked.connect(self._on_refine)
        self.null_test_button.clicked.connect(self._on_null_test)
        session = controller.session
        self._signals = (session.data_changed, session.run_changed, self._jobs.changed)
        for signal in self._signals:
            signal.connect(self._pull)
        self._pull()

    def close_part(self) -> None:
        """Leave the session alone from now on."""
        for signal in self._signals:
            signal.disconnect(self._pull)
        self.run_on.close_part()

    def _pull(self, *_: object) -> None:
        is_free = not self._controller.session.is_training
        self.search_button.setEnabled(is_free and self._jobs.can_search)
        self.refine_button.setEnabled(is_free and self._jobs.can_refine)
        self.null_test_button.setEnabled(is_free and self._jobs.can_search)
        self.copy_button.setEnabled(self.search_button.isEnabled())
        self.copy_refine.setEnabled(self.refine_button.isEnabled())

    def _values(self, model: type[Config]) -> dict[str, float]:
        """Return what was entered for the settings of a config."""
        numbers = {name: row.number() for name, row in self.rows.items()}
        return {n: v for n, v in numbers.items() if v is not None and n in model.model_fields}

    def _on_search(self) -> None:
        self._jobs.search(**self._values(SearchConfig))

    def _on_refine(self) -> None:
        self._jobs.refine(**self._values(RefineConfig))

    def _on_copy_search(self) -> None:
        self._copy("search", **self._values(SearchConfig))

    def _on_copy_refine(self) -> None:
        self._copy("refine", **self._values(RefineConfig))

    def _copy(self, what: What, **settings: Any) -> None:
        clipboard = QGuiApplication.clipboard()
        text = self._jobs.command_to_copy(what, **settings)
        if clipboard is not None and text:
            clipboard.setText(text)

    def _on_null_test(self) -> None:
        values = self._values(NullTestConfig)
        values.pop("subset", None)  # which is how many a search is to keep
        self._jobs.null_test(**values)


class JobBar(QWidget):
    """How the command at work stands: headline, bar, what it said last, and a button to stop it."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = controller.pose_jobs
        self._session = controller.session
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.headline.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.close_button = QToolButton()
        self.close_button.setText("\N{MULTIPLICATION SIGN}")
        self.close_button.setToolTip("<p>Dismiss this line</p>")
        self.close_button.setAccessibleName("Dismiss the result of the command")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the command")
        self.stop_button = QPushButton("Stop")
        self.stop_button.setAccessibleName("Stop the command")
        self.stop_button.setToolTip(
            "<p>Ends the command. Poses found so far are not kept, unless several processes share "
            "the work: their parts stay in the command's folder. A sweep keeps its runs.</p>"
        )
        self.said = QLabel()
        self.said.setWordWrap(True)
        top = QHBoxLayout()
        top.addWidget(self.headline, 1)
        top.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        line = QHBoxLayout()
        line.addWidget(self.bar, 1)
        line.addWidget(self.stop_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.addLayout(top)
        layout.addLayout(line)
        layout.addWidget(self.said)
        self.stop_button.clicked.connect(self._jobs.stop)
        self.close_button.clicked.connect(self._dismiss)
        self._dismissed: JobView | None = None  # what has been read and put away
        self._files = self._loaded()
        self._jobs.changed.connect(self._pull)
        self._session.data_changed.connect(self._on_data)
        self._pull()

    def close_part(self) -> None:
        """Leave jobs and session alone from now on."""
        self._jobs.changed.disconnect(self._pull)
        self._session.data_changed.disconnect(self._on_data)

    def _loaded(self) -> tuple[object, object]:
        data = self._session.data
        return data.star_path, data.map_path

    def _on_data(self, _data: object) -> None:
        """Put away what came of a command for other data."""
        if self._loaded() != self._files:
            self._files = self._loaded()
            if not self._jobs.is_going:
                self._dismiss()

    def _dismiss(self) -> None:
        self._dismissed = self._jobs.view
        self._pull()

    def _pull(self) -> None:
        view = self._jobs.view
        self.setVisible(view is not None and view is not self._dismissed)
        if view is None:
            return
        self.bar.setVisible(not view.is_over)
        self.stop_button.setVisible(not view.is_over)
        self.close_button.setVisible(view.is_over)
        self.stop_button.setEnabled(not self._jobs.is_stopping)
        self.stop_button.setText("Stopping…" if self._jobs.is_stopping else "Stop")
        self.bar.setRange(0, 0 if view.fraction is None else 1000)
        if view.fraction is not None:
            self.bar.setValue(round(1000 * view.fraction))
        if view.state == "running":
            parts = [view.title]
            if view.total:
                parts.append(f"{view.done:,.0f} of {view.total:,.0f}")
            if view.left_s is not None:
                parts.append(left_words(view.left_s, is_slower=view.is_slower))
            self.headline.setText(" · ".join(parts))
        elif view.state == "finished":
            words = words_of(view)
            self.headline.setText(f"{noun_of(view.title)} finished{': ' if words else ''}{words}")
        else:
            self.headline.setText(on_screen(f"{noun_of(view.title)} {view.state}: {view.reason}"))
        self.said.setText(on_screen(view.said[-1]) if view.said else "")
        self.said.setToolTip("\n".join(view.said))
        self.headline.setToolTip("\n".join(view.said))
        self.said.setVisible(bool(view.said) and not view.is_over)

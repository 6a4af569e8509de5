"""The panel: four steps in the order of the work, beside what is drawn of the particles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qtpy
from napari.utils import notifications
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QMainWindow,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout
from napari_cryoorient.viewer.qt_binding import binding_problem
from napari_cryoorient.widgets.data_section import DataSection
from napari_cryoorient.widgets.dock_layout import dock_of, entitle, place_of, put_back
from napari_cryoorient.widgets.elided import ElidedLabel
from napari_cryoorient.widgets.export_section import ExportSection
from napari_cryoorient.widgets.focus_ring import FocusRing
from napari_cryoorient.widgets.inspect_section import InspectSection
from napari_cryoorient.widgets.memory import Memory
from napari_cryoorient.widgets.messages import MessageBar
from napari_cryoorient.widgets.napari_space import NapariSpace
from napari_cryoorient.widgets.poses_part import JobBar
from napari_cryoorient.widgets.shortcuts import bind, show_help
from napari_cryoorient.widgets.step_area import StepArea
from napari_cryoorient.widgets.tab_order import order_tabs
from napari_cryoorient.widgets.tabs import Tabs
from napari_cryoorient.widgets.train_section import TrainSection
from napari_cryoorient.widgets.wheel import WheelGuard
from napari_cryoorient.widgets.workbench import workbench_of
from napari_cryoorient.widgets.workspace import TITLE, Workspace

if TYPE_CHECKING:
    import napari

Step = DataSection | TrainSection | InspectSection | ExportSection
WIDTH, SLACK = 340, 30  # px
NAME = "CryoOrient"


class CryoOrientDock(QWidget):
    """Load, train, inspect, export: a tab each."""

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        parent: QWidget | None = None,
        memory: Memory | None = None,
    ) -> None:
        problem = binding_problem(qtpy.API_NAME)
        if problem:
            raise InputError(problem)
        super().__init__(parent)
        self.viewer = napari_viewer
        bench = self.workbench = workbench_of(
            napari_viewer, Memory if memory is None else lambda: memory
        )
        self.session, self.jobs, self.controller = bench.session, bench.jobs, bench.controller
        self.memory = bench.memory
        self.data_section = DataSection(self.session)
        self.train_section = TrainSection(self.controller)
        self.inspect_section = InspectSection(self.controller)
        self.export_section = ExportSection(self.controller)
        self.job_bar = JobBar(self.controller)
        self.messages = MessageBar()
        self.busy = ElidedLabel()
        self.workspace_button = QPushButton("Show particles and plots")
        self.workspace_button.hide()
        self.steps: dict[str, Step] = {
            "1 Data": self.data_section,
            "2 Train": self.train_section,
            "3 Inspect": self.inspect_section,
            "4 Export": self.export_section,
        }
        self.step_bar = QTabWidget()
        self.step_bar.setDocumentMode(True)
        self.step_bar.setUsesScrollButtons(False)
        widest = max(self._add_step(title, step) for title, step in self.steps.items())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.step_bar, 1)
        layout.addWidget(self.messages)
        layout.addWidget(self.job_bar)
        layout.addWidget(self.workspace_button)
        layout.addWidget(self.busy)
        width = max(WIDTH, widest)
        self.setMinimumWidth(width)
        self.setMaximumWidth(width + SLACK)  # or it would take half of what is there to draw in
        self.show_step(bench.layout.get("step"))
        for row in (self.data_section.map_row, self.data_section.star_row):
            row.start_dir = self.memory.folder()
        self.help_button = QToolButton()
        self.help_button.setText("?")
        self.help_button.setToolTip("<p>Keys (F1)</p>")
        self.help_button.setAccessibleName("Keys")
        self.help_button.clicked.connect(lambda: show_help(self, self.controller))
        self.step_bar.setCornerWidget(self.help_button)
        bind(self, self.controller)
        self._guard = WheelGuard(self)
        self._guard.watch(self)
        self._ring = FocusRing(self)
        self._ring.watch(self)
        self._ring.set_theme(napari_viewer.theme)
        napari_viewer.events.theme.connect(self._on_theme)
        # A click on a title, a tab or a picture brings the keys along.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

        self.data_section.wanted.connect(self.controller.load)
        self.data_section.sample_wanted.connect(self._on_sample)
        self.train_section.open_button.clicked.connect(self.ask_for_run)
        self.train_section.refused.connect(notifications.show_warning)
        self.jobs.busy_changed.connect(self._on_busy)
        self.workspace_button.clicked.connect(self.show_workspace)
        bench.closing.connect(self._look_at_layout)
        bench.closed.connect(self.close_dock)
        self.workspace: Workspace | None = None
        self._window: QMainWindow | None = None
        self._space: NapariSpace | None = None
        self._is_closed = False

    @property
    def tabs(self) -> Tabs | None:
        """The tabs with curves, table, directions and map, where they are shown."""
        return None if self.workspace is None else self.workspace.tabs

    def _add_step(self, title: str, step: QWidget) -> int:
        """Add a tab; return the width it needs."""
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(step)
        order_tabs(step)
        natural_width = inside.minimumSizeHint().width()
        inside.setMinimumWidth(WIDTH - 2 * SLACK)  # a long word squeezes its row, not the panel
        scroll = StepArea(inside)
        bar = scroll.verticalScrollBar()
        self.step_bar.addTab(scroll, title)
        return natural_width + (bar.sizeHint().width() if bar is not None else 0) + 4

    def show_step(self, title: object) -> None:
        """Bring a step to the front."""
        for index in range(self.step_bar.count()):
            if self.step_bar.tabText(index) == title:
                self.step_bar.setCurrentIndex(index)

    def _on_sample(self) -> None:
        self.show_step("2 Train")
        self.controller.make_sample(trains=True)

    def _look_at_layout(self) -> None:
        """Take down how docks and tabs stand while they still do."""
        layout: dict[str, Any] = {
            "panel": place_of(self),
            "step": self.step_bar.tabText(self.step_bar.currentIndex()),
            "has_workspace": self.workspace is not None,
        }
        if self.workspace is not None:
            layout |= {
                "below": place_of(self.workspace),
                "heights": self.workspace.sizes(),
                "sides": self.workspace.tabs.sizes(),
                "in_front": self.workspace.tabs.in_front,
            }
        self.workbench.layout = self.workbench.layout | layout

    def close_dock(self) -> None:
        """Let go of the session and of napari's window; the workbench and a run go on."""
        if self._is_closed:
            return
        self._is_closed = True
        self.workbench.keep()
        self.workbench.closing.disconnect(self._look_at_layout)
        self.workbench.closed.disconnect(self.close_dock)
        self.jobs.busy_changed.disconnect(self._on_busy)
        if self.workspace is not None:
            self.workspace.close_all()
        if self._space is not None:
            self._space.close()
        self._space = self._window = None  # under PySide6 napari's window would outlive its closing
        for step in self.steps.values():
            step.close_section()
        self.viewer.events.theme.disconnect(self._on_theme)
        self._ring.close_ring()
        self.job_bar.close_part()
        self.messages.close_bar()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take a place in the window it is in."""
        super().showEvent(event)
        dock = dock_of(self)
        window = None if dock is None else dock.parent()
        if isinstance(window, QMainWindow) and self._window is None:
            self._window = window
            entitle(self, NAME)
            self.workbench.attach(window)
            self._space = NapariSpace(window, self.viewer)
            QTimer.singleShot(0, self._on_first_shown)

    def _on_first_shown(self) -> None:
        if self._is_closed:
            return
        if self.workbench.layout.get("has_workspace", True):
            self.show_workspace()
        else:
            self.workspace_button.show()
        put_back(self, self.workbench.layout.get("panel"))

    def show_workspace(self) -> None:
        """Show the particle and the tabs below it, as they were the last time."""
        if self.workspace is not None or self._window is None or self._space is None:
            return
        layout = self.workbench.layout
        self.workspace = Workspace(self.controller)
        self.workspace.taken_out.connect(self._on_workspace_closed)
        self.workspace.particles.dropped.connect(self._on_dropped)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        # The side docks keep their full height.
        self._window.setCorner(Qt.Corner.BottomLeftCorner, left)
        self._window.setCorner(Qt.Corner.BottomRightCorner, right)
        self.viewer.window.add_dock_widget(self.workspace, name=TITLE, area="bottom")
        self.workspace_button.hide()
        self._watch(self.workspace)
        self.workspace.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        bind(self.workspace, self.controller)
        self.workspace.tabs.made.connect(self._watch)
        self._space.make_room(dock_of(self), dock_of(self.workspace))
        put_back(self.workspace, layout.get("below"))
        self.workspace.put_back(layout.get("heights"))
        self.workspace.tabs.put_back(layout.get("sides"), layout.get("in_front"))

    def _watch(self, widget: QWidget) -> None:
        self._guard.watch(widget)
        self._ring.watch(widget)

    def _on_theme(self, _event: object = None) -> None:
        self._ring.set_theme(self.viewer.theme)

    def _on_workspace_closed(self) -> None:
        """Let go of what the user has closed, and offer it again."""
        if self.workspace is not None and not self._is_closed:
            self._look_at_layout()
            self.workspace.close_all()
            self.workspace.deleteLater()
            self.workspace = None
            self.workspace_button.show()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Notice when the user closes the dock."""
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None and self._window is not None and not self._is_closed:
            self._look_at_layout()
            QTimer.singleShot(0, self._on_removed)

    def _on_removed(self) -> None:
        """Leave the window whole once the dock has been closed; a run continues."""
        if self.parent() is not None or self._is_closed:
            return
        if self.workbench.is_at_work:
            notifications.show_info("The work continues; open CryoOrient again to see it.")
        workspace = self.workspace
        self.close_dock()
        below = None if workspace is None else dock_of(workspace)
        if below is not None:
            self.viewer.window.remove_dock_widget(below)
        if workspace is not None:
            workspace.deleteLater()
        self.deleteLater()

    def _on_dropped(self, paths: list[Path]) -> None:
        """Follow a run that was dropped on the particles; load anything else."""
        runs = [path for path in paths if (path / layout.RECORD).is_file()]
        if runs:
            self.controller.open_run(runs[0])
        else:
            self.data_section.take(paths)

    def _on_busy(self, what: str) -> None:
        self.busy.setText(f"{what}…" if what else "")

    def ask_for_run(self) -> None:
        """Ask for a run folder and follow it."""
        star = self.session.data.star_path
        start = str(star.parent if star else Path.home())
        text = QFileDialog.getExistingDirectory(self, "Open a run folder", start)
        if text:
            self.controller.open_run(Path(text))

"""The dock: four sections in the order of the work, beside the viewer they steer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.settings import get_plugin_settings
from napari.utils import notifications
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.display import Display
from napari_cryoorient.widgets.data_section import DataSection
from napari_cryoorient.widgets.export_section import ExportSection
from napari_cryoorient.widgets.inspect_section import InspectSection
from napari_cryoorient.widgets.jobs import Jobs
from napari_cryoorient.widgets.memory import Memory
from napari_cryoorient.widgets.panels import Panels
from napari_cryoorient.widgets.train_section import COLLAPSED_ICON, EXPANDED_ICON, TrainSection

if TYPE_CHECKING:
    import napari

WIDTH = 330


class Notifications:
    """napari's own notifications."""

    def info(self, sentence: str) -> None:
        """Tell that something went well."""
        notifications.show_info(sentence)

    def warning(self, sentence: str) -> None:
        """Tell of something to look at."""
        notifications.show_warning(sentence)

    def error(self, sentence: str) -> None:
        """Tell that something did not work."""
        notifications.show_error(sentence)


class CryoOrientDock(QWidget):
    """Load, train, inspect, export."""

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        parent: QWidget | None = None,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self.session = Session()
        self._recall(memory)
        self.jobs = Jobs(self)
        self.controller = Controller(self.session, self.jobs, Notifications())
        self.display = Display(self.session, napari_viewer)
        self.data_section = DataSection(self.session)
        self.train_section = TrainSection(self.controller)
        self.inspect_section = InspectSection(self.controller)
        self.export_section = ExportSection(self.controller)
        self.busy = QLabel()
        self.busy.hide()

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 4, 4, 4)
        self.sections: dict[str, QCollapsible] = {}
        closed = self.memory.closed_sections()
        for row in (self.data_section.map_row, self.data_section.star_row):
            row.start_dir = self.memory.folder()
        for title, section in (
            ("1 Data", self.data_section),
            ("2 Train", self.train_section),
            ("3 Inspect", self.inspect_section),
            ("4 Export", self.export_section),
        ):
            part = QCollapsible(title, expandedIcon=EXPANDED_ICON, collapsedIcon=COLLAPSED_ICON)
            part.setDuration(0)
            part.addWidget(section)
            if title in closed:
                part.collapse(animate=False)
            else:
                part.expand(animate=False)
            column.addWidget(part)
            self.sections[title] = part
        column.addStretch(1)
        natural_width = inside.minimumSizeHint().width()
        inside.setMinimumWidth(WIDTH // 2)  # a long word squeezes its row, not the whole panel
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        layout.addWidget(self.busy)
        bar = scroll.verticalScrollBar()
        bar_width = bar.sizeHint().width() if bar is not None else 0
        self.setMinimumWidth(max(WIDTH, natural_width + bar_width + 4))

        self.data_section.wanted.connect(self.controller.load)
        self.data_section.sample_wanted.connect(lambda: self.controller.make_sample(trains=True))
        self.train_section.open_button.clicked.connect(self._on_open_run)
        self.train_section.refused.connect(notifications.show_warning)
        self.jobs.busy_changed.connect(self._on_busy)
        self.panels: Panels | None = None
        self._window: QWidget | None = None
        self._is_closing = False
        self.destroyed.connect(self.jobs.close)

    def _recall(self, memory: Memory | None) -> None:
        """Set what the user's Preferences and the last session say."""
        self.memory = Memory() if memory is None else memory
        preferences = get_plugin_settings("napari-cryoorient").start
        self.session.adopt_settings(device=preferences.device)
        self.memory.recall_settings(self.session)
        if preferences.project_dir:
            self.session.project_dir = Path(preferences.project_dir)

    def _keep(self) -> None:
        """Remember for the next time."""
        self.memory.keep_settings(self.session.settings)
        self.memory.keep_closed_sections(
            [title for title, part in self.sections.items() if not part.isExpanded()]
        )
        for path in (self.session.data.star_path, self.session.data.map_path):
            if path is not None:
                self.memory.keep_folder(path.parent)

    def close_dock(self) -> None:
        """Let go of session, viewer and background; a run goes on by itself."""
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._keep()
        self.jobs.close()
        self.display.close()
        if self.panels is not None:
            self.panels.close_panels()
        for section in (
            self.data_section,
            self.train_section,
            self.inspect_section,
            self.export_section,
        ):
            section.close_section()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Watch the window it is in, to ask before it closes on a run."""
        super().showEvent(event)
        window = self.window()
        if window is not None and window not in (self, self._window):
            self._window = window
            window.installEventFilter(self)
            QTimer.singleShot(0, self.show_panels)

    def show_panels(self) -> None:
        """Put the tabs below the canvas."""
        if self.panels is None:
            self.panels = Panels(self.controller)
            window = self.window()
            if isinstance(window, QMainWindow):  # the side docks keep their full height
                left, right = (
                    Qt.DockWidgetArea.LeftDockWidgetArea,
                    Qt.DockWidgetArea.RightDockWidgetArea,
                )
                window.setCorner(Qt.Corner.BottomLeftCorner, left)
                window.setCorner(Qt.Corner.BottomRightCorner, right)
            self.viewer.window.add_dock_widget(
                self.panels, name="CryoOrient: curves and directions", area="bottom"
            )

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask what becomes of a run when napari is closed; let go of all once it is."""
        if event is None or watched is not self._window:
            return False
        if event.type() == QEvent.Type.Close:
            if self.session.is_training and not self._ask_before_closing():
                event.ignore()
                return True
            self._is_closing = True
        elif event.type() == QEvent.Type.Hide and self._is_closing and not event.spontaneous():
            self.close_dock()  # napari did not change its mind
        return False

    def _ask_before_closing(self) -> bool:
        box = QMessageBox(self)
        box.setWindowTitle("A run is going on")
        box.setText("Training goes on in a process of its own. What shall become of it?")
        leave = box.addButton("Leave it running", QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton("Stop it", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is stop:
            self.controller.stop()
        return box.clickedButton() in (leave, stop)

    def _on_busy(self, what: str) -> None:
        self.busy.setText(f"{what}…")
        self.busy.setVisible(bool(what))

    def _on_open_run(self) -> None:
        star = self.session.data.star_path
        start = str(star.parent if star else Path.home())
        text = QFileDialog.getExistingDirectory(self, "Open a run folder", start)
        if text:
            self.controller.open_run(Path(text))

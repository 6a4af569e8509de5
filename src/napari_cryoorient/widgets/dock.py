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
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.viewer.display import Display
from napari_cryoorient.widgets.data_section import DataSection
from napari_cryoorient.widgets.export_section import ExportSection
from napari_cryoorient.widgets.inspect_section import InspectSection
from napari_cryoorient.widgets.jobs import Jobs
from napari_cryoorient.widgets.memory import Memory
from napari_cryoorient.widgets.panels import Panels
from napari_cryoorient.widgets.part import Part
from napari_cryoorient.widgets.places import dock_of, place_of, put_back
from napari_cryoorient.widgets.train_section import TrainSection

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
        self.panels_button = QPushButton("Show curves, directions, table and map")
        self.panels_button.hide()

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 4, 4, 4)
        self.sections: dict[str, Part] = {}
        closed = self.memory.closed_sections()
        for row in (self.data_section.map_row, self.data_section.star_row):
            row.start_dir = self.memory.folder()
        for title, section in (
            ("1 Data", self.data_section),
            ("2 Train", self.train_section),
            ("3 Inspect", self.inspect_section),
            ("4 Export", self.export_section),
        ):
            part = Part(title)
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
        layout.addWidget(self.panels_button)
        layout.addWidget(self.busy)
        bar = scroll.verticalScrollBar()
        bar_width = bar.sizeHint().width() if bar is not None else 0
        self.setMinimumWidth(max(WIDTH, natural_width + bar_width + 4))

        self.data_section.wanted.connect(self.controller.load)
        self.data_section.sample_wanted.connect(lambda: self.controller.make_sample(trains=True))
        self.train_section.open_button.clicked.connect(self.ask_for_run)
        self.train_section.refused.connect(notifications.show_warning)
        self.jobs.busy_changed.connect(self._on_busy)
        self.panels_button.clicked.connect(self.show_panels)
        self.panels: Panels | None = None
        self._window: QMainWindow | None = None
        self._layout = self.memory.layout()
        self._is_closing = self._is_closed = False
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

        self.memory.keep_layout(self._layout)

    def _look_at_layout(self) -> None:
        """Take down how docks and tabs stand while they still do."""
        self._layout = {"panel": place_of(self), "has_panels": self.panels is not None}
        if self.panels is not None:
            self._layout |= {
                "below": place_of(self.panels),
                "sides": self.panels.sizes(),
                "in_front": self.panels.in_front,
            }

    def close_dock(self) -> None:
        """Let go of session, viewer and background; a run goes on by itself."""
        if self._is_closed:
            return
        self._is_closed = True
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
        dock = dock_of(self)
        window = None if dock is None else dock.parent()
        if isinstance(window, QMainWindow) and self._window is None:
            self._window = window
            window.installEventFilter(self)
            QTimer.singleShot(0, self._on_first_shown)

    def _on_first_shown(self) -> None:
        if self._is_closed:
            return
        if self._layout.get("has_panels", True):
            self.show_panels()
        else:
            self.panels_button.show()
        put_back(self, self._layout.get("panel"))

    def show_panels(self) -> None:
        """Put the tabs below the canvas, as they were the last time."""
        if self.panels is not None or self._window is None:
            return
        self.panels = Panels(self.controller)
        self.panels.taken_out.connect(self._on_panels_closed)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        # The side docks keep their full height.
        self._window.setCorner(Qt.Corner.BottomLeftCorner, left)
        self._window.setCorner(Qt.Corner.BottomRightCorner, right)
        self.viewer.window.add_dock_widget(
            self.panels, name="CryoOrient: curves and directions", area="bottom"
        )
        self.panels_button.hide()
        put_back(self.panels, self._layout.get("below"))
        self.panels.put_back(self._layout.get("sides"), self._layout.get("in_front"))

    def _on_panels_closed(self) -> None:
        """Let go of tabs whose dock the user has closed, and offer them again."""
        if self.panels is not None and not self._is_closed:
            self._look_at_layout()
            self.panels.close_panels()
            self.panels.deleteLater()
            self.panels = None
            self.panels_button.show()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Notice when the user closes the dock."""
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None and self._window is not None and not self._is_closed:
            self._look_at_layout()
            QTimer.singleShot(0, self._on_taken_out)

    def _on_taken_out(self) -> None:
        """Leave the window whole once the dock has been closed; a run goes on."""
        if self.parent() is not None or self._is_closed:
            return
        if self.session.is_training and self.session.run is not None:
            notifications.show_info(
                f"The run in {self.session.run.path} goes on; Open a run… in the panel follows it."
            )
        panels = self.panels
        self.close_dock()
        below = None if panels is None else dock_of(panels)
        if below is not None:
            self.viewer.window.remove_dock_widget(below)
        if panels is not None:
            panels.deleteLater()
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask what becomes of a run when napari is closed; let go of all once it is."""
        if event is None or watched is not self._window:
            return False
        if event.type() == QEvent.Type.Close:
            if self.session.is_training and not self._ask_before_closing():
                event.ignore()
                return True
            self._is_closing = True
            self._look_at_layout()
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

    def ask_for_run(self) -> None:
        """Ask for a run folder and follow it."""
        star = self.session.data.star_path
        start = str(star.parent if star else Path.home())
        text = QFileDialog.getExistingDirectory(self, "Open a run folder", start)
        if text:
            self.controller.open_run(Path(text))

"""Micrographs, those first that are unlike the others, and the particles on the one looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSplitter,
    QTableView,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.micrographs import Overview
from napari_cryoorient.session.words import counted, on_screen
from napari_cryoorient.viewer.micrograph_view import MicrographView
from napari_cryoorient.viewer.napari_api import call_on_resize
from napari_cryoorient.widgets.canvas import Canvas
from napari_cryoorient.widgets.elided import ElidedLabel

EMPTY = "Particles with poses, and the micrographs they are of (rlnMicrographName), show here."
LEGEND = (
    "<p>A dot for each particle, from red (unsure) to blue (sure); the map's z axis in white and "
    "its x axis in orange, as the particle shows them. A click selects the particle.</p>"
)


class MicrographTable(QAbstractTableModel):
    """Rows are micrographs in the order last asked for: outliers first, to begin with."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: list[tuple[str, NDArray[Any], str]] = []
        self._order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._excluded: frozenset[str] = frozenset()
        self._names: tuple[str, ...] = ()

    def take(self, overview: Overview | None) -> None:
        """Show another overview."""
        self.beginResetModel()
        self._columns, self._names = [], ()
        self._order = np.zeros(0, dtype=np.int64)
        if overview is not None:
            figures = overview.figures
            self._names, self._order = figures.names, overview.order
            names = np.array([Path(name).name for name in figures.names], dtype=object)
            self._columns = [
                ("micrograph", names, ""),
                ("deviation", figures.score, ".1f"),
                ("by", np.array([figures.why(i) for i in range(len(figures))], dtype=object), ""),
                ("particles", figures.n, "d"),
            ]
            if figures.mean_confidence is not None:
                self._columns.append(("confidence", figures.mean_confidence, ".2f"))
            if figures.mean_defocus_angstrom is not None:
                self._columns.append(("defocus (µm)", figures.mean_defocus_angstrom / 1e4, ".2f"))
            self._columns += [
                ("views' spread (°)", figures.view_spread_deg, ".0f"),
                ("in-plane alignment", figures.in_plane_alignment, ".2f"),
            ]
        self.endResetModel()

    def set_excluded(self, names: frozenset[str]) -> None:
        """Strike the micrographs out that are excluded."""
        self._excluded = names
        if len(self._order):
            last = self.index(len(self._order) - 1, len(self._columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of micrographs."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of figures."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell; the whole name in its tooltip."""
        title, values, form = self._columns[index.column()]
        place = self.place_of(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            text = format(values[place], form)
            is_out = title == "micrograph" and self._names[place] in self._excluded
            return f"\N{BALLOT X} {text}" if is_out else text
        if role == Qt.ItemDataRole.ToolTipRole and title == "micrograph":
            is_out = self._names[place] in self._excluded
            return self._names[place] + (" (excluded)" if is_out else "")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if form else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the title of a column, in two lines where it has several words."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return self._columns[section][0].replace(" ", "\n", 1)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        if not 0 <= column < len(self._columns):
            return
        self.layoutAboutToBeChanged.emit()
        _, ranks = np.unique(self._columns[column][1].astype(object), return_inverse=True)
        is_falling = order == Qt.SortOrder.DescendingOrder
        self._order = np.argsort(-ranks if is_falling else ranks, kind="stable")
        self.layoutChanged.emit()

    def place_of(self, row: int) -> int:
        """Return the place of the micrograph in a row."""
        return int(self._order[row])

    def row_of(self, place: int) -> int | None:
        """Return the row of a micrograph, or None."""
        found = np.flatnonzero(self._order == place)
        return int(found[0]) if found.size else None


class MicrographsTab(Canvas):
    """The table of micrographs, and the current one with its particles."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(controller.session, parent)
        self._micrographs = controller.micrographs
        self.picture = MicrographView(self.model)
        self.table = MicrographTable(self)
        self.rows = QTableView()
        self.rows.setModel(self.table)
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header, side = self.rows.horizontalHeader(), self.rows.verticalHeader()
        if header is not None:
            header.setResizeContentsPrecision(20)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSortIndicator(1, Qt.SortOrder.DescendingOrder)
        if side is not None:
            side.hide()
            side.setDefaultSectionSize(22)
        self.rows.setSortingEnabled(False)
        self.words = ElidedLabel(is_sentence=True)
        self.next_button = QPushButton("Next worst")
        self.next_button.setToolTip("<p>The next most unusual micrograph.</p>")
        self.back_button = QPushButton("Back")
        self.back_button.setToolTip("<p>The one before it.</p>")
        self.exclude_button = QPushButton("Exclude")
        self.exclude_button.setCheckable(True)
        self.exclude_button.setToolTip(
            "<p>Leaves its particles out of table, sphere, counts and selection.</p>"
        )
        self.export_button = QPushButton("Export the rest…")
        self.export_button.setToolTip(
            "<p>Writes the particles of all other micrographs, every column as it was.</p>"
        )
        assert self.qt_viewer is not None
        self.qt_viewer.setToolTip(LEGEND)
        bar = QHBoxLayout()
        bar.addWidget(self.words, 1)
        for button in (self.back_button, self.next_button, self.exclude_button, self.export_button):
            bar.addWidget(button)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.addWidget(self.rows)
        self._split.addWidget(self.qt_viewer)
        self._split.setStretchFactor(0, 3)
        self._split.setStretchFactor(1, 2)
        self._split.setSizes([300, 200])
        self._split.setChildrenCollapsible(False)
        self._column.addLayout(bar)
        self._column.addWidget(self._split, 1)
        self._shown: Overview | None = None
        self.rows.clicked.connect(
            lambda index: self._micrographs.go_to(self.table.place_of(index.row()))
        )
        self.back_button.clicked.connect(lambda: self._micrographs.step(-1))
        self.next_button.clicked.connect(lambda: self._micrographs.step(+1))
        self.exclude_button.clicked.connect(lambda on: self._micrographs.exclude(on))
        self.export_button.clicked.connect(self._on_export)
        self._micrographs.changed.connect(self._pull)
        self._micrographs.current_changed.connect(self._on_current)
        self._micrographs.picture_changed.connect(self._on_picture)
        self._session.particle_changed.connect(self._mark_later)
        self._session.inspection_changed.connect(self._on_inspection)
        self.model.mouse_drag_callbacks.append(self._on_click)
        call_on_resize(self.model, self.qt_viewer, self._later)
        self._pull()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Rank the micrographs once they are looked at."""
        super().showEvent(event)
        self._on_inspection()

    def _on_inspection(self, *_: Any) -> None:
        if self.isVisible() and self._session.inspection.shown_poses is not None:
            self._micrographs.update()

    def _redraw(self) -> None:
        self._on_current()

    def _pull(self, *_: Any) -> None:
        micrographs = self._micrographs
        overview, excluded = micrographs.overview, micrographs.excluded
        if overview is not self._shown:
            self._shown = overview
            self.table.take(overview)
            if overview is not None:
                header = self.rows.horizontalHeader()
                self.rows.setSortingEnabled(False)
                if header is not None:
                    header.setSortIndicator(1, Qt.SortOrder.DescendingOrder)
                self.rows.setSortingEnabled(True)
            self._on_current()
        self.table.set_excluded(excluded)
        has_any = overview is not None
        for button in (self.back_button, self.next_button, self.exclude_button):
            button.setEnabled(has_any)
        self.export_button.setEnabled(has_any and bool(excluded))
        self._say()

    def _say(self) -> None:
        micrographs = self._micrographs
        overview = micrographs.overview
        with signals_blocked(self.exclude_button):
            self.exclude_button.setChecked(micrographs.name in micrographs.excluded)
        if overview is None:
            self.words.setText(on_screen(micrographs.problem or EMPTY))
            return
        words = [
            f"{micrographs.rank:,} of {len(overview.figures):,}",
            f"{counted(overview.figures.n_outlying, 'outlier')}",
        ]
        if micrographs.excluded:
            words.append(f"{len(micrographs.excluded):,} excluded")
        if overview.coordinates is None:
            words.append("the file has no coordinates to draw particles at")
        self.words.setText(" · ".join(words))

    def _on_current(self, *_: Any) -> None:
        """Draw the micrograph at once: whoever steps through many waits for each of them."""
        overview, place = self._micrographs.overview, self._micrographs.current
        self._say()
        if overview is None or overview.coordinates is None:
            self.picture.clear()
        else:
            inspection = self._session.inspection
            poses, confidence = inspection.shown_poses, inspection.confidence
            particles = overview.particles_on(place)
            if poses is None or (len(particles) and particles[-1] >= len(poses)):
                return  # other poses by now: their overview is on its way
            self.picture.show(
                particles,
                overview.coordinates[particles],
                poses.rotations[particles],
                None if confidence is None else confidence[particles],
                overview.field,
            )
            self._mark()
            self._on_picture()
        row = self.table.row_of(place)
        if row is not None:
            self.rows.selectRow(row)

    def _on_picture(self) -> None:
        if self._micrographs.picture is not None:
            self.picture.show_picture(*self._micrographs.picture)

    def _mark(self) -> None:
        self.picture.show_current(self._session.particle)

    def _on_click(self, _viewer: Any, event: Any) -> Any:
        is_dragged = False
        yield
        while event.type == "mouse_move":
            is_dragged = True
            yield
        particle = None if is_dragged else self.picture.picked(event)
        if particle is not None:
            self._session.set_particle(particle)

    def _on_export(self) -> None:
        star = self._session.data.star_path
        if star is None:
            return
        suffix = star.suffix if star.suffix.lower() in (".star", ".cs") else ".star"
        proposal = str(star.with_name(f"{star.stem}_micrographs{suffix}"))
        text, _ = QFileDialog.getSaveFileName(
            self, "Export the particles of all other micrographs", proposal, f"*{suffix}"
        )
        if text:
            path = Path(text)
            self._micrographs.export_rest(
                path if path.suffix else path.with_name(path.name + suffix)
            )

    def _disconnect(self) -> None:
        self._micrographs.changed.disconnect(self._pull)
        self._micrographs.current_changed.disconnect(self._on_current)
        self._micrographs.picture_changed.disconnect(self._on_picture)
        self._session.particle_changed.disconnect(self._mark_later)
        self._session.inspection_changed.disconnect(self._on_inspection)

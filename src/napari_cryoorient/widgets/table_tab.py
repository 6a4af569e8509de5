"""A table of all particles, sorted by any column, in step with the slider."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, QTimer
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from napari_cryoorient.particles import Poses
from napari_cryoorient.session.criteria import CRITERIA, UNKNOWN, Criterion, column_title
from napari_cryoorient.session.session import Session

PULL_MS = 300


class ParticleRows(QAbstractTableModel):
    """Rows are the particles the filter keeps, in the order last asked for."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._columns: list[tuple[str, NDArray[Any], str]] = []
        self._order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sorted_by: tuple[int, bool] = (0, False)
        self._converted: tuple[Poses, NDArray[np.float64]] | None = None
        self.pull()

    def pull(self) -> None:
        """Take what the session has now."""
        inspection = self._session.inspection
        self.beginResetModel()
        column = self._sorted_by[0]
        sorted_title = self._columns[column][0] if column < len(self._columns) else ""
        self._columns = [("particle", np.arange(1, len(inspection) + 1), "d")]
        for criterion in inspection.criteria:
            values = inspection.values(criterion)
            if values is not None:
                self._columns.append((column_title(criterion), values, CRITERIA[criterion].format))
        poses = inspection.shown_poses
        if poses is not None:
            angles = self._angles_of(poses)
            for i, title in enumerate(("rot (°)", "tilt (°)", "psi (°)")):
                self._columns.append((title, angles[:, i], ".1f"))
            for i, title in enumerate(("shift x (Å)", "shift y (Å)")):
                self._columns.append((title, poses.shifts_angstrom[:, i], ".1f"))
        names = [title for title, _, _ in self._columns]
        if sorted_title in names:  # columns come and go; the order stays
            self._sorted_by = names.index(sorted_title), self._sorted_by[1]
        column, is_descending = self._sorted_by
        self._lay_out(column if column < len(self._columns) else 0, is_descending)
        self.endResetModel()

    def _angles_of(self, poses: Poses) -> NDArray[np.float64]:
        """Return rot, tilt and psi in degrees; worked out once for each set of poses."""
        if self._converted is None or self._converted[0] is not poses:
            from napari_cryoorient.geometry.euler import matrix_to_euler_zyz_deg

            self._converted = poses, np.asarray(matrix_to_euler_zyz_deg(poses.rotations))
        return self._converted[1]

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of particles shown."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of figures."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell."""
        if role == Qt.ItemDataRole.DisplayRole:
            _, values, form = self._columns[index.column()]
            value = values[self._order[index.row()]]
            return format(value, form) if np.isfinite(value) else UNKNOWN
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the title of a column."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        first, _, rest = self._columns[section][0].rpartition(" ")
        words = first.rsplit(" ", 1)  # two lines keep a dozen columns narrow
        return "\n".join([*words[:-1], f"{words[-1]} {rest}".strip()])

    @property
    def sorted_by(self) -> tuple[int, Qt.SortOrder]:
        """Return the column and the order the rows are in."""
        column, is_descending = self._sorted_by
        order = Qt.SortOrder.DescendingOrder if is_descending else Qt.SortOrder.AscendingOrder
        return column, order

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self.layoutAboutToBeChanged.emit()
        self._lay_out(column, order == Qt.SortOrder.DescendingOrder)
        self.layoutChanged.emit()

    def column_of(self, title: str) -> int | None:
        """Return the column of this title, or None."""
        titles = [title for title, _, _ in self._columns]
        return titles.index(title) if title in titles else None

    def particle_of(self, row: int) -> int:
        """Return the particle in a row."""
        return int(self._order[row])

    def row_of(self, particle: int) -> int | None:
        """Return the row of a particle, or None where the filter leaves it out."""
        found = np.flatnonzero(self._order == particle)
        return int(found[0]) if found.size else None

    def _lay_out(self, column: int, is_descending: bool) -> None:
        self._sorted_by = (column, is_descending)
        kept = self._session.selected()
        values = self._columns[column][1][kept]
        self._order = kept[np.argsort(-values if is_descending else values, kind="stable")]


class TableTab(QWidget):
    """The table; a click on a row shows its particle."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.model = ParticleRows(session, self)
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.view.horizontalHeader()
        if header is not None:
            header.setResizeContentsPrecision(20)  # rows looked at; a stack may have a million
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        rows = self.view.verticalHeader()
        if rows is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.view)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PULL_MS)
        self._timer.timeout.connect(self._pull)
        self.view.clicked.connect(self._on_clicked)
        session.inspection_changed.connect(self._later)
        session.selection_changed.connect(self._later)
        session.particle_changed.connect(self._on_particle)
        self._on_particle(session.particle)

    def close_canvas(self) -> None:
        """Leave the session alone from now on."""
        self._timer.stop()
        self._session.inspection_changed.disconnect(self._later)
        self._session.selection_changed.disconnect(self._later)
        self._session.particle_changed.disconnect(self._on_particle)

    def sort_by(self, criterion: Criterion) -> None:
        """Put those on top that have most of a figure, if there is such a column."""
        self.model.pull()
        column = self.model.column_of(column_title(criterion))
        if column is not None:
            self.view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
            self.view.scrollToTop()

    def _later(self, *_: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _pull(self) -> None:
        self.model.pull()
        header = self.view.horizontalHeader()
        if header is not None:
            header.setSortIndicator(*self.model.sorted_by)
        self._on_particle(self._session.particle)

    def _on_particle(self, particle: int) -> None:
        row = self.model.row_of(particle)
        if row is None:
            self.view.clearSelection()
        else:
            self.view.selectRow(row)

    def _on_clicked(self, index: QModelIndex) -> None:
        self._session.set_particle(self.model.particle_of(index.row()))

"""1 Data: a map and a stack, what they hold, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cryoorient.session.data import Data, Role, summary
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.facts import Facts
from napari_cryoorient.widgets.path_row import PathRow

STAR_PATTERN = "Particles (*.star *.cs *.mrcs *.st)"
PARTICLE_SUFFIXES = (".star", ".cs", ".mrcs", ".st")
MAP_PATTERN = (
    "Maps and models (*.mrc *.map *.ccp4 *.mrc.gz *.map.gz *.mrc.bz2 *.map.bz2 "
    "*.pdb *.ent *.cif *.mmcif *.pdb.gz *.ent.gz *.cif.gz)"
)
WELCOME = (
    "Choose, or drop here, a reference map and particles: a STAR file, a .cs file or a stack. "
    "Poses they have can be inspected at once; then train under 2."
)


class DataSection(QWidget):
    """Shows the session's data; tells what the user wants loaded."""

    wanted = Signal(object, object, object)  # STAR path, map path, pixel size of the map
    sample_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map_row = PathRow("a map or model", MAP_PATTERN)
        self.star_row = PathRow("particles (STAR, .cs, stack)", STAR_PATTERN)
        self.welcome = QLabel(WELCOME)
        self.welcome.setWordWrap(True)
        self.sample_button = QPushButton("Try it on sample data")
        self.sample_button.setToolTip(
            "<p>Makes a particle and a few hundred images of it, loads them and starts a short "
            "training.</p>"
        )
        self.facts = Facts()
        self.warning = QLabel()
        self.warning.setWordWrap(True)
        self.warning.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.correct_button = QPushButton()
        self.correct_button.setAccessibleName("Use the stack's pixel size for the map")
        self.notes = QLabel()
        self.notes.setWordWrap(True)
        form = QFormLayout()
        form.addRow("Map", self.map_row)
        form.addRow("Particles", self.star_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)  # first, so that it stays where it is when the welcome goes
        layout.addWidget(self.welcome)
        for widget in (
            self.sample_button,
            self.facts,
            self.warning,
            self.correct_button,
            self.notes,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setAcceptDrops(True)
        self.map_row.chosen.connect(lambda path: self._on_chosen(self.map_row, path))
        self.star_row.chosen.connect(lambda path: self._on_chosen(self.star_row, path))
        self.sample_button.clicked.connect(self.sample_wanted)
        self.correct_button.clicked.connect(self._on_correct_pixel_size)
        session.data_changed.connect(self._pull)
        session.problems_changed.connect(self._pull)
        session.map_symmetry_changed.connect(self._pull_facts)
        session.verdict_changed.connect(self._pull_warnings)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._session.data_changed.disconnect(self._pull)
        self._session.problems_changed.disconnect(self._pull)
        self._session.map_symmetry_changed.disconnect(self._pull_facts)
        self._session.verdict_changed.disconnect(self._pull_warnings)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take local files."""
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Take map and particles, told apart by their names."""
        data = None if event is None else event.mimeData()
        if data is None or not data.urls():
            return
        self.take([Path(url.toLocalFile()) for url in data.urls()])

    def take(self, paths: Sequence[Path]) -> None:
        """Load files that were dropped."""
        for path in paths:
            self._row_of(path).set_path(path)
        self._announce()

    def _pull(self, _data: Data | None = None) -> None:
        data = self._session.data
        self._pull_row(self.map_row, "map", data.map_path)
        self._pull_row(self.star_row, "stack", data.star_path)
        is_empty = data.particles is None and data.density is None
        self.welcome.setVisible(is_empty)
        self.sample_button.setVisible(is_empty)
        self._pull_facts()
        self._pull_warnings()
        corrected = data.corrected_pixel_size_angstrom
        self.correct_button.setVisible(corrected is not None)
        if corrected is not None:
            self.correct_button.setText(f"Use {corrected:.4g} Å as the map's pixel size")
        self.notes.setText(on_screen("\n".join(f"Note: {note}" for note in data.notes)))
        self.notes.setVisible(bool(data.notes))

    def _pull_row(self, row: PathRow, role: Role, loaded: Path | None) -> None:
        """Show the file that is loaded, or the one that could not be, and why."""
        problem = self._session.problems.get(role)
        row.set_path(loaded if problem is None else problem.path)
        if loaded is not None:  # the next file is looked for where this one is
            self.map_row.start_dir = self.star_row.start_dir = loaded.parent
        row.set_problem("" if problem is None else on_screen(problem.sentence))

    def _pull_warnings(self, *_: object) -> None:
        verdict = self._session.verdict
        said = [*self._session.data.warnings, *([verdict] if verdict else [])]
        self.warning.setText("\N{WARNING SIGN} " + on_screen("\n\n".join(said)))
        self.warning.setVisible(bool(said))

    def _pull_facts(self, *_: object) -> None:
        rows = list(summary(self._session.data))
        if self._session.map_symmetry:
            rows.append(("Symmetry", self._session.map_symmetry))
        self.facts.show_rows(rows)

    def _row_of(self, path: Path) -> PathRow:
        is_particles = path.suffix.lower() in PARTICLE_SUFFIXES
        return self.star_row if is_particles else self.map_row

    def _on_chosen(self, row: PathRow, path: Path | None) -> None:
        """Tell of what was chosen, moved to the row it belongs in if it was dropped on another."""
        if path is not None and row is not self._row_of(path) and path.is_file():
            data = self._session.data
            row.set_path(data.map_path if row is self.map_row else data.star_path)
            self._row_of(path).set_path(path)
        self._announce()

    def _announce(self) -> None:
        self.wanted.emit(self.star_row.path(), self.map_row.path(), None)

    def _on_correct_pixel_size(self) -> None:
        data = self._session.data
        self.wanted.emit(data.star_path, data.map_path, data.corrected_pixel_size_angstrom)

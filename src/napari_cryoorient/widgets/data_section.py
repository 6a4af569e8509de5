"""1 Data: a map and a stack, what they hold, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cryoorient.session.data import Data, summary
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.facts import Facts
from napari_cryoorient.widgets.path_row import PathRow

STAR_PATTERN = "Particle STAR (*.star)"
MAP_PATTERN = (
    "Maps and models (*.mrc *.map *.ccp4 *.mrc.gz *.map.gz *.mrc.bz2 *.map.bz2 "
    "*.pdb *.ent *.cif *.mmcif *.pdb.gz *.ent.gz *.cif.gz)"
)
WELCOME = (
    "Choose a reference map and a particle STAR file. With poses in the STAR you can inspect them "
    "at once; then train under 2."
)


class DataSection(QWidget):
    """Shows the session's data; tells what the user wants loaded."""

    wanted = Signal(object, object, object)  # STAR path, map path, pixel size of the map
    sample_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map_row = PathRow("a map or model", MAP_PATTERN)
        self.star_row = PathRow("a particle STAR file", STAR_PATTERN)
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
        self.mend_button = QPushButton()
        self.notes = QLabel()
        self.notes.setWordWrap(True)
        form = QFormLayout()
        form.addRow("Map", self.map_row)
        form.addRow("Particles", self.star_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.welcome)
        layout.addLayout(form)
        for widget in (self.sample_button, self.facts, self.warning, self.mend_button, self.notes):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.map_row.chosen.connect(self._on_chosen)
        self.star_row.chosen.connect(self._on_chosen)
        self.sample_button.clicked.connect(self.sample_wanted)
        self.mend_button.clicked.connect(self._on_mend)
        session.data_changed.connect(self._pull)
        self._pull()

    def close_section(self) -> None:
        """Leave the session alone from now on."""
        self._session.data_changed.disconnect(self._pull)

    def _pull(self, data: Data | None = None) -> None:
        data = self._session.data
        if data.map_path is not None:
            self.map_row.set_path(data.map_path)
        if data.star_path is not None:
            self.star_row.set_path(data.star_path)
        is_empty = data.particles is None and data.density is None
        self.welcome.setVisible(is_empty)
        self.sample_button.setVisible(is_empty)
        self.facts.show_rows(summary(data))
        self.warning.setText("\N{WARNING SIGN} " + "\n\n".join(data.warnings))
        self.warning.setVisible(bool(data.warnings))
        mended = data.mended_pixel_size_angstrom
        self.mend_button.setVisible(mended is not None)
        if mended is not None:
            self.mend_button.setText(f"Take the map's pixels as {mended:.4g} Å")
        self.notes.setText("\n".join(f"Note: {note}" for note in data.notes))
        self.notes.setVisible(bool(data.notes))

    def _on_chosen(self, _path: Path | None) -> None:
        self.wanted.emit(self.star_row.path(), self.map_row.path(), None)

    def _on_mend(self) -> None:
        data = self._session.data
        self.wanted.emit(data.star_path, data.map_path, data.mended_pixel_size_angstrom)

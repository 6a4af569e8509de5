"""What is remembered from one day to the next: settings, files, and how the panel is laid out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.session.session import Session

ORGANISATION = APPLICATION = "napari-cryoorient"
# Symmetry, labels, w and box belong to one data set; these belong to the user.
REMEMBERED = ("preset", "minutes", "steps", "batch_size", "device", "precision")


class Memory:
    """Reads and writes the user's own file of settings (QSettings)."""

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = QSettings(ORGANISATION, APPLICATION) if store is None else store

    def recall_settings(self, session: Session) -> None:
        """Set training settings as they were; what no longer fits is forgotten."""
        values = self._json("settings")
        if not isinstance(values, dict):
            return
        known = {k: v for k, v in values.items() if k in REMEMBERED}
        for name, value in known.items():
            try:
                session.adopt_settings(**{name: value})
            except InputError:
                continue

    def keep_settings(self, settings: TrainConfig) -> None:
        """Remember training settings."""
        values = settings.model_dump(include=set(REMEMBERED))
        self._store.setValue("settings", json.dumps(values))

    def folder(self) -> Path:
        """Return the folder files were last chosen from."""
        text = self._store.value("folder", "")
        folder = Path(str(text)) if text else Path.home()
        return folder if folder.is_dir() else Path.home()

    def keep_folder(self, folder: Path) -> None:
        """Remember the folder files were chosen from."""
        self._store.setValue("folder", str(folder))

    def layout(self) -> dict[str, Any]:
        """Return where docks stood, their sizes and the tabs in front; empty if never kept."""
        values = self._json("layout")
        return values if isinstance(values, dict) else {}

    def keep_layout(self, layout: dict[str, Any]) -> None:
        """Remember where docks stand, their sizes and the tabs in front."""
        self._store.setValue("layout", json.dumps(layout))

    def _json(self, key: str) -> Any:
        try:
            return json.loads(str(self._store.value(key, "null")))
        except ValueError:
            return None

"""Keeping and rejecting by hand: a mark is in the session at once, and in a file by the stack."""

from __future__ import annotations

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.background import Notify
from napari_cryoorient.session.marks import Mark, load_marks, save_marks
from napari_cryoorient.session.session import Session


class Marking:
    """Marks the current particle and saves the marks of its stack."""

    def __init__(self, session: Session, notify: Notify) -> None:
        self._session = session
        self._notify = notify
        self._has_warned = False

    def recall(self) -> None:
        """Take the marks that were saved for the stack loaded now."""
        data = self._session.data
        if data.star_path is not None and data.particles is not None:
            try:
                marks = load_marks(data.star_path, tuple(data.particles.names))
            except OSError as error:
                self._notify.warning(f"Marks cannot be read: {error.strerror}: {error.filename}")
                return
            self._session.set_marks(marks)

    def mark(self, mark: Mark | None) -> None:
        """Keep or reject the current particle, or take its mark away."""
        self._session.mark(mark)
        self._save()

    def undo(self) -> None:
        """Take the last mark back."""
        self._session.undo_mark()
        self._save()

    def redo(self) -> None:
        """Make the last mark again that was taken back."""
        self._session.redo_mark()
        self._save()

    def _save(self) -> None:
        data = self._session.data
        if data.star_path is None or data.particles is None:
            return
        try:
            save_marks(self._session.marks, data.star_path, tuple(data.particles.names))
        except (InputError, OSError) as error:
            if not self._has_warned:
                self._has_warned = True
                self._notify.warning(f"{error} Marks last until napari is closed.")

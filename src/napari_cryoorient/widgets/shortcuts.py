"""Keys of the panel and of what it draws, declared once: bound here, listed in the help sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.display_filter import DISPLAY_LOW_PASS_ANGSTROM


@dataclass(frozen=True)
class Key:
    """A key, what it does in words, and what it does."""

    sequence: str
    words: str
    do: Callable[[], None]


def keys_of(controller: Controller) -> tuple[Key, ...]:
    """Return all keys, in the order they are listed in."""
    session, marking = controller.session, controller.marking

    def step(by: int) -> Callable[[], None]:
        return lambda: session.set_particle(session.particle + by)

    def toggle_low_pass() -> None:
        is_on = session.low_pass_angstrom is not None
        session.set_low_pass(None if is_on else DISPLAY_LOW_PASS_ANGSTROM)

    def toggle_blink() -> None:
        session.set_fourth("none" if session.fourth == "blink" else "blink")

    def train_or_stop() -> None:
        if session.is_training:
            controller.stop()
        else:
            controller.train()

    return (
        Key("N", "Next particle", step(1)),
        Key("P", "Previous particle", step(-1)),
        Key("W", "Next worse particle", lambda: session.step_in_ranking(+1)),
        Key("B", "Next better particle", lambda: session.step_in_ranking(-1)),
        Key(
            "K",
            "Keep this particle, whatever the filter says",
            lambda: marking.mark("keep"),
        ),
        Key("R", "Reject this particle", lambda: marking.mark("reject")),
        Key("U", "Clear the mark of this particle", lambda: marking.mark(None)),
        Key("Ctrl+Z", "Undo the last mark", marking.undo),
        Key("Ctrl+Shift+Z", "Redo the last mark", marking.redo),
        Key("L", "Low-pass on or off", toggle_low_pass),
        Key("F", "Blink both projections, or stop that", toggle_blink),
        Key("Ctrl+Return", "Train, or stop the run", train_or_stop),
    )


HELP = Key("F1", "This list", lambda: None)


def bind(widget: QWidget, controller: Controller) -> None:
    """Let the keys work wherever the focus is inside a widget; napari's own keys stay elsewhere."""
    for key in keys_of(controller):
        _bind(widget, key.sequence, key.do)
    _bind(widget, HELP.sequence, lambda: show_help(widget, controller))


def _bind(widget: QWidget, sequence: str, do: Callable[[], None]) -> None:
    shortcut = QShortcut(QKeySequence(sequence), widget)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.activated.connect(do)


def help_text(controller: Controller) -> str:
    """Return the help sheet as rich text."""
    rows = "".join(
        f"<tr><td><b>{escape(key.sequence)}</b>&nbsp;&nbsp;</td><td>{escape(key.words)}</td></tr>"
        for key in (*keys_of(controller), HELP)
    )
    return f"<p>With the focus in the panel, the images or the plots:</p><table>{rows}</table>"


def show_help(parent: QWidget, controller: Controller) -> None:
    """Show the help sheet, without holding anything up."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("Keys of CryoOrient")
    box.setTextFormat(Qt.TextFormat.RichText)
    box.setText(help_text(controller))
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    box.open()

"""What napari and the plugin have to say, in the panel: whole sentences, until they are read.

napari shows its notifications on its own canvas for some seconds, cut to about a line; while that
canvas is folded away they would not be seen at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari.settings import get_settings
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

INFO_MS = 15_000  # good news goes by itself; what went wrong stays until it is closed
LONGEST = 600  # letters; all of a longer message is in the tooltip
SIGNS = {"info": "\N{CHECK MARK}", "warning": "\N{WARNING SIGN}", "error": "\N{BALLOT X}"}


@dataclass(frozen=True)
class Message:
    """A sentence, and whether it is "info", "warning" or "error"."""

    text: str
    severity: str


class MessageBar(QFrame):
    """Shows the newest message with a button to close it; those before it wait below."""

    _told = Signal(object)  # from whatever thread into the window's own

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._messages: list[Message] = []
        self.sign = QLabel()
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.more = QLabel()
        self.close_button = QToolButton()
        self.close_button.setText("\N{MULTIPLICATION SIGN}")
        self.close_button.setToolTip("<p>Close this message</p>")
        self.close_button.setAccessibleName("Close this message")
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 4, 4, 4)
        top = Qt.AlignmentFlag.AlignTop
        line.addWidget(self.sign, 0, top)
        line.addWidget(self.label, 1)
        line.addWidget(self.more, 0, top)
        line.addWidget(self.close_button, 0, top)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.close_message)
        self.close_button.clicked.connect(self.close_message)
        self._told.connect(self.show_message)
        notification_manager.notification_ready.connect(self._on_notification)
        self._pull()

    def close_bar(self) -> None:
        """Hear no more of napari's notifications."""
        self._timer.stop()
        notification_manager.notification_ready.disconnect(self._on_notification)

    def show_message(self, message: Message) -> None:
        """Show a message on top of those that have not been closed; once, if it is told again."""
        self._messages = [
            old for old in self._messages if old != message and old.severity != "info"
        ]
        self._messages.append(message)
        self._pull()

    def close_message(self) -> None:
        """Take the message away that is shown, and show the one before it."""
        if self._messages:
            self._messages.pop()
        self._pull()

    @property
    def message(self) -> Message | None:
        """The message that is shown."""
        return self._messages[-1] if self._messages else None

    def _on_notification(self, notification: Notification) -> None:
        severity = notification.severity
        if severity < get_settings().application.gui_notification_level:
            return
        name = "error" if severity > NotificationSeverity.WARNING else str(severity)
        self._told.emit(Message(str(notification.message), name))

    def _pull(self) -> None:
        message = self.message
        self.setVisible(message is not None)
        self._timer.stop()
        if message is None:
            return
        cut = message.text[: LONGEST - 1] + "…" if len(message.text) > LONGEST else message.text
        self.sign.setText(SIGNS.get(message.severity, SIGNS["info"]))
        self.label.setText(cut)
        self.label.setToolTip(message.text)
        self.setAccessibleName(message.text)
        n_more = len(self._messages) - 1
        self.more.setText(f"+{n_more}")
        self.more.setToolTip(f"<p>{n_more} more below this one</p>")
        self.more.setVisible(n_more > 0)
        if message.severity == "info":
            self._timer.start(INFO_MS)

"""A part of the panel that folds away under its title."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSignalBlocker
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

EXPANDED_ICON, COLLAPSED_ICON = (
    "\N{BLACK DOWN-POINTING TRIANGLE}",
    "\N{BLACK RIGHT-POINTING TRIANGLE}",
)


class Part(QCollapsible):
    """Folds at once, and grows with what is in it.

    The collapsible it is made of takes its height when it is unfolded: what is shown or unfolded
    inside it later would be squeezed into that.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent, expandedIcon=EXPANDED_ICON, collapsedIcon=COLLAPSED_ICON)
        self.setDuration(0)
        layout = self.layout()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
        self.content().hide()

    def expand(self, animate: bool = True) -> None:
        """Show what is inside."""
        self.content().show()
        super().expand(animate)

    def collapse(self, animate: bool = True) -> None:
        """Hide what is inside, from the keyboard too."""
        super().collapse(animate)
        self.content().hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take the height that the content asks for now."""
        if watched is None or event is None:
            return False
        if event.type() == QEvent.Type.LayoutRequest and self.isExpanded():
            with QSignalBlocker(self):
                self.expand(animate=False)
        return bool(super().eventFilter(watched, event))

"""Numbers typed by people: read alike in every locale, with a point or a comma."""

from __future__ import annotations

from qtpy.QtCore import QLocale
from qtpy.QtGui import QDoubleValidator, QIntValidator, QValidator
from qtpy.QtWidgets import QLineEdit, QWidget

Checked = tuple[QValidator.State, str, int]


class IntOrEmpty(QIntValidator):
    """Takes whole numbers, or nothing."""

    def __init__(self, low: int = -(2**31), high: int = 2**31 - 1) -> None:
        super().__init__()
        self.setRange(low, high)
        self.setLocale(_locale())

    def validate(self, text: str | None, position: int) -> Checked:
        """Say whether a text will do."""
        if not (text or "").strip():
            return QValidator.State.Acceptable, text or "", position
        return super().validate(text, position)


class FloatOrEmpty(QDoubleValidator):
    """Takes numbers, or nothing; a comma that is typed becomes the point it means."""

    def __init__(self, low: float = -1e300, high: float = 1e300, decimals: int = -1) -> None:
        super().__init__()
        self.setBottom(low)
        self.setTop(high)
        self.setDecimals(decimals)
        self.setLocale(_locale())

    def validate(self, text: str | None, position: int) -> Checked:
        """Say whether a text will do."""
        if not (text or "").strip():
            return QValidator.State.Acceptable, text or "", position
        return super().validate((text or "").replace(",", "."), position)


class NumberEdit(QLineEdit):
    """A line for one number, which may be left empty."""

    def __init__(self, validator: QValidator, placeholder: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setValidator(validator)
        self.setPlaceholderText(placeholder)

    def number(self) -> float | None:
        """Return what was typed; None where it is empty."""
        text = self.text().strip()
        return float(text) if text and self.hasAcceptableInput() else None


def _locale() -> QLocale:
    """Return C's locale without groups: 1.000 is one, not a thousand."""
    locale = QLocale.c()
    locale.setNumberOptions(
        QLocale.NumberOption.RejectGroupSeparator | QLocale.NumberOption.OmitGroupSeparator
    )
    return locale

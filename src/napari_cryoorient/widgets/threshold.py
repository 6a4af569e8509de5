"""A threshold that follows the data: the slider runs over their quantiles, not over their range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

STEPS = 200


class ThresholdSlider(QWidget):
    """Every step lets about as many particles through as the one before, outliers or not."""

    valueChanged = Signal(float)  # noqa: N815  # as Qt's sliders call it

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sorted: NDArray[np.float64] = np.zeros(1)
        self._form, self._unit = ".2f", ""
        self._value = 0.0
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setAccessibleName("Threshold")
        self.label = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.label)
        self.slider.valueChanged.connect(self._on_step)

    def set_values(self, values: NDArray[np.float64], form: str, unit: str) -> None:
        """Take the figures that the threshold divides, and how they are written."""
        known = np.sort(values[np.isfinite(values)])
        self._sorted = known if len(known) else np.zeros(1)
        self._form, self._unit = form, unit
        self._show()

    def value(self) -> float:
        """Return the threshold."""
        return self._value

    def setValue(self, value: float) -> None:  # noqa: N802  # as Qt's sliders call it
        """Take a threshold, between two steps if need be."""
        if value != self._value:
            self._value = value
            self._show()
            self.valueChanged.emit(value)

    def middle(self) -> float:
        """Return the threshold that lets half of the particles through."""
        return self._as_shown(float(np.quantile(self._sorted, 0.5)))

    def _as_shown(self, value: float) -> float:
        """Round as the label does: what is read is what counts."""
        return float(np.round(value, int(self._form[1:-1])))

    def _on_step(self, step: int) -> None:
        self._value = self._as_shown(float(np.quantile(self._sorted, step / STEPS)))
        self._show_number()
        self.valueChanged.emit(self._value)

    def _show(self) -> None:
        below = np.searchsorted(self._sorted, self._value, side="left")
        part = below / max(len(self._sorted) - 1, 1)
        with signals_blocked(self.slider):
            self.slider.setValue(round(STEPS * min(float(part), 1.0)))
        self._show_number()

    def _show_number(self) -> None:
        self.label.setText(f"{self._value:{self._form}}{self._unit}")

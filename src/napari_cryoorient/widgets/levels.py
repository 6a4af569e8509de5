"""Grey levels and colours of the pictures, as napari's layer controls have them.

The pictures lie in a canvas of the plugin's own, which napari's layer controls know nothing of.
"""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

from napari_cryoorient.viewer.triptych import COLOURS, Group, Levels, Triptych

STEPS = 300  # the middle third runs from the black to the white of the beginning
NAMES: dict[Group, str] = {
    "image": "Image",
    "projections": "Projections",
    "difference": "Difference",
}


class LevelsRow(QWidget):
    """A line for each kind of picture with its black and its white, and the colours of all."""

    def __init__(self, triptych: Triptych, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._triptych = triptych
        self.sliders: dict[Group, tuple[QSlider, QSlider]] = {}
        self._labels: dict[Group, tuple[QLabel, QLabel]] = {}
        self.colours = QComboBox()
        self.colours.setAccessibleName("Colours of the pictures")
        self.colours.addItems(list(COLOURS))
        grid = QGridLayout(self)
        grid.setContentsMargins(2, 0, 2, 0)
        grid.setVerticalSpacing(2)
        for row, (group, name) in enumerate(NAMES.items()):
            black_label, white_label = QLabel(f"{name}: black"), QLabel("white")
            self._labels[group] = black_label, white_label
            black, white = self.sliders[group] = (
                _slider(f"{name}: black"),
                _slider(f"{name}: white"),
            )
            for column, widget in enumerate((black_label, black, white_label, white)):
                grid.addWidget(widget, row, column)
            for slider in (black, white):
                slider.valueChanged.connect(lambda _, group=group: self._on_slider(group))
        grid.addWidget(self.colours, 0, 4)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.colours.currentTextChanged.connect(triptych.set_colours)
        self.pull()

    def pull(self) -> None:
        """Show the levels that the pictures have."""
        for group, (black, white) in self.sliders.items():
            levels = self._triptych.levels(group)
            for widget in (*self._labels[group], black, white):
                widget.setVisible(levels is not None)
            if levels is None:
                continue
            for slider, value in ((black, levels.black), (white, levels.white)):
                with signals_blocked(slider):
                    slider.setValue(round(STEPS * levels.part_of(value)))
                slider.setToolTip(f"<p>{slider.accessibleName()} at {value:.3g}</p>")
        with signals_blocked(self.colours):
            self.colours.setCurrentText(self._triptych.colours)

    def _on_slider(self, group: Group) -> None:
        levels = self._triptych.levels(group)
        if levels is None:
            return
        black, white = (slider.value() for slider in self.sliders[group])
        if black >= white:  # the other one is pushed along
            moved_black = round(STEPS * levels.part_of(levels.black)) != black
            black, white = (black, black + 1) if moved_black else (white - 1, white)
        self._triptych.set_levels(group, _value(levels, black), _value(levels, white))
        self.pull()


def _value(levels: Levels, step: int) -> float:
    return levels.at(step / STEPS)


def _slider(name: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, STEPS)
    slider.setPageStep(STEPS // 20)
    slider.setMinimumWidth(50)
    slider.setAccessibleName(name)
    return slider

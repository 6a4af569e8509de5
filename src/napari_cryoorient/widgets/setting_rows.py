"""Rows of settings, made from the fields of a config."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union, get_args, get_origin

from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget
from superqt.utils import signals_blocked

from napari_cryoorient.config import PRESETS, Config, TrainConfig
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.numbers import FloatOrEmpty, IntOrEmpty, NumberEdit

AUTOMATIC = "automatic"
Tell = Callable[[str, Any], None]

_CHOICES = {
    ("labels", "star"): "the STAR file's poses",
    ("labels", "simulated"): "projections of the map",
    ("labels", "search"): "a global search",
}


class SettingRows:
    """One row a field in a form; ``tell(name, value)`` hears what the user chose."""

    def __init__(self, names: Iterable[str], form: QFormLayout, tell: Tell) -> None:
        self._rows: dict[str, _Row] = {}
        for name in names:
            row = _row_of(name, tell)
            row.widget.setToolTip(tooltip_of(TrainConfig, name))
            row.widget.setObjectName(name)
            label = label_of(TrainConfig, name)
            row.widget.setAccessibleName(label)
            form.addRow(label, row.widget)
            self._rows[name] = row

    def __getitem__(self, name: str) -> QWidget:
        return self._rows[name].widget

    def pull(self, settings: TrainConfig) -> None:
        """Show settings; nothing is told."""
        preset = PRESETS[settings.preset].values
        for name, row in self._rows.items():
            with signals_blocked(row.widget):
                row.show(getattr(settings, name), preset.get(name))

    def allow(self, name: str, choice: str, is_allowed: bool) -> None:
        """Let the user take one choice of a row, or not."""
        row = self._rows[name]
        if isinstance(row, _Choice):
            row.allow(choice, is_allowed)

    def set_enabled(self, is_enabled: bool) -> None:
        """Let the user change the rows, or only read them."""
        for row in self._rows.values():
            row.widget.setEnabled(is_enabled)


def label_of(model: type[Config], name: str) -> str:
    """Return the label of a field, its unit behind it."""
    setting = model.setting(name)
    unit = {"A": "Å"}.get(str(setting.unit), setting.unit)
    text = setting.label or name.replace("_", " ").capitalize()
    return f"{text} ({unit})" if unit and unit != name else text


def tooltip_of(model: type[Config], name: str) -> str:
    """Return what a field is, in the window's words."""
    return f"<p>{on_screen(model.setting(name).help)}</p>"


def number_of(model: type[Config], name: str) -> NumberEdit:
    """Return a line for a number within the bounds of a field, which may be left empty."""
    setting = model.setting(name)
    low = setting.ge if setting.ge is not None else -1e9
    high = setting.le if setting.le is not None else 1e9
    kind, _ = _without_none(model.model_fields[name].annotation)
    validator = IntOrEmpty(int(low), int(high)) if kind is int else FloatOrEmpty(low, high, 2)
    edit = NumberEdit(validator, setting.left_open or AUTOMATIC)
    edit.setToolTip(tooltip_of(model, name))
    edit.setAccessibleName(label_of(model, name))
    return edit


class _Row:
    """A field's widget, and how a value is shown in it."""

    widget: QWidget

    def show(self, value: Any, preset_value: Any) -> None:
        raise NotImplementedError


class _Choice(_Row):
    def __init__(self, name: str, choices: tuple[str, ...], is_optional: bool, tell: Tell) -> None:
        self._name, self._is_optional = name, is_optional
        self.widget: QComboBox = QComboBox()
        # Narrow columns: the longest choice must not set the panel's width.
        self.widget.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.widget.setMinimumContentsLength(6)
        if is_optional:
            self.widget.addItem(AUTOMATIC, None)
        for choice in choices:
            self.widget.addItem(_CHOICES.get((name, choice), choice), choice)
        self.widget.currentIndexChanged.connect(lambda i: tell(name, self.widget.itemData(i)))

    def show(self, value: Any, preset_value: Any) -> None:
        if self._is_optional:
            preset = _CHOICES.get((self._name, str(preset_value)), preset_value)
            text = AUTOMATIC if preset_value is None else f"preset ({preset})"
            self.widget.setItemText(0, text)
        self.widget.setCurrentIndex(self.widget.findData(value))

    def allow(self, choice: str, is_allowed: bool) -> None:
        """Let the user take a choice, or not."""
        model = self.widget.model()
        item = (
            model.item(self.widget.findData(choice))
            if isinstance(model, QStandardItemModel)
            else None
        )
        if item is not None:
            item.setEnabled(is_allowed)


class _Entry(_Row):
    """A number or a text; left empty it is the preset's where that is allowed."""

    def __init__(self, name: str, kind: type, default: Any, is_optional: bool, tell: Tell) -> None:
        self._name, self._kind, self._default, self._announce = name, kind, default, tell
        self._is_optional = is_optional
        self.widget: QLineEdit = QLineEdit()
        self.widget.setMinimumWidth(60)
        if kind is not str:
            self.widget.setValidator(IntOrEmpty() if kind is int else FloatOrEmpty())
        self.widget.editingFinished.connect(self._on_edited)

    def show(self, value: Any, preset_value: Any) -> None:
        if self._is_optional:
            text = "automatic" if preset_value is None else f"preset ({preset_value:g})"
            self.widget.setPlaceholderText(text)
        shown = "" if value is None else f"{value:g}" if self._kind is float else str(value)
        if shown != self.widget.text():
            self.widget.setText(shown)
        self.widget.setModified(False)

    def _on_edited(self) -> None:
        if not self.widget.isModified():
            return
        self.widget.setModified(False)
        text = self.widget.text().strip()
        if not text:
            self._announce(self._name, None if self._is_optional else self._default)
        else:
            self._announce(self._name, self._kind(text))


def _row_of(name: str, tell: Tell) -> _Row:
    field = TrainConfig.model_fields[name]
    kind, is_optional = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        return _Choice(name, get_args(kind), is_optional, tell)
    return _Entry(name, kind, field.default, is_optional, tell)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Part an annotation into what it is and whether it may be None."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0], True
    return annotation, False

"""Rows of training settings, made from the fields of ``TrainConfig``."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget
from superqt.utils import signals_blocked

from napari_cryoorient.config import FAST_VALUES, PAPER_VALUES, TrainConfig
from napari_cryoorient.session.words import on_screen
from napari_cryoorient.widgets.numbers import FloatOrEmpty, IntOrEmpty

AUTOMATIC = "automatic"
Tell = Callable[[str, Any], None]

_LABELS = {
    "w": "w",
    "n_folds": "Folds",
    "fold": "Held-out fold",
    "n_labels": "To label",
    "warm_up": "Warm-up",
    "from_run": "Fine-tune from",
    "box": "Working box",
    "labels": "Labels from",
    "minutes": "Time",
}

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
            field = TrainConfig.model_fields[name]
            row = _row_of(name, field, tell)
            row.widget.setToolTip(f"<p>{on_screen(field.description or '')}</p>")
            row.widget.setObjectName(name)
            label = label_of(name, field)
            row.widget.setAccessibleName(label)
            form.addRow(label, row.widget)
            self._rows[name] = row

    def __getitem__(self, name: str) -> QWidget:
        return self._rows[name].widget

    def pull(self, settings: TrainConfig) -> None:
        """Show settings; nothing is told."""
        preset = PAPER_VALUES if settings.preset == "paper" else FAST_VALUES
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


def label_of(name: str, field: FieldInfo) -> str:
    """Return the label of a field, its unit behind it."""
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    unit = {"A": "Å"}.get(str(unit), unit)
    text = _LABELS.get(name, name.replace("_", " ").capitalize())
    return f"{text} ({unit})" if unit and unit != name else text


class _Row:
    """A field's widget, and how a value is shown in it."""

    widget: QWidget

    def show(self, value: Any, preset_value: Any) -> None:
        raise NotImplementedError


class _Choice(_Row):
    def __init__(self, name: str, choices: tuple[str, ...], is_optional: bool, tell: Tell) -> None:
        self._name, self._is_optional = name, is_optional
        self.widget: QComboBox = QComboBox()
        # Narrow columns: the longest choice shall not set the panel's width.
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
        self._name, self._kind, self._default, self._tell = name, kind, default, tell
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
            self._tell(self._name, None if self._is_optional else self._default)
        else:
            self._tell(self._name, self._kind(text))


def _row_of(name: str, field: FieldInfo, tell: Tell) -> _Row:
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

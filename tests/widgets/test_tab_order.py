"""Tab goes down each step, and everything it stops at has a name for a screen reader."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.data_section import DataSection
from napari_cryoorient.widgets.export_section import ExportSection
from napari_cryoorient.widgets.inspect_section import InspectSection
from napari_cryoorient.widgets.tab_order import order_tabs
from napari_cryoorient.widgets.train_section import TrainSection

from .conftest import AtOnce, Told


def test_the_order_is_that_of_the_layout(qtbot):
    root = QWidget()
    qtbot.addWidget(root)
    last, first = QPushButton("last", root), QPushButton("first", root)  # made the other way round
    layout = QVBoxLayout(root)
    for widget in (QLabel("words"), first, last):
        layout.addWidget(widget)
    assert order_tabs(root) == [first, last]
    following = first.nextInFocusChain()
    while not following.focusPolicy() & Qt.FocusPolicy.TabFocus:
        following = following.nextInFocusChain()
    assert following is last


def test_forms_and_grids_are_gone_through_row_by_row(qtbot):
    root = QWidget()
    qtbot.addWidget(root)
    column, form, grid = QVBoxLayout(root), QFormLayout(), QGridLayout()
    column.addLayout(form)
    column.addLayout(grid)
    names = ("first", "second", "third", "left", "right", "below")
    buttons = {name: QPushButton(name) for name in names}
    form.addRow("a", buttons["first"])
    form.addRow("c", buttons["third"])
    form.insertRow(1, "b", buttons["second"])
    grid.addWidget(buttons["below"], 1, 0)
    grid.addWidget(buttons["right"], 0, 1)
    grid.addWidget(buttons["left"], 0, 0)
    assert [button.text() for button in order_tabs(root)] == list(names)


@pytest.mark.parametrize("kind", [DataSection, TrainSection, InspectSection, ExportSection])
def test_all_that_tab_stops_at_has_a_name(qtbot, kind):
    controller = Controller(Session(), AtOnce(), Told())
    section = kind(controller.session) if kind is DataSection else kind(controller)
    qtbot.addWidget(section)
    stops = order_tabs(section)
    assert len(stops) > 2
    for widget in stops:
        name = widget.accessibleName() or (
            widget.text() if isinstance(widget, QAbstractButton) else ""
        )
        assert name, widget
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    section.close_section()

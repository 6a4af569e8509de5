"""A part that is unfolded leaves what is in it the height it wants, at any time."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cryoorient.widgets.part import Part


def test_what_unfolds_inside_a_part_is_not_squeezed(qtbot):
    holder = QWidget()
    column = QVBoxLayout(holder)
    outer, inner, content = Part("outer"), Part("inner"), QWidget()
    column.addWidget(outer)
    column.addStretch(1)
    rows = QVBoxLayout(content)
    label, tall = QLabel("a line"), QLabel("tall")
    tall.setFixedHeight(150)
    rows.addWidget(label)
    rows.addWidget(inner)
    inner.addWidget(tall)
    outer.addWidget(content)
    qtbot.addWidget(holder)
    holder.resize(300, 600)
    holder.show()
    toggles = []
    outer.expand(animate=False)
    outer.toggled.connect(toggles.append)
    before = outer.height()
    inner.expand(animate=False)
    qtbot.waitUntil(lambda: outer.height() >= before + 140)
    assert label.height() >= label.sizeHint().height()
    assert toggles == []  # it was unfolded all the time
    outer.collapse(animate=False)
    qtbot.waitUntil(lambda: not content.isVisible() or outer.height() < 60)
    inner.collapse(animate=False)
    assert not outer.isExpanded()

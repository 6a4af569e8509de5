"""The table sorts by any column, follows the filter, and goes both ways with the slider."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt

from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.table_panel import TablePanel


def test_sort_click_and_filter(qtbot, made):
    session = Session()
    session.set_data(load_data(made.star, made.map))
    particles = session.data.particles
    errors = np.random.default_rng(1).permutation(len(particles)).astype(float)
    session.set_predictions(Predictions(Path("p"), particles.poses, None, errors, None))
    panel = TablePanel(session)
    qtbot.addWidget(panel)
    panel.show()
    model = panel.model
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
    assert titles[:2] == ["particle", "angular error (°)"]
    panel.view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert errors[model.particle_of(0)] == errors.max()
    panel.view.clicked.emit(model.index(0, 0))
    assert errors[session.particle] == errors.max()
    session.set_selection("angular error", 9.0)
    qtbot.waitUntil(lambda: model.rowCount() == 10)
    assert errors[model.particle_of(0)] == 9.0
    session.set_particle(int(np.flatnonzero(errors == 4)[0]))
    (row,) = {index.row() for index in panel.view.selectionModel().selectedRows()}
    assert model.data(model.index(row, 1)) == "4.00"
    panel.close_canvas()
    assert len(session.selection_changed) == 0

"""The table sorts by any column, follows the filter, and goes both ways with the slider."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt

from napari_cryoorient.geometry.rotations import matrix_to_euler_zyz_deg
from napari_cryoorient.session.data import load_data
from napari_cryoorient.session.inspection import Predictions
from napari_cryoorient.session.session import Session
from napari_cryoorient.widgets.table_tab import TableTab


def test_sort_click_and_filter(qtbot, made):
    session = Session()
    session.set_data(load_data(made.star, made.map))
    particles = session.data.particles
    errors = np.random.default_rng(1).permutation(len(particles)).astype(float)
    session.set_predictions(Predictions(Path("p"), particles.poses, None, errors, None))
    tab = TableTab(session)
    qtbot.addWidget(tab)
    tab.show()
    model = tab.model
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
    assert titles[:2] == ["particle", "angular\nerror (°)"]
    tab.view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert errors[model.particle_of(0)] == errors.max()
    tab.view.clicked.emit(model.index(0, 0))
    assert errors[session.particle] == errors.max()
    session.set_selection("angular error", 9.0)
    qtbot.waitUntil(lambda: model.rowCount() == 10)
    assert errors[model.particle_of(0)] == 9.0
    session.set_particle(int(np.flatnonzero(errors == 4)[0]))
    (row,) = {index.row() for index in tab.view.selectionModel().selectedRows()}
    assert model.data(model.index(row, 1)) == "4.0"
    tab.close_canvas()
    assert len(session.selection_changed) == 0


def test_every_figure_has_a_column_with_its_unit_and_the_order_outlives_new_ones(qtbot, made):
    session = Session()
    session.set_data(load_data(made.star, made.map))
    poses = session.data.particles.poses
    n = len(poses)
    session.set_predictions(Predictions(Path("p"), poses, np.linspace(0, 1, n), None, None))
    tab = TableTab(session)
    qtbot.addWidget(tab)
    model = tab.model

    def titles():
        return [
            model.headerData(i, Qt.Orientation.Horizontal).replace("\n", " ")
            for i in range(model.columnCount())
        ]

    angles = ["rot (°)", "tilt (°)", "psi (°)"]
    shifts = ["shift x (Å)", "shift y (Å)"]
    assert titles() == ["particle", "confidence", *angles, *shifts]
    tab.view.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    tilt = matrix_to_euler_zyz_deg(poses.rotations)[:, 1]
    assert model.data(model.index(0, 3)) == f"{tilt.max():.1f}"
    session.set_correlations(np.linspace(1, 0, n))
    qtbot.waitUntil(lambda: model.columnCount() == 8)
    assert titles() == ["particle", "confidence", "correlation", *angles, *shifts]
    assert tab.view.horizontalHeader().sortIndicatorSection() == 4
    assert model.data(model.index(0, 4)) == f"{tilt.max():.1f}"
    tab.close_canvas()

"""Error against w: the best of several runs, folds counted together; a sweep started and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.follow import RunView
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.sweeps import best_w, means_of, points_of

from .conftest import AtOnce, Stack, Told


def run(w: float, value: float | None, name: str = "run") -> RunView:
    lines = ({"step": 1, "w": 0.5, "test_relative_rmse": 9.0}, {"step": 2, "w": w})
    last = {"step": 3, "w": w, "test_relative_rmse": value}
    return RunView(Path(name), "finished", metrics=(*lines, last) if value else ({"w": w},))


def test_a_run_counts_with_its_last_test_at_its_last_w() -> None:
    points = points_of([run(0.8, 0.3), run(0.1, 0.4), run(0.4, None)], "test_relative_rmse")
    assert [(point.w, point.value) for point in points] == [(0.1, 0.4), (0.8, 0.3)]


def test_the_best_w_is_that_of_the_least_mean_over_its_folds() -> None:
    runs = [run(0.2, 0.10), run(0.2, 0.50), run(0.6, 0.25), run(0.6, 0.27), run(1.0, 0.9)]
    points = points_of(runs, "test_relative_rmse")
    assert [w for w, _ in means_of(points)] == [0.2, 0.6, 1.0]
    assert means_of(points)[0][1] == pytest.approx(0.3)
    assert best_w(points) == 0.6
    assert best_w(points[:2]) is None  # one w alone is no best
    assert best_w([]) is None


def test_a_sweep_is_the_command_with_the_settings_of_the_panel(
    made: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    controller.session.change_settings(w=0.3, symmetry="D2", steps=7)
    asked: list[Any] = []
    monkeypatch.setattr(controller.pose_jobs, "start_command", lambda *of: asked.append(of))
    controller.sweeps.start("0.1,0.5")
    ((_, arguments, folder, _),) = asked
    text = " ".join(arguments)
    assert text.startswith(f"sweep {made.star} --map {made.map} -o {folder} --w-values 0.1,0.5")
    assert "--symmetry D2" in text
    assert "--steps 7" in text
    assert "--w " not in text
    assert folder.parent == made.star.parent / "cryoorient"


def test_runs_of_a_sweep_show_up_as_they_come(made: Stack, tmp_path: Path) -> None:
    from napari_cryoorient.session.process_job import JobView

    from .test_comparison import write_run

    controller = Controller(Session(), AtOnce(), Told())
    view = JobView("Sweep over w", tmp_path)
    controller.sweeps._on_look(view)
    assert controller.session.compared == ()
    for n, w in enumerate((0.1, 0.5), start=1):
        write_run(tmp_path / "runs" / f"w{w:.2f}", w)
        controller.sweeps._on_look(view)
        controller.sweeps._on_look(view)
        assert len(controller.session.compared) == n


def test_the_end_of_a_sweep_names_its_best_w(tmp_path: Path) -> None:
    from napari_cryoorient.session.pose_jobs import words_of
    from napari_cryoorient.session.process_job import JobView

    results = {"kind": "sweep", "best": {"w": 0.4, "test_relative_rmse": 0.2}}
    assert words_of(JobView("Runs", tmp_path, "finished", results=results)) == "best w 0.4"


def test_flags_are_spelt_as_the_command_line_takes_them() -> None:
    import inspect

    from napari_cryoorient.cli import train
    from napari_cryoorient.config import TrainConfig

    assert TrainConfig(from_run="earlier").arguments() == ["--from", "earlier"]
    parameters = inspect.signature(train.run).parameters
    known = {
        flag
        for parameter in parameters.values()
        for option in getattr(parameter.annotation, "__metadata__", ())
        if hasattr(option, "param_decls")
        for flag in (option.default, *(option.param_decls or ()))  # typer keeps the first there
        if isinstance(flag, str)
    }
    changed = {"from_run": "earlier", "symmetry": "D2", "steps": 3, "batch_size": 4, "box": 32}
    arguments = TrainConfig(**changed).arguments(always={"w"})
    assert set(arguments[::2]) <= known

"""Buttons without a screen: load, train in a process of its own, steer, stop, resume, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.particle_block import particle_block
from napari_cryoorient.io.star import read_particles, read_star, write_star
from napari_cryoorient.session.controller import Controller
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.training_status import standing

from .conftest import BOX, AtOnce, N, Stack, Told


@pytest.fixture
def controller(made: Stack) -> Controller:
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(made.star, made.map)
    controller.session.change_settings(
        preset="paper", box=BOX, batch_size=2, weights="none", device="cpu", precision="float32"
    )
    return controller


def jobs_of(controller: Controller) -> AtOnce:
    assert isinstance(controller._jobs, AtOnce)
    return controller._jobs


def told(controller: Controller) -> Told:
    assert isinstance(controller._notify, Told)
    return controller._notify


def test_the_command_line_is_the_one_a_user_would_type(controller: Controller) -> None:
    command = controller.command()
    assert command.startswith("napari-cryoorient train ")
    assert f"--box {BOX}" in command
    assert "--preset paper" in command
    assert "--w 0.8" in command
    assert "--test-fraction" not in command  # as by default


def test_train_steer_stop_resume_predict_export(controller: Controller, tmp_path: Path) -> None:
    session, jobs = controller.session, jobs_of(controller)
    controller.run_dir = tmp_path / "run"
    session.change_settings(steps=100_000)
    controller.train()
    launched = controller._launched
    assert launched is not None
    assert session.is_training
    assert jobs.look_until(lambda: session.inspection.kind == "preview")
    session.change_settings(w=0.3)
    assert jobs.look_until(
        lambda: bool(session.run and session.run.metrics) and session.run.metrics[-1]["w"] == 0.3
    )
    controller.stop()
    assert standing(session.run, is_stopping=session.is_stopping).headline == "Stopping…"
    assert jobs.look_until(lambda: not session.is_training)
    assert session.run is not None
    assert session.run.state == "stopped"
    assert launched.exit_status() == 0  # no process is left behind
    last_step = session.run.metrics[-1]["step"]

    # What it has learned so far will do for poses of the whole stack.
    controller.pose_jobs.predict()
    assert (session.inspection.kind, len(session.inspection)) == ("predictions", N)
    assert session.run.state == "stopped"

    # Resumed with fewer steps than were done: it goes on to predict at once.
    arguments = controller._arguments(tmp_path / "run")
    assert "--steps" in arguments
    star, map_path = arguments[1], arguments[3]
    again = ["train", star, "--map", map_path, "-o", str(tmp_path / "run"), "--resume"]
    controller.refines_afterwards = True
    controller._start([*again, "--steps", str(last_step + 1)], tmp_path / "run")
    assert jobs.look_until(lambda: not session.is_training)
    assert session.run.state == "finished", told(controller).errors
    assert session.inspection.kind == "predictions"
    assert session.inspection.source == "network, refined"  # as was requested
    assert session.inspection.errors_deg is not None
    assert len(session.inspection.errors_deg) == N

    session.set_selection("angular error", float(np.median(session.inspection.errors_deg)))
    out = tmp_path / "best.star"
    controller.exports.poses(out, "kept")
    n_kept = len(session.selected())  # half of them, and those whose figure reads the same
    assert 12 <= n_kept < N
    assert f"{n_kept} particles written" in told(controller).infos[-1]
    before = particle_block(read_star(star)).table
    after = particle_block(read_star(out)).table
    kept = session.selected()
    assert set(before.columns) <= set(after.columns)
    assert after["rlnImageName"].tolist() == before["rlnImageName"].iloc[kept].tolist()
    assert after["rlnDefocusU"].tolist() == before["rlnDefocusU"].iloc[kept].tolist()
    assert told(controller).errors == []


def test_the_user_s_own_star_is_never_written_over(controller: Controller) -> None:
    star = controller.session.data.star_path
    assert star is not None
    content = star.read_bytes()
    controller.exports.poses(star)
    assert len(told(controller).errors) == 1
    assert star.read_bytes() == content


def test_a_run_that_cannot_start_says_why(controller: Controller, tmp_path: Path) -> None:
    controller.run_dir = tmp_path / "run"
    controller.session.change_settings(weights=str(tmp_path / "no-such-weights.pt"))
    controller.train()
    jobs_of(controller).look_until(lambda: not controller.session.is_training)
    (sentence,) = told(controller).errors
    assert "no-such-weights.pt" in sentence
    assert controller.session.run is not None
    assert controller.session.run.state == "failed"


def test_a_killed_run_counts_as_crashed(controller: Controller, tmp_path: Path) -> None:
    session = controller.session
    controller.run_dir = tmp_path / "run"
    session.change_settings(steps=100_000)
    controller.train()
    assert jobs_of(controller).look_until(lambda: bool(session.run and session.run.metrics))
    assert controller._launched is not None
    controller._launched.kill()
    assert jobs_of(controller).look_until(lambda: not session.is_training)
    assert session.run is not None
    assert session.run.state == "crashed"
    assert "crashed" in told(controller).errors[0]


def test_a_run_started_elsewhere_brings_its_data_and_settings(
    controller: Controller, tmp_path: Path
) -> None:
    controller.run_dir = tmp_path / "run"
    controller.session.change_settings(steps=2, w=0.4)
    controller.train()
    assert jobs_of(controller).look_until(lambda: not controller.session.is_training)

    other = Controller(Session(), AtOnce(), Told())
    other.open_run(tmp_path / "run")
    assert jobs_of(other).look_until(lambda: other.session.inspection.kind == "predictions")
    assert other.session.settings.w == 0.4
    assert other.session.settings.box == BOX
    assert other.session.data.particles is not None
    assert told(other).errors == []


def test_a_folder_without_a_run_is_refused(controller: Controller, tmp_path: Path) -> None:
    controller.open_run(tmp_path)
    assert "run.json" in told(controller).errors[0]


def test_a_stack_without_poses_learns_from_the_map(made: Stack) -> None:
    star = read_star(made.star)
    block = particle_block(star)
    angles = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    bare = made.star.with_name("bare.star")
    if not bare.exists():
        from dataclasses import replace

        write_star(star.with_block(replace(block, table=block.table.drop(columns=angles))), bare)
    assert read_particles(bare)[0].poses is None
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(bare, made.map)
    assert controller.session.settings.labels == "simulated"
    assert controller.session.inspection.kind == "images"


@pytest.mark.parametrize(("symmetry", "w"), [("C1", 0.8), ("D2", 0.4), ("D7", 0.4)])
def test_suggest_finds_the_symmetry_of_made_maps(symmetry: str, w: float, tmp_path: Path) -> None:
    from napari_cryoorient.io.maps import write_map
    from napari_cryoorient.simulation.demo_density import demo_density

    write_map(demo_density(32, 8.0, symmetry=symmetry), tmp_path / "map.mrc")
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(None, tmp_path / "map.mrc")
    reasons: list[str] = []
    controller.suggest(lambda suggestion: reasons.append(suggestion.reason))
    assert (controller.session.settings.symmetry, controller.session.settings.w) == (symmetry, w)
    assert "paper" in reasons[0]
    words = "none found (C1)" if symmetry == "C1" else f"{symmetry}, on RELION's axes"
    assert controller.session.map_symmetry.startswith(words)


def test_axes_that_are_not_relion_s_are_named_and_not_used(tmp_path: Path) -> None:
    from napari_cryoorient.io.maps import write_map
    from napari_cryoorient.simulation.demo_density import demo_density

    density = demo_density(48, 5.5, symmetry="D7")
    turned = replace(density, voxels=np.ascontiguousarray(density.voxels.transpose(2, 0, 1)))
    write_map(turned, tmp_path / "map.mrc")
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(None, tmp_path / "map.mrc")
    reasons: list[str] = []
    controller.suggest(lambda suggestion: reasons.append(suggestion.reason))
    assert (controller.session.settings.symmetry, controller.session.settings.w) == ("C1", 0.4)
    (warning,) = told(controller).warnings
    assert "the 7-fold that RELION has along z lies along y" in warning
    assert "at most 0.4" in reasons[0]


def test_particles_of_cryosparc_are_inspected_and_exported_in_both_forms(
    made: Stack, tmp_path: Path
) -> None:
    import shutil

    shutil.copy(made.star.with_suffix(".mrcs"), tmp_path / "particles.mrcs")
    n = 5
    array = np.zeros(
        n,
        dtype=[
            ("uid", "<u8"),
            ("blob/path", "S40"),
            ("blob/idx", "<u4"),
            ("blob/shape", "<u4", (2,)),
            ("blob/psize_A", "<f4"),
            ("blob/sign", "<f4"),
            ("alignments3D/pose", "<f4", (3,)),
            ("alignments3D/shift", "<f4", (2,)),
            ("alignments3D/psize_A", "<f4"),
        ],
    )
    array["uid"] = np.arange(n) + 11
    array["blob/path"], array["blob/idx"] = b"particles.mrcs", np.arange(n)
    array["blob/shape"], array["blob/sign"] = BOX, 1
    array["blob/psize_A"] = array["alignments3D/psize_A"] = 8.0
    array["alignments3D/pose"] = np.random.default_rng(0).normal(size=(n, 3))
    with (tmp_path / "particles.cs").open("wb") as file:
        np.save(file, array)
    controller = Controller(Session(), AtOnce(), Told())
    controller.load(tmp_path / "particles.cs", made.map)
    assert told(controller).errors == []
    assert controller.session.inspection.kind == "poses"
    for name in ("out.star", "out.cs"):
        controller.exports.poses(tmp_path / name)
        again = read_particles(tmp_path / name)[0]
        assert again.poses is not None
        assert controller.session.inspection.true_poses is not None
        np.testing.assert_allclose(
            again.poses.rotations, controller.session.inspection.true_poses.rotations, atol=1e-5
        )
    assert told(controller).errors == []

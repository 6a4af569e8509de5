"""The public face: lazy, in memory or from files, results that index and print like arrays."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cryoorient as nc
from napari_cryoorient.simulation.demo_density import demo_density

BOX, PIXEL, N = 32, 8.0, 24


@pytest.fixture(scope="module")
def density() -> nc.DensityMap:
    return demo_density(BOX, PIXEL)


@pytest.fixture(scope="module")
def made(density: nc.DensityMap) -> nc.ParticleSet:
    return nc.simulate(density, N, snr=1.0, shift_sigma_angstrom=4.0, device="cpu", seed=2)


@pytest.fixture(scope="module")
def found(made: nc.ParticleSet, density: nc.DensityMap) -> nc.PoseEstimates:
    return nc.search(made, density, device="cpu")


def printed_by(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_face_imports_nothing_else() -> None:
    heavy = ["torch", "numpy", "scipy", "pandas", "pydantic", "napari", "qtpy", "typing"]
    program = (
        "import sys; before = set(sys.modules); import napari_cryoorient as nc;"
        f"print([m for m in {heavy} if m in sys.modules and m not in before], len(dir(nc)) > 30)"
    )
    assert printed_by(program) == "[] True"


def test_the_import_takes_under_50_ms() -> None:
    program = (
        "import time; began = time.process_time(); import napari_cryoorient;"
        "print(1e3 * (time.process_time() - began))"
    )
    assert min(float(printed_by(program)) for _ in range(3)) < 50.0


@pytest.mark.parametrize("name", nc.__all__)
def test_every_name_of_the_face_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(nc, name))


def test_a_name_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        nc.serch  # noqa: B018


def test_no_room_hides_a_function_of_its_name() -> None:
    # Python sets a room as an attribute of its package when it is first imported.
    program = """
import pkgutil
import napari_cryoorient as nc
print(sorted({room.name for room in pkgutil.iter_modules(nc.__path__)} & set(nc.__all__)))
"""
    assert printed_by(program) == "[]"


def test_simulated_particles_are_found_again(
    found: nc.PoseEstimates, made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    assert len(found) == N
    assert found.confidence is not None
    assert found.confidence.shape == (N,)
    result = nc.evaluate(found, made, density=density, device="cpu")
    assert result.median_deg < 8.0
    assert result.summary()["relative_rmse"] < 0.5
    refined = nc.refine(found, density, device="cpu")
    assert refined.moved_deg is not None
    assert nc.evaluate(refined, made).median_deg < 8.0


def test_notes_that_nobody_hears_are_not_worked_out(
    made: nc.ParticleSet, density: nc.DensityMap, found: nc.PoseEstimates, monkeypatch
) -> None:
    asked = []
    for name in ("search.symmetry_note", "search.scale_note", "refine.scale_note"):
        monkeypatch.setattr(
            f"napari_cryoorient.tasks.{name}", lambda *_, name=name: asked.append(name)
        )
    nc.search(made, density, device="cpu", subset=5)
    nc.refine(found, density, device="cpu")
    assert asked == []
    heard: list[str] = []
    nc.search(made, density, device="cpu", subset=5, say=heard.append)
    nc.refine(found, density, device="cpu", say=heard.append)
    assert asked == ["search.symmetry_note", "search.scale_note", "refine.scale_note"]
    assert heard


def test_the_search_in_memory_is_that_of_the_files(
    tmp_path: Path, made: nc.ParticleSet, density: nc.DensityMap, found: nc.PoseEstimates
) -> None:
    from napari_cryoorient.config import SearchConfig
    from napari_cryoorient.tasks.search import search_star

    star = nc.write_particles(tmp_path, made)
    nc.write_map(str(tmp_path / "map.mrc"), density)
    search_star(star, tmp_path / "map.mrc", tmp_path / "found.star", SearchConfig(device="cpu"))
    by_command = nc.read_particles(str(tmp_path / "found.star"))
    assert by_command.poses is not None
    np.testing.assert_allclose(by_command.poses.rotations, found.rotations, atol=1e-3)
    again = nc.search(str(star), str(tmp_path / "map.mrc"), device="cpu", subset=5, seed=1)
    assert len(again) == 5
    nc.write_poses(str(tmp_path / "again.star"), again)
    written = nc.read_particles(tmp_path / "again.star")
    assert written.names == again.particles.names
    assert written.poses is not None
    np.testing.assert_allclose(written.poses.rotations, again.rotations, atol=1e-6)
    assert "rlnParticleFigureOfMerit" in (tmp_path / "again.star").read_text()


def test_some_of_the_particles_of_a_file_are_written_as_its_rows(
    tmp_path: Path, made: nc.ParticleSet
) -> None:
    particles = nc.read_particles(nc.write_particles(tmp_path, made))
    nc.write_poses(tmp_path / "some.star", particles[::3][np.array([True, False] * 4)])
    some = nc.read_particles(tmp_path / "some.star")
    assert some.names == particles.names[::6]
    np.testing.assert_array_equal(
        some.images.read(np.arange(4)), particles[::6].images.read(np.arange(4))
    )


def test_particles_of_no_file_are_not_written_into_one(
    tmp_path: Path, found: nc.PoseEstimates, made: nc.ParticleSet
) -> None:
    with pytest.raises(nc.InputError, match="write_particles"):
        nc.write_poses(tmp_path / "found.star", found)
    nc.write_particles(tmp_path, made)
    with pytest.raises(nc.InputError, match="is there already"):
        nc.write_particles(tmp_path, made)


def test_sets_and_poses_index_slice_iterate_and_print(
    made: nc.ParticleSet, found: nc.PoseEstimates, density: nc.DensityMap
) -> None:
    assert made.poses is not None
    np.testing.assert_array_equal(made.poses[-1].rotation, made.poses.rotations[-1])
    np.testing.assert_array_equal(made.poses[[3, 1]].rotations, made.poses.rotations[[3, 1]])
    assert len(made.poses[found.confidence > 2.0]) == 0
    one = made[-2]
    assert one.image.shape == (BOX, BOX)
    np.testing.assert_array_equal(one.image, made.images.read(np.array([N - 2]))[0])
    np.testing.assert_array_equal(one.pose.shift_angstrom, made.poses.shifts_angstrom[-2])
    assert [len(part) for part in (made[2:8], made[[0, 5, 5]], found[:3], found[::12])] == [
        6,
        3,
        3,
        2,
    ]
    assert sum(1 for _ in made) == sum(1 for _ in found) == sum(1 for _ in made.poses) == N
    with pytest.raises(IndexError):
        made[N]
    assert repr(made) == f"ParticleSet({N} particles, box 32 pixels, 8 A a pixel, poses, CTF)"
    assert repr(made.poses[:1]) == "Poses(1 pose)"
    assert repr(density) == "DensityMap(box 32 voxels, 8 A a voxel)"
    assert repr(found).startswith(
        f"PoseEstimates({N} particles, box 32 pixels, 8 A a pixel, median"
    )


def test_projections_are_noiseless_images(made: nc.ParticleSet, density: nc.DensityMap) -> None:
    images = nc.project(density, made, ctf=made.ctf, device="cpu")
    noisy = made.images.read(np.arange(N))
    both = np.stack([images.reshape(N, -1), noisy.reshape(N, -1)])
    correlation = [np.corrcoef(both[:, row])[0, 1] for row in range(N)]
    assert np.mean(correlation) == pytest.approx(np.sqrt(0.5), abs=0.05)  # SNR 1


def test_a_network_trained_in_memory_predicts_and_is_kept(
    tmp_path: Path, made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    told: list[float] = []
    network = nc.train(
        made, density, steps=4, batch_size=8, device="cpu", precision="float32", w=0.4,
        progress=lambda metrics: told.append(metrics.w),
    )  # fmt: skip
    assert set(told) == {0.4}
    assert "4 steps" in repr(network)
    poses = nc.predict(network, made, device="cpu")
    network.write(tmp_path / "network.pt")
    again = nc.predict(str(tmp_path / "network.pt"), made, device="cpu")
    np.testing.assert_array_equal(again.rotations, poses.rotations)
    climbed = nc.predict(
        network, made, density=density, n_hypotheses=9999, search=False, device="cpu"
    )
    assert climbed.confidence.mean() > poses.confidence.mean() + 0.3
    with pytest.raises(nc.InputError, match="knows no map"):
        nc.predict(network, made, n_hypotheses=8, device="cpu")
    with pytest.raises(nc.InputError, match="by their paths"):
        nc.train(made, density, folder=tmp_path / "run", steps=1)
    with pytest.raises(nc.InputError, match="w=3"):
        nc.train(made, density, w=3)


def test_a_run_folder_is_that_of_the_command(
    tmp_path: Path, made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    star = nc.write_particles(tmp_path, made)
    nc.write_map(tmp_path / "map.mrc", density)
    settings = {"steps": 2, "batch_size": 8, "device": "cpu", "precision": "float32"}
    network = nc.train(star, tmp_path / "map.mrc", folder=tmp_path / "run", **settings)
    assert network.folder == tmp_path / "run"
    assert network.config.steps == 2
    assert len(nc.predict(str(tmp_path / "run"), star, device="cpu")) == N
    assert (tmp_path / "run" / "poses.star").is_file()


def test_a_map_is_made_of_particles_and_compared(
    made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    many = nc.simulate(density, 150, ctf=False, device="cpu")
    result = nc.reconstruct(many, half_maps=True, device="cpu")
    assert result.fsc is not None
    assert result.half_maps is not None
    assert result.density.box == BOX
    curve = nc.fsc(result.density, density, radius_angstrom=100.0)
    assert (curve.values[:8] > 0.9).all()
    with pytest.raises(nc.InputError, match="leave one of them out"):
        nc.fsc(density, density, mask="auto", radius_angstrom=10.0)
    assert nc.symmetry(density).name == "C1"


@pytest.mark.parametrize(
    "call", ["search", "refine", "simulate", "project", "reconstruct", "predict"]
)
def test_whatever_is_asked_to_stop_raises_stopped(
    call: str, made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    def stop() -> bool:
        return True

    if call == "predict":
        network = nc.train(made, density, steps=1, batch_size=8, device="cpu", precision="float32")
    calls = {
        "search": lambda: nc.search(made, density, device="cpu", should_stop=stop),
        "refine": lambda: nc.refine(made, density, device="cpu", should_stop=stop),
        "simulate": lambda: nc.simulate(density, 4, device="cpu", should_stop=stop),
        "project": lambda: nc.project(density, made, device="cpu", should_stop=stop),
        "reconstruct": lambda: nc.reconstruct(made, device="cpu", should_stop=stop),
        "predict": lambda: nc.predict(network, made, device="cpu", should_stop=stop),
    }
    with pytest.raises(nc.Stopped):
        calls[call]()
    if call == "predict":
        with pytest.raises(nc.Stopped):
            nc.predict(network, made, density=density, n_hypotheses=8, should_stop=stop)


def test_training_that_is_stopped_gives_the_network_as_it_is(
    made: nc.ParticleSet, density: nc.DensityMap
) -> None:
    told: list[int] = []
    network = nc.train(
        made, density, steps=500, batch_size=8, device="cpu", precision="float32",
        progress=lambda metrics: told.append(metrics.step), should_stop=lambda: bool(told),
    )  # fmt: skip
    assert 0 < network.state["step"] < 500
    with pytest.raises(nc.Stopped):
        nc.train(made, density, steps=5, device="cpu", should_stop=lambda: True)


def test_poses_are_compared_by_name_or_row_by_row(made: nc.ParticleSet, tmp_path: Path) -> None:
    particles = nc.read_particles(nc.write_particles(tmp_path, made))
    shuffled = particles[np.random.default_rng(0).permutation(N)]
    assert nc.evaluate(shuffled, particles).angles_deg.max() < 1e-3
    with pytest.raises(nc.InputError, match="row by row"):
        nc.evaluate(made.poses[:3], made.poses)
    turn = torch.tensor([[-1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]], dtype=torch.float64).numpy()
    other = nc.Poses(made.poses.rotations @ turn, made.poses.shifts_angstrom)
    assert nc.evaluate(other, made, symmetry="C2").angles_deg.max() < 1e-3
    assert nc.evaluate(other, made).median_deg > 90.0


def test_real_particles_are_searched_as_the_documentation_shows(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "particles" / "empiar10061_bgal"
    found = nc.search(
        nc.read_particles(str(folder / "particles_192_1.274A.star"))[:12],
        nc.read_map(str(shared_data / "maps" / "bgal_D2_96px_2.2A.mrc")),
        symmetry="D2",
        device="cpu",
    )
    assert found.confidence is not None
    assert np.isfinite(found.confidence).all()
    nc.write_poses(tmp_path / "found.star", found)
    back = nc.read_particles(tmp_path / "found.star", project_dir=folder)
    assert len(back) == 12
    assert nc.evaluate(found, tmp_path / "found.star").angles_deg.max() < 1e-3

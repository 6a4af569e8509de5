"""Memory that a command needs is compared with what there is, before the work."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_cryoorient import memory
from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.tasks.fsc import correlate_maps


def make_group(folder: Path, limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")


def test_a_control_group_leaves_its_limit_less_what_is_used(tmp_path: Path) -> None:
    make_group(tmp_path, "1000", 600, 100)
    names = ("memory.max", "memory.current", "inactive_file")
    assert memory._free_of_one_group(tmp_path, *names) == 500
    make_group(tmp_path, "max", 600, 100)
    assert memory._free_of_one_group(tmp_path, *names) is None
    assert memory._free_of_one_group(tmp_path / "none", *names) is None


def test_the_least_that_is_allowed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, free in (("machine", 10**10), ("group", 4 * 10**9), ("limit", None)):
        monkeypatch.setattr(memory, f"_free_of_{name}", lambda free=free: free)
    assert memory.available_bytes() == 4 * 10**9
    memory.refuse_beyond(3.9e9, "This")
    with pytest.raises(InputError, match=r"This needs about 4.1 GB of memory, and 4.0 GB are free"):
        memory.refuse_beyond(4.1e9, "This")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v of Linux")
def test_simulate_beyond_the_limit_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).normal(size=(16,) * 3).astype(np.float32)
    write_map(DensityMap(voxels, 5.0), tmp_path / "map.mrc")
    program = f"{sys.executable} -m napari_cryoorient simulate {tmp_path / 'map.mrc'} --box 512"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 7000000; {program} -o {tmp_path / 'sim'} --n 2 --device cpu"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 2, done.stderr
    assert "needs about 8.1 GB of memory" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "sim").exists()


def test_a_mask_beyond_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 300_000)
    density = DensityMap(np.random.default_rng(0).normal(size=(16,) * 3).astype(np.float32), 5.0)
    correlate_maps(density, density)
    with pytest.raises(InputError, match="A mask on maps of 16 voxels needs about"):
        correlate_maps(density, density, mask="auto")


def test_more_particles_than_memory_are_refused_with_advice_on_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voxels = np.random.default_rng(0).normal(size=(16,) * 3).astype(np.float32)
    write_map(DensityMap(voxels, 5.0), tmp_path / "map.mrc")
    for n in ("99999999999", "9000000000000000000"):
        out = tmp_path / "sim"
        assert main(["simulate", str(tmp_path / "map.mrc"), "-o", str(out), "--n", n]) == 2
        said = capsys.readouterr().err
        assert f"Simulating {n} particles needs about" in said
        assert "choose fewer" in said
        assert not out.exists()


def test_a_stack_larger_than_the_disk_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: room)
    with StackWriter(tmp_path / "a.mrcs", 2, 16, 1.0) as writer:
        writer.append(np.zeros((2, 16, 16), dtype=np.float32))
    with (
        pytest.raises(InputError, match=r"b\.mrcs will be 4 MB large, and the disk has 2 MB left"),
        StackWriter(tmp_path / "new" / "b.mrcs", 1000, 32, 1.0),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrcs"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_map(demo_density(32, 8.0), folder / "in.mrc")
    assert main(["simulate", str(folder / "in.mrc"), "-o", str(folder), "--n", "40"]) == 0
    return folder


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "line",
    [
        "search particles.star --map MAP -o OUT.star",
        "refine particles.star --map MAP -o OUT.star",
        "train particles.star --map MAP -o OUT --steps 1",
        "iterate particles.star --map MAP -o OUT",
        "reconstruct particles.star -o OUT.mrc",
        "project MAP particles.star -o OUT.mrcs",
        "evaluate particles.star particles.star --map MAP",
        "symmetry MAP",
        "symmetry map.mrc --against MAP -o OUT.mrc",
        "fsc MAP map.mrc",
        "simulate MAP -o OUT",
        "noise-study MAP -o OUT",
    ],
)
def test_a_map_beyond_the_memory_is_refused_before_it_is_read(
    made: Path, line: str, ending: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_200_000)  # the map needs 1.3 to 11 MB
    monkeypatch.chdir(made)
    density = Path("map.mrc")
    if ending:
        density = Path("map.mrc.gz")
        density.write_bytes(gzip.compress(Path("map.mrc").read_bytes()))
    arguments = line.replace("MAP", str(density)).replace("OUT", "new").split()
    before = sorted(path.name for path in made.iterdir())
    assert main([*arguments, *(["--device", "cpu"] if "fsc" not in line else [])]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "GB of memory, and 0.0 GB are free for it" in said
    assert sorted(path.name for path in made.iterdir()) == before


def test_prediction_does_without_the_map_of_its_run(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(made)
    assert main(["train", "particles.star", "--map", "map.mrc", "-o", "run", "--steps", "1"]) == 0
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_200_000)
    assert main(["predict", "particles.star", "--run", "run", "-o", "predicted.star"]) == 0
    assert "contrast is not compared" in capsys.readouterr().err


def test_a_damaged_header_is_no_reason_to_speak_of_memory(
    made: Path, tmp_path: Path, capsys
) -> None:
    content = bytearray((made / "map.mrc").read_bytes())
    content[:12] = np.array([2000] * 3, "<i4").tobytes()
    (tmp_path / "map.mrc").write_bytes(content)
    assert main(["symmetry", str(tmp_path / "map.mrc")]) == 2
    said = capsys.readouterr().err
    assert "GB of memory" not in said
    assert "map.mrc" in said


def test_a_map_that_is_no_cube_is_called_so_before_its_memory(tmp_path: Path, capsys) -> None:
    voxels = np.random.default_rng(0).normal(size=(4, 4, 5000)).astype(np.float32)
    with mrcfile.new(tmp_path / "long.mrc") as file:
        file.set_data(voxels)
        file.voxel_size = 4.0
    assert main(["symmetry", str(tmp_path / "long.mrc")]) == 2
    assert "too far from a cube" in capsys.readouterr().err

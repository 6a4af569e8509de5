"""A command's life as a process: stopped at any moment, streams that fail, homes that are not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.scratch import PREFIX
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.processes.interrupts import STOPPED
from support.command_line import TINY

PROGRAM = [sys.executable, "-m", "napari_cryoorient"]
Run = Callable[..., tuple[int, str, str]]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX systems"),
]
needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="no device here that is always full"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map, ten particles of it, and the same as a compressed stack."""
    from napari_cryoorient.cli import main

    folder = tmp_path_factory.mktemp("life")
    density = np.random.default_rng(0).normal(size=(24,) * 3).astype(np.float32)
    write_map(DensityMap(density, 8.0), folder / "density.mrc")
    assert main(["simulate", str(folder / "density.mrc"), "-o", str(folder), "--n", "10"]) == 0
    return folder


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def call(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    given = {"capture_output": True, "text": True, "env": environment(), "check": False} | options
    return subprocess.run([*PROGRAM, *map(str, arguments)], **given)  # type: ignore[call-overload]


# The program, interrupted at the moment at which a module is asked for.
INTERRUPTED_WHILE_IMPORTING = """
import builtins, os, sys
import_module, number, wanted = builtins.__import__, int(sys.argv[1]), sys.argv[2]
def watched(name, *rest, **named):
    if name == wanted:
        builtins.__import__ = import_module
        os.kill(os.getpid(), number)
    return import_module(name, *rest, **named)
builtins.__import__ = watched
sys.argv = ["napari-cryoorient", *sys.argv[3:]]
from napari_cryoorient.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "module",
    [
        "typer",
        "numpy",
        "napari_cryoorient.cli.app",
        "torch",
        "napari_cryoorient.simulation.simulate",
    ],
)
def test_a_stop_during_imports_is_one_line(
    module: str, number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    arguments = ["simulate", folder / "density.mrc", "-o", tmp_path / "sim", "--json"]
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTING, str(int(number)), module]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.stderr == f"napari-cryoorient: {STOPPED}\n"
    assert done.returncode == 128 + number
    assert json.loads(done.stdout)["status"] == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_the_middle_of_writing_leaves_nothing(
    number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "simulate", str(folder / "density.mrc"), "-o", str(tmp_path), "--n", "500000"],
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    wait_until(lambda: any(tmp_path.glob(".particles.mrcs.*.partial")))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == f"napari-cryoorient: {STOPPED}"
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_training_that_is_told_to_stop_keeps_the_run_and_says_so(
    number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    inputs = [str(folder / "particles.star"), "--map", str(folder / "density.mrc")]
    settings = [*TINY, "--minutes", "5", "--device", "cpu"]
    process = subprocess.Popen(
        [*PROGRAM, "train", *inputs, "-o", str(run_dir), *settings],
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    wait_until(lambda: (run_dir / "metrics.jsonl").is_file())
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == f"napari-cryoorient: {STOPPED}"
    assert json.loads((run_dir / "run.json").read_text())["state"] == "stopped"
    assert (run_dir / "checkpoint.pt").is_file()


def wait_until(is_so: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_full_device
@pytest.mark.parametrize("json_too", [True, False])
def test_results_that_cannot_be_printed_are_a_sentence(
    json_too: bool, folder: Path, tmp_path: Path
) -> None:
    # export loads no torch, which is two seconds.
    words = ["export", folder / "particles.star", "-o", tmp_path / "out.star"]
    with open("/dev/full", "w") as full:
        flags = ["--json"] if json_too else []
        done = call(*words, *flags, capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "could not be printed (No space left on device)" in done.stderr


# What a shell does to the standard streams, and the status that the work ends with.
STREAMS = {
    "2>/dev/full": 0,
    "2>&-": 0,
    ">&-": 0,
    ">&- 2>&-": 0,
    "<&- >&- 2>&-": 0,
    ">/dev/full": 2,
    ">/dev/full 2>/dev/full": 2,
}


@needs_full_device
@pytest.mark.parametrize("streams", STREAMS)
def test_work_is_finished_whatever_becomes_of_the_streams(
    streams: str, folder: Path, tmp_path: Path
) -> None:
    # fsc says its result before it writes the table.
    arguments = f"fsc map.mrc density.mrc --csv {tmp_path / 'curve.csv'}"
    program = " ".join(PROGRAM)
    done = subprocess.run(
        ["bash", "-c", f"{program} {arguments} {streams}"],
        cwd=folder,
        env=environment(),
        check=False,
        capture_output=True,
    )
    assert done.returncode == STREAMS[streams]
    assert len((tmp_path / "curve.csv").read_text().splitlines()) > 5
    assert [path.name for path in tmp_path.iterdir()] == ["curve.csv"]


def test_a_reader_that_leaves_early_loses_no_file(folder: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "fsc", "map.mrc", "density.mrc", "--csv", str(tmp_path / "curve.csv")],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 1
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert (tmp_path / "curve.csv").is_file()


def test_what_a_killed_process_left_is_removed_by_the_next(folder: Path, tmp_path: Path) -> None:
    import gzip

    packed = tmp_path / "packed"
    packed.mkdir()
    stack = packed / "particles.mrcs"
    stack.write_bytes(gzip.compress((folder / "particles.mrcs").read_bytes()))
    shutil.copy(folder / "particles.star", packed)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", UNPACK, str(stack)],
        stdout=subprocess.PIPE,
        env=environment(TMPDIR=str(scratch)),
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "unpacked\n"
    (left,) = scratch.glob(f"{PREFIX}*")
    assert sorted(path.suffix for path in left.iterdir()) == ["", ".mrcs"]
    next_one = ("export", packed / "particles.star", "-o", tmp_path / "out.star")
    assert call(*next_one, env=environment(TMPDIR=str(scratch))).returncode == 0
    assert left.is_dir()  # its owner lives
    (scratch / "cryoorient-of-another-program").mkdir()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert left.is_dir()
    assert call(*next_one, env=environment(TMPDIR=str(scratch))).returncode == 0
    assert [path.name for path in scratch.iterdir()] == ["cryoorient-of-another-program"]


UNPACK = """
import sys, time
from napari_cryoorient.io.stacks import MrcStack
stack = MrcStack(sys.argv[1])
print("unpacked", flush=True)
time.sleep(600)
"""


def test_a_process_that_ends_takes_its_temporary_folder_along(tmp_path: Path) -> None:
    script = (
        "from napari_cryoorient.io.scratch import new_scratch_file; print(new_scratch_file('')[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
        check=True,
    )
    assert Path(done.stdout.strip()).parent.parent == tmp_path
    assert not list(tmp_path.iterdir())


def as_a_stranger(*arguments: object) -> list[str]:
    """Return a command run by a user without a name, who may read all here and own nothing."""
    if shutil.which("setpriv") is None or os.getuid() != 0:
        pytest.skip("only root can become a user without a name, with setpriv")
    may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    who = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", *may_read]
    if subprocess.run([*who, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root hand on its right to read")
    return [*who, *map(str, arguments)]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and write to, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


# Several commands in one process, which loads torch and matplotlib once.
ONE_AFTER_THE_OTHER = """
import json, sys
from napari_cryoorient.cli import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["napari-cryoorient", *command]
    if status := main():
        sys.exit(status)
"""


@pytest.mark.parametrize("home", [None, "/", "/nowhere"])  # root's is / in some containers
@pytest.mark.parametrize("is_stranger", [False, True])
def test_nobody_needs_a_home_or_a_name(
    home: str | None, is_stranger: bool, folder: Path, open_folder: Path
) -> None:
    tmp_path = open_folder
    for name in ("particles.star", "particles.mrcs", "density.mrc", "map.mrc"):
        shutil.copy(folder / name, open_folder)
    known = {k: v for k, v in environment(TMPDIR=str(tmp_path)).items() if not k.startswith("XDG")}
    for name in ("HOME", "USER", "LOGNAME", "MPLCONFIGDIR", "CRYOORIENT_CACHE"):
        known.pop(name, None)
    if home is not None:
        known["HOME"] = home
    known["CRYOORIENT_PDB_URL"] = "http://127.0.0.1:9"  # nothing is fetched
    star, density = tmp_path / "particles.star", tmp_path / "density.mrc"
    run_dir = tmp_path / "run"
    commands: list[list[object]] = [
        ["fsc", density, tmp_path / "map.mrc", "--figure", tmp_path / "fsc.png"],
        ["export", star, "-o", tmp_path / "out.star"],
        ["train", star, "--map", density, "-o", run_dir, "--steps", "2", "--device", "cpu"],
        ["predict", star, "--run", run_dir, "-o", tmp_path / "poses.star", "--device", "cpu"],
    ]
    whole = [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(commands, default=str)]
    if is_stranger:
        whole = as_a_stranger(*whole)
    elif home is None and os.getuid() == 0:
        return  # root has a home by name
    done = subprocess.run(
        whole, env=known, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fsc.png").is_file()
    assert (tmp_path / "poses.star").is_file()
    assert "Traceback" not in done.stderr
    assert "atplotlib" not in done.stderr
    assert not list(tmp_path.glob("cryoorient-*"))
    assert not (tmp_path / "~").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v of Linux")
@pytest.mark.parametrize("limit_kilobytes", [60_000, 400_000, 700_000])
def test_too_little_room_for_the_libraries_is_one_sentence(
    limit_kilobytes: int, folder: Path, tmp_path: Path
) -> None:
    program = " ".join([*PROGRAM, "search", str(folder / "particles.star")])
    line = f"{program} --map {folder / 'map.mrc'} -o {tmp_path / 'out.star'} --json"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v {limit_kilobytes}; {line}"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=200,
    )
    assert done.returncode == 1, done.stderr
    assert "emory" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["status"] == 1


@pytest.mark.parametrize("flags", [["-m"], ["-u", "-m"], ["-X", "dev", "-W", "ignore", "-m"]])
def test_signals_are_looked_after_however_python_is_called(flags: list[str]) -> None:
    code = (
        "import sys, _signal; sys.argv = ['-m'];"
        "import napari_cryoorient.processes.interrupts as i;"
        "sys.exit(_signal.getsignal(_signal.SIGINT) is not i._on_signal)"
    )
    asked = f"sys.orig_argv = {[sys.executable, *flags, 'napari_cryoorient']!r}"
    done = subprocess.run([sys.executable, "-c", f"import sys; {asked}; {code}"], check=False)
    assert done.returncode == 0

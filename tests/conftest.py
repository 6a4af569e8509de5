"""What tests of several packages share: where real data lies, which programs and screens exist."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from support.workers import is_worker, number_of_workers, take_one_thread, take_own_screen

# Before torch is imported: threads that spin make a busy machine several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Also where the shell says otherwise: hundreds of programs would compile the same files each anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# How long cases take to draw says how busy the machine is.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
if is_worker():
    take_one_thread()
    take_own_screen()

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Let Qt's widgets draw into memory where there is no screen, and check shapes.

    Without a screen Qt would end the process.
    """
    if not has_screen():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from support.shapes import check_shapes_of

    for room in ("projection", "alignment", "alignment.refine", "alignment.search"):
        check_shapes_of(f"napari_cryoorient.{room}")
    take_ignored_signals()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Share the tests among one process more than there are cores, where ``-n auto`` asks."""
    return number_of_workers()


def take_ignored_signals() -> None:
    """Let programs under test be stopped where the tests run in the background or under ``nohup``.

    A signal that is ignored stays ignored in every program started; one that is handled does not.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN:
        signal.signal(hangup, lambda *_: None)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was imported.

    To go through it takes a third of a second, which every test with a widget would take.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program or a screen that this machine lacks; on CI a screen is a must."""
    if item.get_closest_marker("relion") and shutil.which("relion_project") is None:
        missing("relion", "RELION is not installed (no relion_project on PATH)")
    if item.get_closest_marker("slurm") and not has_slurm():
        missing("slurm", "no Slurm answers here: scripts/local_slurm.sh starts one")
    if item.get_closest_marker("window") and not has_screen():
        if "CI" in os.environ:
            pytest.fail("CI has to open windows: run the tests by `make test`, with Xvfb installed")
        pytest.skip("no screen here, and no Xvfb: run them by `make test`")
    if "make_napari_viewer" in getattr(item, "fixturenames", ()):
        # The first of these tests imports napari's windows, and the fixture collects several times
        # in each: what was there before a test is no longer looked through.
        gc.collect()
        gc.freeze()


def missing(what: str, sentence: str) -> NoReturn:
    """Skip a test for want of ``what``, or fail it where CRYOORIENT_EXPECTS says it is there."""
    if what in os.environ.get("CRYOORIENT_EXPECTS", "").split(","):
        pytest.fail(f"{sentence}, and CRYOORIENT_EXPECTS says that it is here")
    pytest.skip(sentence)


@functools.cache
def has_slurm() -> bool:
    """Tell whether a Slurm answers that jobs can be started in."""
    if shutil.which("sbatch") is None:
        return False
    asked = subprocess.run(["sinfo", "-h"], capture_output=True, check=False, timeout=30)
    return asked.returncode == 0


def has_screen() -> bool:
    """Tell whether a real window can open: the offscreen platform has no OpenGL to draw with."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real maps, models and particles, which are too large to keep with the code.

    It is the one CRYOORIENT_DATA names, or ``shared/data`` beside the repository.
    """
    named = os.environ.get("CRYOORIENT_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"CRYOORIENT_DATA names {folder}, which is not a folder")
        missing("data", "no real data here: CRYOORIENT_DATA names the folder with it")
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in this process: exit status, stdout and stderr."""
    from support.command_line import call

    return functools.partial(call, capsys)

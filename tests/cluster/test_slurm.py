"""Jobs of a real Slurm find what a single process finds, one of them preempted on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue")
pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]

PROGRAM = """
import sys
if __name__ == "__main__":
    from napari_cryoorient.cluster import parts
    parts.FEWEST_ROWS = 64
    from napari_cryoorient.cli import main
    sys.exit(main())
"""


def jobs(name: str) -> list[str]:
    """Return the numbers of the jobs of a name that run."""
    words = ["squeue", "-h", "-n", name, "-t", "RUNNING", "-o", "%i"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_a_search_goes_on_where_a_job_is_preempted(stack: Path, found: Path, tmp_path: Path):
    name = f"cryoorient-test-{os.getpid()}"
    queue = tmp_path / "queue.yaml"
    queue.write_text(
        f"system: slurm\njobs: 1\ncores: 1\nmemory: 1GB\njob_name: {name}\n"
        f"log_directory: {tmp_path / 'logs'}\n"
    )
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    out, parts, log = tmp_path / "out.star", tmp_path / "p", tmp_path / "log.txt"
    files = [stack / "particles.star", "--map", stack / "map.mrc", "-o", out]
    words = [sys.executable, program, "search", *files, "--cluster", queue, "--parts", parts]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(list(map(str, words)), stderr=file, env=environment)
    try:
        while process.poll() is None and not list(parts.glob("search/0*.npz")):
            time.sleep(0.1)
        first = jobs(name)
        # At once: a job that is asked to end may do the rest first.
        subprocess.run(["scancel", "--full", "--signal=KILL", *first], check=True)
        assert process.wait(300) == 0, log.read_text()
    finally:
        process.kill()
        subprocess.run(["scancel", "-n", name], check=False)
    assert len(first) == 1, log.read_text()
    said = log.read_text()
    assert f"#SBATCH -J {name}" in said  # shown before it is submitted
    assert out.read_bytes() == found.read_bytes()
    assert len(list((tmp_path / "logs").glob("*.err"))) >= 2  # another job took over


def test_sbatch_that_fails_is_said_in_a_sentence(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    queue = tmp_path / "queue.yaml"
    queue.write_text("system: slurm\nqueue: no-such-partition\nwalltime: '00:05:00'\n")
    out = tmp_path / "out.star"
    files = [stack / "particles.star", "--map", stack / "map.mrc", "-o", out]
    words = [sys.executable, "-m", "napari_cryoorient", "search", *files, "--cluster", queue]
    assert shutil.which("sbatch")
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 2
    assert "no-such-partition" in done.stderr or "invalid partition" in done.stderr
    assert "Traceback" not in done.stderr

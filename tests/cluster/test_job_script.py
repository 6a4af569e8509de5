"""The job scripts of ``--cluster``: shown, filled in, and refused in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue")

Run = Callable[..., tuple[int, str, str]]

RELION = """#!/bin/bash
#SBATCH --job-name=XXXnameXXX
#SBATCH --partition=XXXqueueXXX
#SBATCH --cpus-per-task=XXXthreadsXXX
#SBATCH --output=XXXoutfileXXX
#SBATCH --gres=gpu:XXXextra1XXX
XXXcommandXXX
"""


@pytest.fixture
def shown(run: Run, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """What ``search --dry-run`` says; it reads and writes nothing."""

    def show(*flags: object) -> tuple[int, str, str]:
        before = sorted(tmp_path.rglob("*"))
        files = ["absent.star", "--map", "absent.mrc", "-o", tmp_path / "out.star"]
        answer = run("search", *files, "--dry-run", *flags)
        assert sorted(tmp_path.rglob("*")) == before
        return answer

    return show


@pytest.mark.parametrize(
    ("system", "line"),
    [("slurm", "#SBATCH --cpus-per-task=1"), ("pbs", "#PBS -N"), ("sge", "#$ -N cryoorient")],
)
def test_each_queue_has_its_lines(shown: Run, system: str, line: str):
    status, out, _ = shown("--cluster", system)
    assert status == 0
    assert out.startswith("#!")
    assert line in out
    assert "distributed.cli.dask_worker" in out


def test_lines_of_the_user_are_in_it(shown: Run, tmp_path: Path):
    queue = tmp_path / "lab.yaml"
    queue.write_text(
        "system: slurm\njobs: 3\ncores: 4\nmemory: 8GB\nqueue: gpu\n"
        "job_extra_directives: ['--gres=gpu:1']\njob_script_prologue: ['module load cuda']\n"
    )
    status, out, _ = shown("--cluster", queue)
    assert status == 0
    for line in ("#SBATCH -p gpu", "#SBATCH --gres=gpu:1", "module load cuda", "--nworkers 4"):
        assert line in out


def test_a_template_of_relion_is_filled_in(shown: Run, tmp_path: Path):
    (tmp_path / "relion.sh").write_text(RELION)
    queue = tmp_path / "lab.yaml"
    queue.write_text(
        "system: slurm\ncores: 6\nmemory: 8GB\nqueue: gpu\njob_name: mine\nextra1: 2\n"
        "script: relion.sh\n"
    )
    status, out, err = shown("--cluster", queue)
    assert status == 0, err
    assert "XXX" not in out
    for line in ("--job-name=mine", "--partition=gpu", "--cpus-per-task=6", "--gres=gpu:2"):
        assert f"#SBATCH {line}\n" in out
    assert "distributed.cli.dask_worker tcp://" in out


def test_a_script_alone_tells_its_queue(shown: Run, tmp_path: Path):
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n#PBS -N XXXnameXXX\nXXXcommandXXX\n")
    status, out, err = shown("--cluster", script)
    assert status == 0, err
    assert "#PBS -N cryoorient\n" in out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.sh", RELION, "XXXqueueXXX has no value"),
        ("a.sh", "#SBATCH -n 1\n", "XXXcommandXXX"),
        ("a.sh", "XXXcommandXXX\n", "#SBATCH, #PBS, #$"),
        ("a.yaml", "jobs: 3\n", "system: slurm"),
        ("a.yaml", "system: slurm\njobs: none\n", "jobs has to be a number"),
        ("a.yaml", "system: slurm\npartition: gpu\n", "partition is not one of them"),
        ("a.yaml", "system: [\n", "not YAML"),
        ("a.yaml", "system: slurm\nscript: absent.sh\n", "absent.sh"),
    ],
)
def test_what_is_wrong_is_said(shown: Run, tmp_path: Path, name: str, text: str, said: str):
    (tmp_path / name).write_text(text)
    status, out, err = shown("--cluster", tmp_path / name)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cluster", "absent.yaml"], "there is no file absent.yaml"),
        ([], "name a queue"),
        (["--cluster", "slurm", "--scheduler", "tcp://a:1"], "leave one out"),
    ],
)
def test_flags_that_do_not_go_together(shown: Run, flags: list[str], said: str):
    status, _, err = shown(*flags)
    assert status == 2
    assert said in err


def test_without_dask_the_extra_is_named(shown: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, _, err = shown("--cluster", "slurm")
    assert status == 2
    assert "pip install 'napari-cryoorient[cluster]'" in err

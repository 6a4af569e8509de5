"""Poses written to another folder: the note on images that are not found from there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_star
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.tasks.image_paths import note_on_lost_images

STAR = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnImagePixelSize #2\n000001@{} 2.0\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack in ``sim``; the folder one is in holds nothing."""
    (tmp_path / "sim").mkdir()
    with StackWriter(tmp_path / "sim" / "stack.mrcs", 1, 16, 2.0) as writer:
        writer.append(np.zeros((1, 16, 16), dtype=np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_from_the_star_files_folder_are_lost_elsewhere(project: Path) -> None:
    (project / "sim" / "in.star").write_text(STAR.format("stack.mrcs"))
    star = read_star(Path("sim/in.star"))
    note = note_on_lost_images(star, Path("out.star"), None)
    assert note is not None
    assert "--project-dir sim " in note
    assert note_on_lost_images(star, Path("sim/out.star"), None) is None
    assert note_on_lost_images(star, Path("out.star"), Path("sim")) is None


def test_names_from_the_project_are_found_everywhere_in_it(project: Path) -> None:
    (project / "sim" / "in.star").write_text(STAR.format("sim/stack.mrcs"))
    star = read_star(Path("sim/in.star"))
    assert note_on_lost_images(star, Path("out.star"), None) is None
    assert note_on_lost_images(star, Path("else/out.star"), None) is None


def test_simulate_leaves_the_users_particles_alone_and_its_own_may_be_made_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_map(demo_density(16, 8.0), project / "input.mrc")
    theirs = project / "sim" / "particles.star"
    theirs.write_text(STAR.format("sim/stack.mrcs"))
    words = ["simulate", "input.mrc", "-o", "sim", "--n", "2"]
    assert main(words) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert theirs.read_text() == STAR.format("sim/stack.mrcs")
    assert not (project / "sim" / "particles.mrcs").exists()
    theirs.unlink()
    assert main(words) == 0
    assert main([*words[:-1], "3"]) == 0


@pytest.mark.parametrize(("form", "name"), [("star", "out.cs"), ("relion30", "out.cs")])
def test_export_refuses_a_name_that_says_another_form(
    form: str, name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "sim" / "in.star").write_text(STAR.format("stack.mrcs"))
    assert main(["export", "sim/in.star", "-o", name, "--format", form]) == 2
    assert "must not end in .cs" in capsys.readouterr().err
    assert not (project / name).exists()


def test_fsc_refuses_a_figure_it_cannot_draw_before_it_computes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_map(demo_density(16, 8.0), project / "input.mrc")
    assert main(["fsc", "input.mrc", "input.mrc", "--figure", "curve.xyz"]) == 2
    captured = capsys.readouterr()
    assert ".png, .svg, .pdf" in captured.err
    assert captured.out == ""

"""``symmetry`` as it is called, and the note that ``search`` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.cli import main
from napari_cryoorient.geometry.rotations import rotation_vector_to_matrix
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.io.maps import write_map
from napari_cryoorient.maps.symmetry import turned_map
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.tasks.search import symmetry_note


def symmetric(name: str, box: int = 40) -> DensityMap:
    """The demonstration's particle, averaged over a group."""
    density = demo_density(box, 4.0)
    copies = [turned_map(density, g).voxels for g in symmetry_matrices(name)]
    return DensityMap(np.mean(copies, axis=0, dtype=np.float32), 4.0)


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_map_off_its_axes_is_turned_onto_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = rotation_vector_to_matrix(torch.tensor([0.5, 0.8, -0.3], dtype=torch.float64))
    write_map(turned_map(symmetric("D3"), turn), tmp_path / "off.mrc")
    status, out, _ = called(
        capsys, "symmetry", tmp_path / "off.mrc", "-o", tmp_path / "on.mrc", "--json"
    )
    assert status == 0
    found = json.loads(out.splitlines()[-1])
    assert found["symmetry"] == "D3"
    assert not found["on_relion_axes"]
    assert "not on RELION's axes" in out
    status, out, _ = called(
        capsys, "symmetry", tmp_path / "on.mrc", "--against", tmp_path / "off.mrc", "--json"
    )
    again = json.loads(out.splitlines()[-1])
    assert again["on_relion_axes"]
    assert again["correlation"] > 0.95
    # The rotation onto the other map takes this map's 3-fold, on z, to that one's.
    axis = torch.tensor(again["rotation_onto_other"]) @ torch.tensor([0.0, 0.0, 1.0])
    theirs = torch.tensor(found["axes"][0]["direction"])
    assert abs(float(axis @ theirs)) > 0.998


def test_output_never_replaces_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_map(demo_density(32, 8.0), tmp_path / "a.mrc")
    before = (tmp_path / "a.mrc").read_bytes()
    status, _, err = called(capsys, "symmetry", tmp_path / "a.mrc", "-o", tmp_path / "a.mrc")
    assert status == 2
    assert "would be overwritten" in err
    assert (tmp_path / "a.mrc").read_bytes() == before


def test_search_is_told_of_a_symmetry_nobody_named() -> None:
    density = symmetric("D2")
    note = symmetry_note(density, "C1")
    assert note is not None
    assert "--symmetry D2" in note
    assert symmetry_note(density, "D2") is None
    wrong = symmetry_note(density, "D5")
    assert wrong is not None
    assert "not D5 on RELION's axes" in wrong
    assert symmetry_note(demo_density(40, 4.0), "C1") is None

"""The paper's simulated data sets by name, from a file or a server that stands in for the PDB."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gemmi
import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.simulation.datasets import (
    DATASETS,
    Entry,
    dataset_map,
    dataset_named,
    fetch_model,
)
from napari_cryoorient.simulation.simulate import draw_simulation

Put = Callable[..., None]


def model(name: str, n_atoms: int, radius: float = 60.0) -> gemmi.Structure:
    """Make a cloud of carbon atoms, with water and hydrogen that do not count."""
    rng = np.random.default_rng(len(name) + n_atoms)
    structure = gemmi.Structure()
    structure.name = name
    structure.info["_entry.id"] = name.upper()
    chain = gemmi.Chain("A")
    for number, (kind, element, n) in enumerate(
        (("ALA", "C", n_atoms), ("ALA", "H", 50), ("HOH", "O", 70)), start=1
    ):
        residue = gemmi.Residue()
        residue.name, residue.seqid = kind, gemmi.SeqId(str(number))
        for index in range(n):
            atom = gemmi.Atom()
            atom.name, atom.element = f"{element}{index}", gemmi.Element(element)
            atom.pos = gemmi.Position(*rng.normal(scale=radius / 3, size=3))
            residue.add_atom(atom)
        chain.add_residue(residue)
    structure.add_model(gemmi.Model(1))
    structure[0].add_chain(chain)
    structure.setup_entities()
    return structure


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[str, Put]]:
    """Serve a folder, and put entries into it."""
    folder = tmp_path / "archive"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    def put(name: str, structure: gemmi.Structure | None = None, text: str = "") -> None:
        content = text if structure is None else structure.make_mmcif_document().as_string()
        (folder / f"{name}.cif.gz").write_bytes(gzip.compress(content.encode()))

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", put
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "n", "symmetry", "entries"),
    [
        ("10061-simu", 10_000, "D2", ["5a1a"]),
        ("10028-simu", 10_000, "C1", ["3j79", "3j7a"]),
        ("10025-simu", 8_000, "D7", ["6bdf"]),
    ],
)
def test_data_sets_are_the_papers(name: str, n: int, symmetry: str, entries: list[str]) -> None:
    dataset = dataset_named(name)
    settings = dataset.settings(n=None, snr=None, seed=0)
    assert (settings.n, settings.snr, dataset.symmetry) == (n, None, symmetry)
    assert [entry.name for entry in dataset.entries] == entries
    assert settings.microscope is not None
    assert (settings.shift_range_angstrom > 0) == (name == "10025-simu")  # section 2.6
    assert dataset.chosen  # what the paper leaves open is said


def test_maps_have_the_papers_box_and_nothing_finer_than_12_angstrom(tmp_path: Path) -> None:
    path = tmp_path / "5a1a.cif"
    model("5a1a", 2000).make_mmcif_document().write_file(str(path))
    dataset = DATASETS["10061-simu"]
    density = dataset_map(dataset, path)
    assert density.box == 128
    assert density.box * density.pixel_size_angstrom == pytest.approx(245.0)
    power = np.abs(np.fft.fftn(density.voxels)) ** 2
    frequency = np.fft.fftfreq(128, density.pixel_size_angstrom)
    radius = np.sqrt(sum(np.meshgrid(*[frequency**2] * 3, indexing="ij")))
    assert power[radius > 1 / 10].sum() < 1e-4 * power[radius > 0].sum()
    assert power[(radius > 1 / 20) & (radius < 1 / 13)].sum() > 1e-4 * power[radius > 0].sum()
    assert dataset_map(dataset, path, 16).pixel_size_angstrom == pytest.approx(245 / 16)


def test_shifts_of_10025_fill_a_square(tmp_path: Path) -> None:
    path = tmp_path / "6bdf.cif"
    model("6bdf", 500).make_mmcif_document().write_file(str(path))
    dataset = DATASETS["10025-simu"]
    settings = dataset.settings(n=2000, snr=None, seed=0)
    shifts = draw_simulation(dataset_map(dataset, path, 16), settings).poses.shifts_angstrom
    assert np.abs(shifts).max() <= 10.0
    np.testing.assert_allclose(shifts.std(axis=0), 10 / np.sqrt(3), rtol=0.05)


def test_two_entries_are_fetched_and_make_one_model(
    archive: tuple[str, Put], tmp_path: Path
) -> None:
    url, put = archive
    put("3j79", model("3j79", 1000))
    put("3j7a", model("3j7a", 500))
    dataset = DATASETS["10028-simu"]
    assert [entry.name for entry in dataset.entries] == ["3j79", "3j7a"]
    small = replace(dataset, entries=(Entry("3j79", (900, 1100)), Entry("3j7a", (400, 600))))
    path = fetch_model(small, tmp_path / "cache", url)
    fetched = gemmi.read_structure(str(path))
    assert fetched[0].count_atom_sites() == 1500
    density = read_map(path, pixel_size_angstrom=8.0)
    assert "1500 atoms" in " ".join(density.notes)
    assert fetch_model(small, tmp_path / "cache", "http://127.0.0.1:9") == path


@pytest.mark.parametrize("fault", ["absent", "another", "too few", "web page", "truncated"])
def test_what_is_not_the_entry_is_refused_and_not_kept(
    archive: tuple[str, Put], tmp_path: Path, fault: str
) -> None:
    url, put = archive
    if fault == "another":
        put("5a1a", model("1pma", 32_000))
    elif fault == "too few":
        put("5a1a", model("5a1a", 100))
    elif fault == "web page":
        put("5a1a", text="<!doctype html><html>Not today</html>")
    elif fault == "truncated":
        put("5a1a", model("5a1a", 32_000))
        whole = tmp_path / "archive" / "5a1a.cif.gz"
        whole.write_bytes(whole.read_bytes()[:5000])
    words = {
        "absent": "could not be downloaded",
        "another": "is entry 1PMA, not 5a1a",
        "too few": "has 100 atoms",
    }.get(fault, "is no model")
    with pytest.raises(InputError, match=words):
        fetch_model(DATASETS["10061-simu"], tmp_path / "cache", url)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_simulate_by_name_fetches_scales_down_and_tells_what_was_chosen(
    archive: tuple[str, Put],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, put = archive
    put("5a1a", model("5a1a", 32_000))
    monkeypatch.setenv("CRYOORIENT_PDB_URL", url)
    monkeypatch.setenv("CRYOORIENT_CACHE", str(tmp_path / "cache"))
    given = ["simulate", "--dataset", "10061-simu", "-o", str(tmp_path / "sim"), "--n", "6"]
    assert main([*given, "--box", "32", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out.strip().splitlines()[-1])
    assert (answer["particles"], answer["box"], answer["symmetry"]) == (6, 32, "D2")
    assert "the paper does not state" in captured.err
    particles, _ = read_particles(tmp_path / "sim" / "particles.star")
    assert particles.poses is not None
    assert not particles.poses.shifts_angstrom.any()
    assert particles.ctf is not None
    assert main([*given, "--shift-sigma", "3"]) == 2
    assert "sets --shift-sigma itself" in capsys.readouterr().err
    assert main(["simulate", "--dataset", "10005", "-o", str(tmp_path / "other")]) == 2
    assert "10061-simu" in capsys.readouterr().err
    assert main(["simulate", "-o", str(tmp_path / "other")]) == 2
    assert "MAP is missing" in capsys.readouterr().err


def test_the_real_models_have_the_symmetry_of_their_data_sets(shared_data: Path) -> None:
    from napari_cryoorient.simulation.simulate import symmetry_agreement

    for name, file in (("10061-simu", "5a1a.pdb.gz"), ("10025-simu", "t20s_1pma_D7.pdb.gz")):
        dataset = dataset_named(name)
        density = dataset_map(dataset, shared_data / "models" / file, 48)
        assert symmetry_agreement(density, dataset.symmetry) > 0.95

import gzip

import gemmi
import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.maps import read_map


def write_atoms(path, atoms):
    """Write (element, x, y, z) as PDB or mmCIF by the name of ``path``."""
    structure, model, chain = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A")
    residue = gemmi.Residue()
    residue.name, residue.seqid = "LIG", gemmi.SeqId("1")
    for element, *position in atoms:
        atom = gemmi.Atom()
        atom.name, atom.element = element, gemmi.Element(element)
        atom.pos, atom.occ = gemmi.Position(*position), 1.0
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    is_pdb = path.suffix == ".pdb"
    text = structure.make_pdb_string() if is_pdb else structure.make_mmcif_document().as_string()
    path.write_text(text)
    return path


ATOMS = [("C", 0, 0, 0), ("C", 12, 0, 0), ("O", 0, 16, 0), ("S", 3, 4, 20), ("N", -9, -5, -7)]


@pytest.mark.parametrize("name", ["a.pdb", "a.cif"])
def test_pdb_mmcif_and_gzip_give_one_map(tmp_path, name):
    plain = write_atoms(tmp_path / name, ATOMS)
    packed = tmp_path / f"packed{plain.suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    choice = {"box": 32, "pixel_size_angstrom": 2.0, "resolution_angstrom": 6.0}
    one, other = read_map(plain, **choice), read_map(packed, **choice)
    np.testing.assert_array_equal(one.voxels, other.voxels)
    assert (one.box, one.pixel_size_angstrom) == (32, 2.0)


def test_the_centre_of_mass_is_at_the_centre_voxel_and_axes_are_zyx(tmp_path):
    # Two atoms of one kind: their middle is the centre, whatever the frame of the file.
    path = write_atoms(tmp_path / "a.pdb", [("C", 100, 50, 20), ("C", 112, 58, 24)])
    density = read_map(path, box=32, pixel_size_angstrom=1.0, resolution_angstrom=4.0)
    peaks = np.argwhere(density.voxels > 0.9 * density.voxels.max())
    assert sorted(peaks.tolist()) == [[14, 12, 10], [18, 20, 22]]
    assert "centre of mass" in density.notes[-1]


def test_the_sum_of_the_map_is_the_scattering_at_zero_angle(tmp_path):
    path = write_atoms(tmp_path / "a.pdb", ATOMS)
    density = read_map(path, box=48, pixel_size_angstrom=2.0, resolution_angstrom=6.0)
    # c4322 at zero angle: the sum of its a coefficients.
    expected = sum(sum(gemmi.Element(element).c4322.a) for element, *_ in ATOMS)
    assert density.voxels.sum() * 2.0**3 == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("resolution", "pixel"), [(6.0, 1.0), (6.0, 2.5), (10.0, 3.0)])
def test_the_transform_is_the_scattering_factor_times_the_blur(tmp_path, resolution, pixel):
    path = write_atoms(tmp_path / "a.pdb", [("C", 0, 0, 0)])
    density = read_map(path, box=32, pixel_size_angstrom=pixel, resolution_angstrom=resolution)
    found = np.fft.rfft(np.fft.ifftshift(density.voxels.sum((0, 1)))).real[:-1] * pixel**3
    s = np.fft.rfftfreq(32, pixel)[:-1]
    table = gemmi.Element("C").c4322
    factor = sum(a * np.exp(-b * s**2 / 4) for a, b in zip(table.a, table.b, strict=True))
    sigma = 0.225 * resolution
    expected = factor * np.exp(-2 * np.pi**2 * sigma**2 * s**2)
    np.testing.assert_allclose(found, expected, atol=0.01 * expected[0])


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"box": 24},
        {"pixel_size_angstrom": 3.0},
        {"resolution_angstrom": 5.0},
        {"box": 64, "resolution_angstrom": 12.0},
    ],
    ids=lambda choice: "+".join(choice) or "nothing",
)
def test_what_is_left_open_gives_a_box_the_particle_can_turn_in(tmp_path, choice):
    density = read_map(write_atoms(tmp_path / "a.pdb", ATOMS), **choice)
    positions = np.array([atom[1:] for atom in ATOMS])
    assert density.box % 2 == 0
    assert density.box * density.pixel_size_angstrom > np.ptp(positions, axis=0).max()
    assert density.box == choice.get("box", density.box)
    assert density.pixel_size_angstrom == choice.get(
        "pixel_size_angstrom", density.pixel_size_angstrom
    )


def test_a_box_too_small_for_the_particle_is_refused(tmp_path):
    path = write_atoms(tmp_path / "a.pdb", ATOMS)
    with pytest.raises(InputError, match="choose a larger box or pixel size"):
        read_map(path, box=16, pixel_size_angstrom=1.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("<html>404</html>", "web page"),
        ("nothing of use\n" * 5, "no atoms|cannot be read"),
    ],
    ids=["empty", "html", "text"],
)
@pytest.mark.parametrize("name", ["a.pdb", "a.cif"])
def test_files_without_atoms_are_refused(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=said) as failure:
        read_map(path)
    assert "\n" not in str(failure.value)

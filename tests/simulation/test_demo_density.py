import numpy as np
import pytest

from napari_cryoorient.simulation.demo_density import (
    Beads,
    demo_density,
    density_from_beads,
    made_particle,
)


def test_same_seed_same_map_and_another_seed_another() -> None:
    first = demo_density(32, 8.0, seed=3)
    made_particle.cache_clear()
    again = demo_density(32, 8.0, seed=3)
    other = demo_density(32, 8.0, seed=4)
    np.testing.assert_array_equal(first.voxels, again.voxels)
    assert np.corrcoef(first.voxels.ravel(), other.voxels.ravel())[0, 1] < 0.97


def test_beads_that_are_kept_cannot_be_changed() -> None:
    beads = made_particle(3)
    assert made_particle(3) is beads
    with pytest.raises(ValueError, match="read-only"):
        beads.positions_angstrom += 1.0


def test_a_bead_at_the_origin_is_drawn_at_the_centre_voxel() -> None:
    density = density_from_beads(Beads(np.zeros((1, 3)), np.ones(1)), 16, 2.0, 12.0)
    assert np.unravel_index(density.voxels.argmax(), (16, 16, 16)) == (8, 8, 8)


def test_beads_lie_in_x_y_z_and_voxels_in_z_y_x() -> None:
    density = density_from_beads(Beads(np.array([[6.0, -4.0, 2.0]]), np.ones(1)), 16, 2.0, 10.0)
    assert np.unravel_index(density.voxels.argmax(), (16, 16, 16)) == (9, 6, 11)


def test_a_bead_outside_the_box_adds_nothing() -> None:
    beads = Beads(np.array([[0.0, 0.0, 0.0], [500.0, 0.0, 0.0]]), np.ones(2))
    alone = Beads(beads.positions_angstrom[:1], np.ones(1))
    np.testing.assert_array_equal(
        density_from_beads(beads, 16, 2.0, 10.0).voxels,
        density_from_beads(alone, 16, 2.0, 10.0).voxels,
    )


def test_the_particle_fits_its_box_and_is_centred() -> None:
    beads = made_particle(0)
    assert 85 < beads.radius_angstrom < 120
    centre = np.average(beads.positions_angstrom, axis=0, weights=beads.weights)
    np.testing.assert_allclose(centre, 0, atol=1e-9)
    density = demo_density()
    shell = density.voxels.copy()
    shell[1:-1, 1:-1, 1:-1] = 0
    assert shell.max() < 1e-3


def test_no_half_turn_leaves_the_asymmetric_map_alike() -> None:
    voxels = demo_density(32, 8.0).voxels[1:, 1:, 1:]  # odd, so that a flip keeps the centre
    for axes in ((0, 1), (0, 2), (1, 2)):
        turned = np.flip(voxels, axes)
        assert np.corrcoef(voxels.ravel(), turned.ravel())[0, 1] < 0.9


@pytest.mark.parametrize(("name", "order"), [("C4", 4), ("D2", 4), ("D7", 14)])
def test_symmetric_particles_have_a_copy_for_every_operation(name: str, order: int) -> None:
    beads = made_particle(1, symmetry=name)
    assert len(beads.weights) % order == 0
    np.testing.assert_allclose(beads.positions_angstrom[:, :2].mean(axis=0), 0, atol=1e-6)


def test_a_d2_map_is_unchanged_by_half_turns() -> None:
    voxels = demo_density(32, 8.0, symmetry="D2").voxels[1:, 1:, 1:]
    for axes in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_allclose(voxels, np.flip(voxels, axes), atol=1e-5)

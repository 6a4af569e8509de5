"""Inputs that were misread once: values out of range, constants, few or odd images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.maps import read_map
from napari_cryoorient.maps.fsc import fourier_shell_correlation
from support.faults import median_error_deg, run


@pytest.mark.parametrize("name", ["map_offset_10std", "map_tiny_values"])
def test_grey_scale_of_the_map_is_free(case, name: str):
    case(name)
    assert run("search truth.star --map map.mrc -o found.star") == 0
    assert median_error_deg("found.star") < 0.7


def test_masked_correlation_of_a_map_and_itself_plus_a_constant(case, capsys):
    case("fsc_mask_offset")
    assert run("fsc map.mrc plain.mrc --mask auto") == 0
    assert capsys.readouterr().out.count("not crossed down to Nyquist") == 2


def test_counts_reconstruct_as_normalised_images_do(case):
    case("raw_counts_offset")
    assert run("reconstruct truth.star -o found.mrc") == 0
    found, true = read_map("found.mrc"), read_map("map.mrc")
    curve = fourier_shell_correlation(found.voxels, true.voxels, true.pixel_size_angstrom)
    # relion_reconstruct: 0.5 at 26.2 A.
    assert curve.crossing_angstrom(0.5) < 26.2
    assert np.corrcoef(found.voxels.ravel(), true.voxels.ravel())[0, 1] > 0.94


def test_one_particle_is_searched_and_refined(case):
    case("one_particle")
    assert run("search p.star --map map.mrc -o s.star") == 0
    assert run("refine p.star --map map.mrc -o r.star") == 0
    assert median_error_deg("s.star") < 2
    assert median_error_deg("r.star") < 2


def test_scale_factors_of_zero_are_refused(case, capsys):
    case("ctf_scalefactor_zero")
    for line in ("reconstruct p.star -o r.mrc", "refine p.star --map map.mrc -o o.star"):
        assert run(line) == 2
        assert "the CTF is zero everywhere" in capsys.readouterr().err
    assert not Path("r.mrc").exists()


def test_defocus_in_micrometres_is_refused_as_such(case, capsys):
    case("defocus_micrometre")
    assert run("refine p.star --map map.mrc -o out.star") == 2
    assert "micrometres?" in capsys.readouterr().err


def test_optics_beyond_defocus_are_told(case, capsys):
    case("magmat_beamtilt_no_note")
    assert run("refine p.star --map map.mrc -o out.star") == 0
    told = capsys.readouterr().err
    assert "magnification" in told
    assert "beam tilt" in told


def test_one_hot_pixel_spoils_no_other_particle(case, capsys):
    case("one_hot_pixel")
    assert run("search truth.star --map map.mrc -o found.star") == 0
    assert "single pixels far beyond all others" in capsys.readouterr().err
    assert median_error_deg("found.star") < 0.7

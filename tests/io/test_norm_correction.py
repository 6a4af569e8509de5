"""Images are divided by the correction of grey values that a refinement of RELION wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.io.star import read_particles

HEAD = "data_particles\nloop_\n_rlnImageName\n_rlnDetectorPixelSize\n_rlnMagnification\n"
IMAGES = np.random.default_rng(0).standard_normal((3, 16, 16)).astype(np.float32)


def star_with(folder: Path, norms: list[str]) -> Path:
    with StackWriter(folder / "s.mrcs", 3, 16, 4.0) as writer:
        writer.append(IMAGES)
    rows = "".join(f"{i + 1}@s.mrcs 4 10000 {norm}\n" for i, norm in enumerate(norms))
    (folder / "p.star").write_text(f"{HEAD}_rlnNormCorrection\n{rows}")
    return folder / "p.star"


def test_images_are_brought_to_one_strength(tmp_path: Path) -> None:
    particles, _ = read_particles(star_with(tmp_path, ["0.5", "1", "1.5"]))
    read = particles.images.read(np.array([2, 0]))
    np.testing.assert_allclose(read, IMAGES[[2, 0]] / np.array([1.5, 0.5])[:, None, None], 1e-6)
    assert any("_rlnNormCorrection over its mean, 0.5 to 1.5" in note for note in particles.notes)
    # Some of them are of the strength that they have among all.
    np.testing.assert_array_equal(particles[[2]].images.read(np.array([0]))[0], read[0])


@pytest.mark.parametrize(
    "norms",
    [
        ["0.7"] * 3,
        ["0.7", "0", "1"],
        ["0.7", "nan", "1"],
        ["0.7", "-1", "1"],
        ["0.7", "1e-45", "1"],
        ["1e300", "0.7", "1"],
    ],
)
def test_a_column_that_says_nothing_changes_nothing(norms: list[str], tmp_path: Path) -> None:
    particles, _ = read_particles(star_with(tmp_path, norms))
    np.testing.assert_array_equal(particles.images.read(np.arange(3)), IMAGES)
    is_told = any("_rlnNormCorrection" in note and "not used" in note for note in particles.notes)
    assert is_told == (len(set(norms)) > 1)

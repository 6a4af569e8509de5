"""Stacks at random places, and ``.cs`` records in random orders with random classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.locate import StackFinder
from napari_cryoorient.io.star import read_particles
from support.cs_files import ALIGNMENTS, BLOB, CTF, a_stack, records, write

FOLDERS = ("", "Refine3D", "Refine3D/job012", "Extract", "elsewhere")
NAMES = ("mic.mrcs", "Extract/mic.mrcs", "Extract/../mic.mrcs", "./mic.mrcs", "mic.mrc")
PLACES = st.sets(st.sampled_from([f"{folder}/mic.mrcs" for folder in FOLDERS]))


def make_project(top: Path, places: Sequence[str] | set[str]) -> Path:
    """Make a RELION project with stacks at these places; return its STAR file's path."""
    project = top / "project"
    for folder in FOLDERS:
        (project / folder).mkdir(parents=True, exist_ok=True)
    (project / "default_pipeline.star").touch()
    for place in places:
        (project / place.lstrip("/")).touch()
    return project / "Refine3D" / "job012" / "run_data.star"


@settings(max_examples=60, deadline=None)
@given(places=PLACES, names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
def test_two_stacks_are_never_taken_for_one(places: set[str], names: list[str]) -> None:
    """Each name leads to the file it says, to one beside the STAR file with a note, or nowhere."""
    with TemporaryDirectory() as top:
        star = make_project(Path(top), places)
        project, beside = Path(top).resolve() / "project", star.parent.resolve()
        finder = StackFinder(star)
        found: dict[Path, set[str]] = {}
        for name in names:
            before = len(finder.notes)
            places_named = [f / os.path.normpath(name) for f in (project, beside, beside.parent)]
            named = [place for place in places_named if place.is_file()]
            try:
                path = finder.find(name)
            except InputError as error:
                words = str(error)
                assert "was not found" in words or "for the two" in words
                if "was not found" in words:
                    assert not named
                continue
            assert path.is_file()
            if named:
                assert path.samefile(named[0])
            else:
                assert len(finder.notes) >= max(before, 1)
            found.setdefault(path.resolve(), set()).add(os.path.normpath(name))
        for path, theirs in found.items():
            exact = {name for name in theirs if str(path).endswith("/" + name)}
            assert len(theirs) == 1 or theirs == exact


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(6)),
    missing=st.sets(st.integers(0, 5), max_size=2),
    seed=st.integers(0, 2**31),
)
def test_a_passthrough_in_any_order_gives_each_particle_its_own(
    order: list[int], missing: set[int], seed: int
) -> None:
    with TemporaryDirectory() as top:
        images = a_stack(Path(top) / "J5" / "extract" / "stack.mrc")
        made = records(*BLOB, *CTF, *ALIGNMENTS)
        made["uid"] = np.random.default_rng(seed).choice(2**40, 6, replace=False)
        own = ["uid", *(name for name, *_ in ALIGNMENTS)]
        rest = ["uid", *(name for name, *_ in (*BLOB[1:], *CTF))]
        kept = [row for row in order if row not in missing]
        folder = Path(top) / "J9"
        path = write(folder / "cryosparc_P3_J9_particles.cs", made[own])
        write(folder / "P3_J9_passthrough_particles.cs", made[rest][kept])
        if missing:
            with pytest.raises(InputError, match="passthrough"):
                read_particles(path)
            return
        particles, _ = read_particles(path)
        np.testing.assert_allclose(particles.ctf.defocus_u_angstrom, made["ctf/df1_A"])
        np.testing.assert_array_equal(particles.images.read(np.arange(6)), images[::-1])


@settings(max_examples=25, deadline=None)
@given(best=st.lists(st.integers(0, 3), min_size=6, max_size=6), seed=st.integers(0, 2**31))
def test_whatever_the_classes_the_pose_is_the_likeliest_ones(best: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    fields = (
        ("alignments3D_multi/pose", "<f4", (4, 3)),
        ("alignments3D_multi/shift", "<f4", (4, 2)),
        ("alignments3D_multi/psize_A", "<f4", (4,)),
        ("alignments3D_multi/class_posterior", "<f4", (4,)),
    )
    with TemporaryDirectory() as top:
        a_stack(Path(top) / "J5" / "extract" / "stack.mrc")
        made = records(*BLOB, *CTF, *fields)
        vectors = Rotation.random(24, rng=rng).as_rotvec().reshape(6, 4, 3)
        made["alignments3D_multi/pose"] = vectors
        posterior = rng.uniform(0.0, 0.4, (6, 4))
        rows = np.arange(6)
        posterior[rows, best] = rng.uniform(0.5, 1.0, 6)
        made["alignments3D_multi/class_posterior"] = posterior
        particles, _ = read_particles(write(Path(top) / "J7" / "hetero.cs", made))
        expected = Rotation.from_rotvec(vectors[rows, best]).inv().as_matrix()
        np.testing.assert_allclose(particles.poses.rotations, expected, atol=2e-6)

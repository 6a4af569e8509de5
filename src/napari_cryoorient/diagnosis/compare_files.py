"""Two files of poses compared, and what came of it written: what ``compare`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cryoorient.config import CompareConfig
from napari_cryoorient.diagnosis.comparison import Comparison, Groups, compare_poses
from napari_cryoorient.diagnosis.pose_files import PoseFile, read_poses, write_rows
from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.point_groups import point_group
from napari_cryoorient.io.new_star import printed
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table, write_star
from napari_cryoorient.particles import DensityMap, Floats, ParticleSet, counted
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.tasks.pairs import NamedPoses, paired

if TYPE_CHECKING:
    from napari_cryoorient.diagnosis.preference import Preference


def compare_stars(
    a_path: Path,
    b_path: Path,
    config: CompareConfig = CompareConfig(),
    *,
    map_path: Path | None = None,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    keep_star: bool = False,
    reporter: Reporter = SILENT,
) -> tuple[Comparison, PoseFile]:
    """Compare the poses of two files, and ask the images of A where there is a map.

    Returns file A too, with all its columns where ``keep_star`` asks for them.  Raises InputError,
    and Stopped.
    """
    point_group(config.symmetry)  # refuses a name before the files are read
    a, b = read_poses(a_path, keep_star=keep_star), read_poses(b_path)
    found = compare_files(a, b, config, reporter=reporter)
    if map_path is None:
        return found, a
    from napari_cryoorient.stack.pairing import map_for  # loads torch

    reporter.step("Asking the images")
    particles, _ = read_particles(a_path, project_dir=project_dir)
    density = map_for(map_path, particles, pixel_size_angstrom=map_pixel_size_angstrom)
    preference = preference_of(
        found, particles, density, config, name=str(a_path), reporter=reporter
    )
    return found.with_preference(preference), a


def compare_files(
    a: PoseFile,
    b: PoseFile,
    config: CompareConfig = CompareConfig(),
    *,
    reporter: Reporter = SILENT,
) -> Comparison:
    """Pair the particles of two files by name and compare their poses; raises InputError."""
    for each in (a, b):
        for note in each.notes_on_poses():
            reporter.say(f"Note on {each.path}: {note}")
    found = compare_named(a.named, b.named, config, micrographs=a.micrographs)
    for each, n in ((a, len(a.poses) - len(found)), (b, len(b.poses) - len(found))):
        if n:
            reporter.say(f"Note: {n} particles of {each.path} are not in the other file; left out.")
    return found


def compare_named(
    a: NamedPoses,
    b: NamedPoses,
    config: CompareConfig = CompareConfig(),
    *,
    micrographs: Groups | None = None,
) -> Comparison:
    """Pair two sets of poses and compare them; ``micrographs`` are those of set A.

    Raises InputError where nothing can be paired.
    """
    rows, other_rows = paired(a, b)
    return compare_poses(
        a.poses[rows],
        b.poses[other_rows],
        point_group(config.symmetry),
        rows=rows,
        other_rows=other_rows,
        micrographs=None if micrographs is None else micrographs[rows],
    )


def preference_of(
    found: Comparison,
    particles: ParticleSet,
    density: DensityMap,
    config: CompareConfig = CompareConfig(),
    *,
    name: str = "the stack",
    reporter: Reporter = SILENT,
) -> Preference:
    """Ask the images of set A which pose of each pair they prefer.

    ``particles`` are those of set A, all of them, its poses among them.  Pairs whose images tell
    nothing prefer neither.  Raises InputError where map and stack do not fit, and Stopped.
    """
    # What loads torch: poses are compared without it.
    from napari_cryoorient.alignment.likelihood import ParticleLikelihood
    from napari_cryoorient.device import choose_device
    from napari_cryoorient.diagnosis.preference import Preference, preferred_poses
    from napari_cryoorient.stack.pairing import pair_inputs

    device = choose_device(config.device)
    say = reporter.say
    inputs = pair_inputs(particles, density, invert_contrast=config.invert_contrast, name=name)
    for note in inputs.notes:
        say(note)
    stack = inputs.particles
    is_usable = np.isin(found.rows, stack.usable_rows())
    if not is_usable.all():
        n_left = counted(int((~is_usable).sum()), "particle")
        say(f"Note: {n_left} whose images are unusable prefer neither pose.")
    if not is_usable.any():
        raise InputError(f"No image of {name} is usable; there is no preference to find.")
    usable = np.flatnonzero(is_usable)
    likelihood = ParticleLikelihood(inputs.density, stack, device)
    known = preferred_poses(
        likelihood,
        found.rows[usable],
        found.a[usable],
        found.b[usable],
        found.frame,
        reporter=reporter,
    )

    def of_all(values: Floats) -> Floats:
        whole = np.zeros(len(found))
        whole[usable] = values
        return whole

    return Preference(
        of_all(known.at_a),
        of_all(known.at_b),
        of_all(known.from_a),
        of_all(known.from_b),
        known.map_is_in_first_frame,
    )


def write_comparison(found: Comparison, names: Sequence[str], path: Path) -> None:
    """Write a STAR table with a row for each pair: names of set A, and all differences."""
    columns = {"rlnImageName": [quoted(names[row]) for row in found.rows]}
    if found.micrographs is not None:
        named = [quoted(name) for name in found.micrographs.names]
        columns["rlnMicrographName"] = [named[i] for i in found.micrographs.group_of]
    views = found.a.rotations[:, 2]
    columns |= {
        "cryoorientAngleDifference": printed(found.angles_deg),
        "cryoorientShiftDifferenceAngst": printed(found.shifts_angstrom),
        "cryoorientOtherCopy": [str(int(each)) for each in found.is_other_copy],
        **{f"cryoorientView{axis}": printed(views[:, i]) for i, axis in enumerate("XYZ")},
    }
    if found.preference is not None:
        p = found.preference
        columns |= {
            "cryoorientLogLikelihoodA": printed(p.from_a),
            "cryoorientLogLikelihoodB": printed(p.from_b),
            "cryoorientProbabilityA": printed(p.probability_of_a),
        }
    write_star(StarFile((StarBlock("comparison", text_table(columns)),)), path)


def write_agreeing(found: Comparison, a: PoseFile, within_deg: float, path: Path) -> int:
    """Write the particles of file A that agree within an angle; return how many.

    All their columns stay as they are.  Raises InputError where none agrees.
    """
    kept = np.sort(found.rows[found.agreeing(within_deg)])
    return write_rows(a, kept, path, f"No two poses agree within {within_deg:g} degrees")

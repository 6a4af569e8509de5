"""Rounds until the resolution no longer improves; any of them may be stopped and taken up again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.maps import is_model_path, read_map, write_map
from napari_cryoorient.io.star import read_particles
from napari_cryoorient.maps.fsc import (
    GOLD_STANDARD,
    HALF,
    ShellCorrelation,
    fourier_shell_correlation,
    masked_correlation,
)
from napari_cryoorient.maps.reference import filtered_references
from napari_cryoorient.memory import SEARCHED, refuse_map_beyond
from napari_cryoorient.particles import DensityMap
from napari_cryoorient.projection.masks import molecule_mask
from napari_cryoorient.projection.resample import lowpass
from napari_cryoorient.runs.reader import read_json
from napari_cryoorient.settings import OF_THE_MACHINE
from napari_cryoorient.stack.pairing import matched_map
from napari_cryoorient.studies.folder import StudyFolder, write_table
from napari_cryoorient.studies.iterate import stages
from napari_cryoorient.studies.iterate.picture import save_rounds
from napari_cryoorient.studies.iterate.stages import FEWEST_LABELS, Stack
from napari_cryoorient.tasks.fsc import same_sampling, write_curve

# A round that betters the resolution by less than this was the last.
LEAST_GAIN = 0.02
PARTS = ("labels", "training", "prediction", "refinement", "reconstruction")


@dataclass(frozen=True)
class Round:
    """What a round came to; resolutions are of FSC 0.143 and 0.5 of its half-maps, in angstrom.

    ``masked_angstrom`` is that of 0.143 in a mask found from the map, corrected for the mask;
    ``against_angstrom`` that of 0.5 against the map named for comparison.  None: Nyquist.
    """

    number: int
    resolution_angstrom: float | None
    half_angstrom: float | None
    masked_angstrom: float | None
    against_angstrom: float | None
    is_compared: bool
    mean_confidence: float
    n_particles: int
    seconds: float
    seconds_by_part: Mapping[str, float]


@dataclass(frozen=True)
class Series:
    """All rounds, the best of them, and why it ended."""

    rounds: tuple[Round, ...]
    best: Round
    reason: str
    nyquist_angstrom: float


def iterate(
    stack: Stack,
    map_path: Path,
    folder: Path,
    *,
    n_rounds: int = 5,
    initial_lowpass_angstrom: float | None = 40.0,
    map_pixel_size_angstrom: float | None = None,
    compare_path: Path | None = None,
    resume: bool = True,
) -> Series:
    """Label, train, predict, refine and reconstruct, round after round, into ``folder``.

    Where the stack asks for hypotheses, rounds after the first compare the views that the
    fine-tuned network proposes, and search for those in doubt only where asked to.

    The best round's map, half-maps and poses are copied to ``folder`` at the end.  Raises
    InputError where the folder holds something else, where the network proposes no hypotheses or
    a search goes without them, and KeyboardInterrupt when stopped, with all kept that was finished.
    """
    _refuse_idle_settings(stack)
    _read_once(stack, map_path)
    settings = {
        "star": str(stack.star.resolve()),
        "map": str(Path(map_path).resolve()),
        "symmetry": stack.symmetry,
        "labels": stack.n_labels,
        "initial_lowpass_angstrom": initial_lowpass_angstrom,
        "fine_tuning_steps": stack.fine_tuning_steps,
        "hypotheses": stack.n_hypotheses,
        **({"searches_doubtful": True} if stack.searches_doubtful else {}),
        "training": {k: v for k, v in stack.training.items() if k not in OF_THE_MACHINE},
    }
    study = StudyFolder.open(folder, "iterate", settings, resume=resume)
    rounds: list[Round] = []
    try:
        while True:
            number = len(rounds) + 1
            here = round_folder(folder, number)
            done = _finished(here)
            is_new = done is None
            if done is None:
                if number == 1:
                    _first_reference(
                        stack, map_path, here, initial_lowpass_angstrom, map_pixel_size_angstrom
                    )
                else:
                    next_reference(round_folder(folder, number - 1), here)
                done = _go(stack, folder, number, compare_path)
            rounds.append(done)
            reason = _why_stop(rounds, n_rounds)
            if is_new:
                _announce(stack, done, 0 if reason else n_rounds - number)
            nyquist = 2 * read_map(here / "map.mrc").pixel_size_angstrom
            _write(study, folder, rounds, nyquist)
            if reason is not None:
                break
    except KeyboardInterrupt:
        study.close("stopped", "interrupted")
        raise
    except BaseException as error:
        study.close("failed", str(error) or type(error).__name__)
        raise
    best = min(rounds, key=lambda r: (r.resolution_angstrom or 0.0, r.half_angstrom or 0.0))
    for name in ("map.mrc", "map_half1.mrc", "map_half2.mrc", "poses.star", "fsc.csv"):
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(round_folder(folder, best.number) / name, temporary)
    study.update(best_round=best.number)
    study.close("finished", reason)
    return Series(tuple(rounds), best, reason, nyquist)


def round_folder(folder: Path, number: int) -> Path:
    """Return where a round lies."""
    return folder / f"round_{number:02d}"


def _refuse_idle_settings(stack: Stack) -> None:
    """Raise InputError for what would be taken and do nothing."""
    if stack.n_hypotheses > 0 and not stack.uses_hypotheses:
        raise InputError(
            "--hypotheses goes with a network of representation distribution, and this one is of "
            f"{stack.config.representation}: leave --hypotheses out, or train another."
        )
    if stack.searches_doubtful and stack.n_hypotheses == 0:
        raise InputError(
            "--search goes with --hypotheses K: without it every round searches for the particles "
            "in doubt; leave --search out."
        )


def _read_once(stack: Stack, map_path: Path) -> None:
    """Raise InputError for files that cannot be read, before anything is written."""
    particles, _ = read_particles(stack.star, project_dir=stack.project_dir)
    if len(particles) < FEWEST_LABELS:
        raise InputError(
            f"A network learns from {FEWEST_LABELS} particles at least, and there are "
            f"{len(particles)} in {stack.star}: find their poses with search, and make a map of "
            "them with reconstruct."
        )
    if not Path(map_path).is_file():
        raise InputError(f"{map_path} does not exist; give a map to start from with --map.")
    refuse_map_beyond(Path(map_path), SEARCHED, "Searching against a map")


def _first_reference(
    stack: Stack,
    map_path: Path,
    here: Path,
    lowpass_angstrom: float | None,
    pixel_size_angstrom: float | None,
) -> None:
    """Write the map to start from, on the stack's field of view, low-passed."""
    if (here / "reference.mrc").is_file():
        return
    particles, _ = read_particles(stack.star, project_dir=stack.project_dir)
    if is_model_path(Path(map_path)):
        pixel_size = particles.pixel_size_angstrom
        density = read_map(map_path, pixel_size_angstrom=pixel_size, box=particles.box)
    else:
        density = read_map(map_path, pixel_size_angstrom=pixel_size_angstrom)
    density = matched_map(density, particles)
    for note in density.notes:
        stack.reporter.say(f"Note: {note}")
    if lowpass_angstrom is not None and lowpass_angstrom > 2 * density.pixel_size_angstrom:
        smooth = lowpass(
            torch.tensor(density.voxels),
            lowpass_angstrom,
            density.pixel_size_angstrom,
            n_dimensions=3,
        )
        density = replace(density, voxels=smooth.numpy())
        stack.reporter.say(f"The map to start from is low-passed at {lowpass_angstrom:g} A.")
    write_map(density, here / "reference.mrc")


def next_reference(before: Path, here: Path) -> None:
    """Write the references that follow from the half-maps of the round before."""
    if (here / "reference.mrc").is_file():
        return
    halves, curve = _half_maps(before)
    pixel_size = halves[0].pixel_size_angstrom
    mean, own = filtered_references((halves[0].voxels, halves[1].voxels), curve, pixel_size)
    for half, voxels in enumerate(own, start=1):
        write_map(DensityMap(voxels, pixel_size), here / f"reference_half{half}.mrc")
    write_map(DensityMap(mean, pixel_size), here / "reference.mrc")


def _half_maps(here: Path) -> tuple[tuple[DensityMap, DensityMap], ShellCorrelation]:
    first, second = (read_map(here / f"map_half{half}.mrc") for half in (1, 2))
    curve = fourier_shell_correlation(first.voxels, second.voxels, first.pixel_size_angstrom)
    return (first, second), curve


def _go(stack: Stack, folder: Path, number: int, compare_path: Path | None) -> Round:
    """Carry out what is left of a round, and measure it."""
    here, reporter = round_folder(folder, number), stack.reporter
    reporter.say(f"Round {number}: {here}")
    seconds = dict.fromkeys(PARTS, 0.0) | (read_json(here / "seconds.json") or {})
    before = round_folder(folder, number - 1)
    is_first = number == 1

    def train() -> None:
        star = here / "labels.star" if is_first else before / "poses.star"
        stages.train(stack, here, star, None if is_first else before / "run")

    def label() -> None:
        if is_first:
            stages.label(stack, here)

    is_predicted = is_first or not stack.uses_hypotheses

    def predict() -> None:
        if is_predicted:
            stages.predict(stack, here)

    def refine() -> None:
        if is_predicted:
            stages.refine(stack, here)
        else:
            stages.choose(stack, here)

    works: tuple[Callable[[], None], ...] = (
        label,
        train,
        predict,
        refine,
        lambda: stages.reconstruct(stack, here),
    )
    for part, work in zip(PARTS, works, strict=True):
        began = time.monotonic()
        try:
            work()
        finally:
            seconds[part] += time.monotonic() - began
            with atomic_path(here / "seconds.json") as temporary:
                temporary.write_text(json.dumps(seconds))
    done = measure_round(here, number, seconds, compare_path)
    with atomic_path(here / "round.json") as temporary:
        temporary.write_text(json.dumps(asdict(done), indent=2) + "\n")
    return done


def measure_round(
    here: Path, number: int, seconds: dict[str, float], compare_path: Path | None
) -> Round:
    """Correlate the half-maps of a round, and its map with another where one is named."""
    (first, second), curve = _half_maps(here)
    write_curve(curve, here / "fsc.csv")
    whole = read_map(here / "map.mrc")
    pixel_size = whole.pixel_size_angstrom
    mean, _ = filtered_references((first.voxels, second.voxels), curve, pixel_size)
    masked = masked_correlation(
        first.voxels, second.voxels, pixel_size, molecule_mask(mean, pixel_size)
    )
    against = None
    if compare_path is not None:
        a, b = same_sampling(whole, read_map(compare_path), lambda sentence: None)
        other = fourier_shell_correlation(a.voxels, b.voxels, a.pixel_size_angstrom)
        write_curve(other, here / "fsc_against.csv")
        against = other.crossing_angstrom(HALF)
    confidences = stages.confidences(here)
    return Round(
        number,
        curve.crossing_angstrom(GOLD_STANDARD),
        curve.crossing_angstrom(HALF),
        masked.crossing_angstrom(GOLD_STANDARD),
        against,
        compare_path is not None,
        float(confidences.mean()),
        len(confidences),
        sum(seconds.values()),
        seconds,
    )


def _finished(here: Path) -> Round | None:
    record = read_json(here / "round.json")
    return None if record is None else Round(**record)


def improves(now: Round, before: Round) -> bool:
    """Tell whether a round's half-maps agree to finer detail, at 0.143 or at 0.5."""
    return any(
        (new or 0.0) < (old or 0.0) * (1 - LEAST_GAIN)
        for new, old in (
            (now.resolution_angstrom, before.resolution_angstrom),
            (now.half_angstrom, before.half_angstrom),
        )
    )


def _why_stop(rounds: list[Round], n_rounds: int) -> str | None:
    """Return why there is no further round, or None."""
    last = rounds[-1]
    if last.resolution_angstrom is None and last.half_angstrom is None:
        return "the half-maps agree down to Nyquist"
    if len(rounds) > 1 and not improves(last, rounds[-2]):
        return f"round {last.number} improved the resolution by less than {LEAST_GAIN:.0%}"
    if len(rounds) >= n_rounds:
        return f"{n_rounds} round{'s were' if n_rounds != 1 else ' was'} asked for"
    return None


def _announce(stack: Stack, done: Round, n_left: int) -> None:
    """Say what a round came to, and how long the others may take."""
    resolution = done.resolution_angstrom
    said = "Nyquist" if resolution is None else f"{resolution:.1f} A"
    sentence = f"Round {done.number}: {said} (half-maps, 0.143) after {done.seconds / 60:.1f} min"
    if n_left > 0:
        # Labels are made once.
        another = done.seconds - done.seconds_by_part.get("labels", 0.0)
        sentence += f"; at most {n_left} more, about {n_left * another / 60:.0f} min"
    stack.reporter.say(sentence + ".")


def _write(study: StudyFolder, folder: Path, rounds: list[Round], nyquist: float) -> None:
    """Bring table, picture and ``study.json`` up to date."""
    rows = []
    for each in rounds:
        row = {k: v for k, v in asdict(each).items() if k != "seconds_by_part"}
        rows.append(row | {f"{k}_s": v for k, v in each.seconds_by_part.items()})
    write_table(folder / "table.csv", rows)
    study.update(
        nyquist_angstrom=nyquist,
        rounds=rows,
        runs=[
            {"name": f"round {each.number}", "folder": f"round_{each.number:02d}/run"}
            for each in rounds
        ],
    )
    curves = [(each, _half_maps(round_folder(folder, each.number))[1]) for each in rounds]
    save_rounds(
        folder / "resolution.png",
        [(each.number, curve.frequencies, curve.values) for each, curve in curves],
        [(each.number, each.resolution_angstrom, each.against_angstrom) for each in rounds],
        nyquist,
        is_compared=any(each.is_compared for each in rounds),
    )

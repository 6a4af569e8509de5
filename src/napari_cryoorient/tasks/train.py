"""One training run from files to a finished run folder: what the command ``train`` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.device import choose_device
from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.memory import within_memory
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.runs import layout
from napari_cryoorient.runs.fingerprint import fingerprint
from napari_cryoorient.runs.folder import RunFolder, check_folder
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.runs.silent_folder import SilentFolder
from napari_cryoorient.stack.pairing import load_inputs
from napari_cryoorient.tasks.preparation import usable_split
from napari_cryoorient.tasks.resolve_config import (
    as_before,
    check_same_files,
    check_same_inputs,
    fine_tuning,
    with_box,
)
from napari_cryoorient.tasks.steering import Steering
from napari_cryoorient.tasks.training_phases import TrainingRun
from napari_cryoorient.tasks.training_progress import ProgressReporter, RunProgress
from napari_cryoorient.training.fine_tuning import EarlierNetwork
from napari_cryoorient.training.loop import Cadence
from napari_cryoorient.training.ranks import Ranks, is_first_rank, joined_ranks
from napari_cryoorient.training.split import split_of


def speaks_to_user() -> bool:
    """Tell whether this process, of those that may train together, shows how it goes."""
    return is_first_rank()


@within_memory
def run_training(
    config: TrainConfig,
    star_path: Path,
    map_path: Path,
    run_dir: Path,
    resume: bool = False,
    *,
    project_dir: Path | None = None,
    map_pixel_size_angstrom: float | None = None,
    reporter: Reporter = SILENT,
    watch: Callable[[RunProgress], None] | None = None,
    cadence: Cadence | None = None,
) -> None:
    """Train, test and predict the whole stack; everything lands in ``run_dir``.

    Processes that ``torchrun`` started share the work; the first of them writes and speaks.

    A run asked to stop keeps its checkpoint and returns; ``run.json`` says how it ended.  ``watch``
    gets the figures that ``reporter`` is told in words.

    Raises InputError or TrainingFailure after noting the reason in ``run.json``, and
    KeyboardInterrupt after a signal to stop, when all has been saved.
    """
    with joined_ranks() as ranks:
        _run(
            *(config, Path(star_path), Path(map_path), Path(run_dir), resume),
            project_dir=project_dir,
            map_pixel_size_angstrom=map_pixel_size_angstrom,
            reporter=reporter if ranks.is_first else SILENT,
            watch=watch if ranks.is_first else None,
            cadence=cadence,
            ranks=ranks,
        )


def _run(
    config: TrainConfig,
    star_path: Path,
    map_path: Path,
    run_dir: Path,
    resume: bool,
    *,
    project_dir: Path | None,
    map_pixel_size_angstrom: float | None,
    reporter: Reporter,
    watch: Callable[[RunProgress], None] | None,
    cadence: Cadence | None,
    ranks: Ranks,
) -> None:
    say = reporter.say
    found = RunReader(run_dir).run()
    earlier = found if resume else None
    if earlier is not None:
        config = as_before(config, run_dir, earlier)
    # An old request for w, made while the run went on, gives way to one that is made now.
    w_is_new = found is not None and (not resume or config.w != found.config.get("w"))
    steering = Steering(run_dir)
    # Refuse what can be refused before stack and map are read and the folder is touched.
    check_folder(run_dir, resume)
    network: EarlierNetwork | None = None
    about = None if earlier is None else earlier.fine_tuned_from
    if config.from_run is not None and not (resume and (run_dir / layout.CHECKPOINT).is_file()):
        config, network, about = fine_tuning(config)
    config = config.resolved()
    device = ranks.device(choose_device(config.device))
    symmetry_matrices(config.symmetry)
    split_of(1_000_000, config)  # refuses parts that cannot be
    inputs = load_inputs(
        star_path,
        map_path,
        invert_contrast=config.invert_contrast,
        project_dir=project_dir,
        map_pixel_size_angstrom=map_pixel_size_angstrom,
    )
    usable_split(inputs.particles, config, str(star_path))  # refuses too few
    config = with_box(config, inputs)
    if earlier is not None:
        check_same_inputs(inputs, run_dir, earlier.inputs)
    files = fingerprint(inputs.particles, star_path, map_path, project_dir)
    touched = None if earlier is None else check_same_files(files, run_dir, earlier.inputs)
    ranks.agreed(0.0)  # all have read what the folder held before the first one writes to it
    folder: RunFolder | SilentFolder = (
        RunFolder(run_dir, resume=resume, config=config.model_dump())
        if ranks.is_first
        else SilentFolder(run_dir)
    )
    steering.tell = folder.note
    folder.update(inputs=files)
    if touched is not None:
        folder.note(touched)
        say(touched)
    folder.offer_control(config.w, overwrite=w_is_new)
    if about is not None:
        folder.update(fine_tuned_from=about.model_dump())
    tell = ProgressReporter(reporter, None if config.minutes is None else 60 * config.minutes)

    def show(now: RunProgress) -> None:
        tell(now)
        if watch is not None:
            watch(now)

    try:
        with steering.watching_signals():
            run = TrainingRun(config, inputs, folder, steering, device, show, say, cadence, ranks)
            paths = {"star": str(star_path.resolve()), "map": str(map_path.resolve())}
            outcome = run.go(paths, resume, network)
    except KeyboardInterrupt:
        folder.close("stopped", "interrupted")
        raise
    except (InputError, TrainingFailure) as error:
        folder.close("failed", str(error))
        raise
    except BaseException as error:
        folder.close("failed", f"{type(error).__name__}: {error}")
        raise
    folder.close("finished" if outcome is None else "stopped", outcome)
    if steering.signalled is not None:
        raise KeyboardInterrupt

"""``iterate``: label, train, predict, refine, reconstruct, and again on the new map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.cli.studies import check_settings
from napari_cryoorient.config import SpreadConfig, TrainConfig
from napari_cryoorient.runs.layout import RUN_FILES

if TYPE_CHECKING:
    from napari_cryoorient.studies.iterate.rounds import Round

SUMMARY = "Find poses and map together, round by round, from a poor map."
_RESULTS = ("map.mrc", "map_half1.mrc", "map_half2.mrc", "poses.star", "fsc.csv")
_OF_A_ROUND = (
    *("reference.mrc", "reference_half1.mrc", "reference_half2.mrc", "labels.star"),
    *("predicted.star", "fsc_against.csv", "seconds.json", "round.json", *_RESULTS),
    *(f"run/{name}" for name in RUN_FILES),
)
ROUND_FILES = (
    *("study.json", "table.csv", "resolution.png", *_RESULTS),
    *(f"round_*/{name}" for name in _OF_A_ROUND),
)


@with_settings(SpreadConfig, leave_out={"parts"})
@with_settings(TrainConfig, leave_out={"labels", "from_run", "n_folds", "fold"})
def run(
    star_path: options.StarPath,
    map_path: options.MapPath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for all rounds."),
        Writes(inside=ROUND_FILES),
    ],
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds at most.")] = 5,
    subset: Annotated[
        int, typer.Option(min=50, metavar="N", help="Particles labelled by global search.")
    ] = 1000,
    initial_lowpass: Annotated[
        float,
        typer.Option(min=0.0, metavar="A", help="Low-pass of the map to start from; 0 for none."),
    ] = 40.0,
    fine_tune_steps: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="STEPS", help="Training steps from round 2 on. [default: by the preset]"
        ),
    ] = None,
    hypotheses: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="K",
            help="From round 2 on compare each particle with this many of the network's views; 0 "
            "refines predicted poses and searches for those in doubt, as round 1 does.",
        ),
    ] = 0,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="With --hypotheses, search for the particles that these views leave in doubt.",
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Map that each round's is compared with; no more."),
        Reads("map"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with the rounds in the folder.")
    ] = True,
    pixel_size: options.PixelSize = None,
    project_dir: options.ProjectDir = None,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Label a subset by global search, train, predict, refine, reconstruct; again on the new map.

    Ends when the resolution of the half-maps no longer improves. The same command continues
    rounds that were stopped. --steps and --minutes are those of round 1; the later ones fine-tune.
    """
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return
    config = check_settings(settings)

    from napari_cryoorient.cluster.commands import Workplace
    from napari_cryoorient.studies.iterate.project import project_folder_of
    from napari_cryoorient.studies.iterate.rounds import iterate
    from napari_cryoorient.studies.iterate.stages import Stack

    with progress("Preparing") as bar, Workplace(spreading, bar.reporter) as place:
        stack = Stack(
            star_path,
            project_folder_of(star_path, project_dir),
            config.symmetry,
            {k: v for k, v in settings.items() if k != "symmetry"},
            n_labels=subset,
            fine_tuning_steps=fine_tune_steps,
            n_hypotheses=hypotheses,
            searches_doubtful=search,
            reporter=bar.reporter,
            place=place,
        )
        try:
            series = iterate(
                stack,
                map_path,
                output,
                n_rounds=rounds,
                initial_lowpass_angstrom=initial_lowpass or None,
                map_pixel_size_angstrom=pixel_size,
                compare_path=compare,
                resume=resume,
            )
        except KeyboardInterrupt:
            bar.say(f"Stopped; the same command continues with {output}.")
            raise
    print(_table(series.rounds, series.nyquist_angstrom))
    print(f"Ended: {series.reason}. Best: round {series.best.number}; its map and poses: {output}")
    if len(series.rounds) > 1:
        print(
            "Half-sets were refined against half-maps of their own from round 2 on; the network "
            "and round 1 saw both: the FSC is near a gold-standard one, and not quite one."
        )
    else:
        print("Half-sets were refined against one map: the FSC is not a gold-standard one.")
    if json:
        print_json(
            {
                "folder": output,
                "map": output / "map.mrc",
                "poses": output / "poses.star",
                "best_round": series.best.number,
                "reason": series.reason,
                "nyquist_angstrom": series.nyquist_angstrom,
                "rounds": [vars(each) for each in series.rounds],
            }
        )


def _table(rounds: tuple[Round, ...], nyquist_angstrom: float) -> str:
    """Lay the rounds out, one a line."""

    def said(value: float | None) -> str:
        return f"{value:.1f} \u00c5" if value is not None else f"<{nyquist_angstrom:.1f} \u00c5"

    lines = ["round  FSC 0.143  FSC 0.5    in a mask  against    confidence  time"]
    for each in rounds:
        compared = said(each.against_angstrom) if each.is_compared else "-"
        cells = [said(each.resolution_angstrom), said(each.half_angstrom)]
        cells += [said(each.masked_angstrom), compared]
        columns = "  ".join(f"{cell:<9}" for cell in cells)
        minutes = f"{each.seconds / 60:.1f} min"
        lines.append(f"{each.number:>5}  {columns}  {each.mean_confidence:<10.2f}  {minutes}")
    return "\n".join(lines)

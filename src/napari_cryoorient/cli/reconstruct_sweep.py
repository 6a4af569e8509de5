"""``reconstruct-sweep``: maps from the poses of every run of a sweep, and their FSC."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cryoorient.cli import options
from napari_cryoorient.cli.files import Reads, Writes
from napari_cryoorient.cli.progress import print_json, progress
from napari_cryoorient.cli.settings_flags import with_settings
from napari_cryoorient.cli.spreading import is_only_shown, spread_settings
from napari_cryoorient.config import SpreadConfig
from napari_cryoorient.errors import InputError
from napari_cryoorient.runs import layout

if TYPE_CHECKING:
    from napari_cryoorient.tasks.spread import Spread

SUMMARY = "Reconstruct at the true poses and at those of each run of a sweep."


@with_settings(SpreadConfig, leave_out={"parts"})
def run(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of a finished sweep."),
        Reads("study"),
        Writes(inside=("reconstructions/*", "reconstructions-all/*")),
    ],
    w_values: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Only these values of w, such as 0,0.5,1."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all-particles", help="Not the held-out particles alone.")
    ] = False,
    device: options.Device = "auto",
    seed: options.UnusedSeed = 0,
    json: options.Json = False,
    **settings: Any,
) -> None:
    """Back-project the held-out particles at true and predicted poses (the paper's figure 11).

    The STAR file that the sweep learned from has to have poses. Into DIR/reconstructions: maps,
    their FSC with the map of the true poses and with the reference, table.csv and fsc.png. With
    --all-particles into DIR/reconstructions-all.
    """
    spreading = spread_settings(settings)
    if is_only_shown(spreading):
        return

    import numpy as np

    from napari_cryoorient.cli.studies import w_values_of
    from napari_cryoorient.cluster.commands import Workplace
    from napari_cryoorient.config import ReconstructConfig
    from napari_cryoorient.runs.reader import read_json
    from napari_cryoorient.tasks.reconstruct_each import reconstruct_each

    study = read_json(folder / "study.json")
    if study is None or study.get("kind") != "sweep":
        raise InputError(f"{folder} holds no sweep: name the folder that sweep wrote.")
    wanted = None if w_values is None else w_values_of(w_values)
    runs = {
        f"w{each['w']:.2f}": folder / each["folder"]
        for each in study["runs"]
        if wanted is None or any(abs(each["w"] - w) < 1e-6 for w in wanted)
    }
    done = {label: run for label, run in runs.items() if (run / layout.POSES).is_file()}
    if not done:
        raise InputError(f"No run of the sweep in {folder} has poses yet: let it finish first.")
    known = study["settings"]
    rows, out = None, folder / "reconstructions-all"
    if not everything:
        out = folder / "reconstructions"
        with np.load(next(iter(done.values())) / layout.SPLIT) as split:
            rows = np.sort(split["test_rows"])
    star = Path(known["star"])
    project_dir = None if known["project_dir"] is None else Path(known["project_dir"])
    config = ReconstructConfig(symmetry=known["training"].get("symmetry", "C1"), device=device)
    with progress("Reconstructing") as bar, Workplace(spreading, bar.reporter) as place:

        def spread_of(poses: Path | None, out: Path) -> AbstractContextManager[Spread]:
            return place.spread(
                "reconstruct-sweep",
                config,
                out,
                particles=star,
                others={"the poses": poses},
                project_dir=project_dir,
                everything=everything,
            )

        if len(done) < len(runs):
            bar.say(f"Note: {len(runs) - len(done)} runs without poses are left out.")
        comparison = reconstruct_each(
            star,
            Path(known["map"]),
            {label: run / layout.POSES for label, run in done.items()},
            out,
            config,
            rows=rows,
            project_dir=project_dir,
            reporter=bar.reporter,
            spread_of=spread_of,
        )

    def said(value: str | float | None) -> str:
        return f"{value:.1f} \u00c5" if isinstance(value, float) else "-"

    print("poses   FSC 0.5 with true poses' map   with the reference")
    for row in comparison.rows():
        true, reference = said(row["true_0.5_angstrom"]), said(row["map_0.5_angstrom"])
        print(f"{row['poses']:<6}  {true:<29}  {reference}")
    print("-: not below 0.5 down to Nyquist; every map agrees with itself")
    print(f"Maps, curves and table: {out}")
    if json:
        print_json({"folder": out, "reconstructions": comparison.rows()})

"""The same images reconstructed at several sets of poses, and how far the maps agree (fig. 11)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from napari_cryoorient.config import ReconstructConfig
from napari_cryoorient.figures import save_fsc
from napari_cryoorient.io.atomic import atomic_path
from napari_cryoorient.io.maps import read_map
from napari_cryoorient.maps.fsc import (
    GOLD_STANDARD,
    HALF,
    ShellCorrelation,
    fourier_shell_correlation,
)
from napari_cryoorient.particles import Integers
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.tasks.fsc import same_sampling, write_curve
from napari_cryoorient.tasks.reconstruct import reconstruct_run
from napari_cryoorient.tasks.spread import AT_ONCE, Spread

TRUE = "true"


@dataclass(frozen=True)
class PoseComparison:
    """Curves by label: against the map of the true poses, and against the reference."""

    against_true: dict[str, ShellCorrelation]
    against_reference: dict[str, ShellCorrelation]

    def rows(self) -> list[dict[str, str | float | None]]:
        """Return a row for each label: crossings in angstrom, None where there is none."""
        return [
            {
                "poses": label,
                "true_0.5_angstrom": None if known is None else known.crossing_angstrom(HALF),
                "true_0.143_angstrom": None
                if known is None
                else known.crossing_angstrom(GOLD_STANDARD),
                "map_0.5_angstrom": curve.crossing_angstrom(HALF),
                "map_0.143_angstrom": curve.crossing_angstrom(GOLD_STANDARD),
                "nyquist_angstrom": curve.nyquist_angstrom,
            }
            for label, curve in self.against_reference.items()
            for known in [self.against_true.get(label)]
        ]


def _at_once(_poses: Path | None, _out: Path) -> AbstractContextManager[Spread]:
    return nullcontext(AT_ONCE)


def reconstruct_each(
    star_path: Path,
    map_path: Path,
    poses: Mapping[str, Path],
    folder: Path,
    config: ReconstructConfig = ReconstructConfig(),
    *,
    rows: Integers | None = None,
    project_dir: Path | None = None,
    reporter: Reporter = SILENT,
    spread_of: Callable[[Path | None, Path], AbstractContextManager[Spread]] = _at_once,
) -> PoseComparison:
    """Reconstruct ``rows`` of a stack at its own poses ("true") and at those of other STAR files.

    ``poses`` are STAR files by label.  ``folder`` gets a map for each label, curves as CSV,
    ``table.csv`` and ``fsc.png``, which has them all; maps that are there already are kept.
    ``spread_of(poses, out)`` gives how the work of one map is spread.
    """
    config = config.model_copy(update={"invert_contrast": "no"})  # one sign for all
    paths: dict[str, Path] = {}
    for label, source in {TRUE: None, **poses}.items():
        path = folder / f"{label.replace(' ', '')}.mrc"
        paths[label] = path
        if path.is_file():
            continue
        reporter.step(f"Reconstructing, {label}")
        with spread_of(source, path) as spread:
            reconstruct_run(
                star_path,
                source,
                path,
                config,
                rows=rows,
                project_dir=project_dir,
                reporter=reporter,
                spread=spread,
            )
    reference = read_map(map_path)
    true = read_map(paths[TRUE])
    against_true, against_reference = {}, {}
    for label, path in paths.items():
        density = read_map(path)
        a, b = same_sampling(density, reference, lambda sentence: None)
        curve = fourier_shell_correlation(a.voxels, b.voxels, a.pixel_size_angstrom)
        against_reference[label] = curve
        write_curve(curve, path.with_name(f"{path.stem}_fsc_map.csv"))
        if label != TRUE:
            curve = fourier_shell_correlation(
                density.voxels, true.voxels, density.pixel_size_angstrom
            )
            against_true[label] = curve
            write_curve(curve, path.with_name(f"{path.stem}_fsc_true.csv"))
    comparison = PoseComparison(against_true, against_reference)
    _write_table(comparison, folder / "table.csv")
    if against_true:
        drawn = {label: (c.frequencies, c.values) for label, c in against_true.items()}
        save_fsc(folder / "fsc.png", drawn, title="Against the map of the true poses")
    return comparison


def _write_table(comparison: PoseComparison, path: Path) -> None:
    rows = comparison.rows()
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: f"{v:.4g}" if isinstance(v, float) else v or "" for k, v in row.items()}
            )

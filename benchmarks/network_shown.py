"""Table and picture of what ``benchmarks/network.py`` measured."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

OTHER = "search 0.1.0"
# Ways in the picture, and the stacks of one shift that differ in noise alone.
SHOWN = {
    OTHER: "search of 0.1.0",
    "search": "search",
    "hypotheses + search": "network, then a search",
    "hypotheses": "network, no search",
    "network": "network alone",
}
# What stacks and ways are called in the table.
NAMES = {
    "off 15 A 0.1": "shifts of 15 A, SNR 0.1",
    "off 25 A 0.1": "shifts up to 25 A, SNR 0.1",
    **{f"coloured {snr}": f"shifts of 5 A, SNR {snr}" for snr in ("0.3", "0.1", "0.03", "0.02")},
    "all 0.03": "all varied, SNR 0.03",
    **{
        f"{name} coloured {snr}": f"{shown}, shifts of 5 A, SNR {snr}"
        for name, shown in (
            ("galactosidase", "beta-galactosidase (D2)"),
            ("proteasome", "T20S (D7)"),
        )
        for snr in ("0.1", "0.03")
    },
}
WHO = {
    OTHER: "search of version 0.1.0",
    "search": "**search** (no network)",
    "hypotheses + search": "**network**, `--hypotheses K`",
    "hypotheses": "**network**, `--hypotheses K --no-search`",
    "hypotheses once": "network, first look alone",
    "network": "the network's own best pose alone",
    "random once": "random views, first look alone",
    "random": "random views, no search",
    "random + search": "random views, then a search",
    "untrained once": "untrained network, first look alone",
    "untrained": "untrained network, no search",
    "untrained + search": "untrained network, then a search",
}
BY_NOISE = ("coloured 0.3", "coloured 0.1", "coloured 0.03", "coloured 0.02")


def curve_of(run: Path) -> list[tuple[float, float, float, float]]:
    """Return step, seconds, median degrees and shift in angstrom of each test of a run."""
    told, last = [], None
    for text in (run / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        error = line["angular_error_deg"]
        if error is not None and error != last:
            last = error
            told.append((line["step"], line["seconds"], error, line["shift_error_angstrom"]))
    return told


def as_table(rows: pd.DataFrame) -> str:
    """Lay rows out as the Markdown table of docs/network.md.

    Times of a stack are compared with its search's of the same table, and with 0.1.0's.
    """
    lines = [
        "| stack (images) | who proposes | K | under 10 | median | ECE | right at > .9 (share) | "
        "searched | looked at again | ms an image | against search | against 0.1.0 |",
        "|---" * 12 + "|",
    ]
    for stack, of_stack in rows.groupby("stack", sort=False):
        times = [of_stack[of_stack.way == way].ms_an_image for way in ("search", OTHER)]
        for row in of_stack.to_dict("records"):
            way = row["way"]
            faster = [f"{of.iloc[0] / row['ms_an_image']:.1f}x" if len(of) else "" for of in times]
            right = "-" if not row["over_0.9"] else f"{row['right_over_0.9']:.3f}"
            is_searched = way.endswith("+ search")
            is_again = way not in (OTHER, "network") and not way.endswith("once")
            lines.append(
                f"| {NAMES.get(stack, stack)} ({row['n']}) | {WHO.get(way, way)} | "
                f"{row['k'] or '-'} | {row['under_10']:.3f} | {row['median_deg']:.2f}° | "
                f"{row['calibration_error']:.3f} | {right} ({row['over_0.9']:.2f}) | "
                f"{format(row['searched'], '.0%') if is_searched else '-'} | "
                f"{format(row['looked_at_again'], '.0%') if is_again else '-'} | "
                f"{row['ms_an_image']:.1f} | {' | '.join(faster)} |"
            )
    return "\n".join(lines)


def save_picture(
    rows: pd.DataFrame, curve: list[tuple[float, float, float, float]], batch: int, path: Path
) -> None:
    """Draw error against images learned from, and share right against images a second by SNR."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    learned, paid = figure.subplots(1, 2)
    learned.loglog([batch * line[0] for line in curve], [line[2] for line in curve])
    learned.set(xlabel="images learned from", ylabel="median error of the network alone, degrees")
    learned.set_yticks(degrees := [10, 20, 50, 100], [str(value) for value in degrees])
    for way, label in SHOWN.items():
        of_way = rows[(rows.way == way) & (rows.k <= 64)].set_index("stack")
        there = [name for name in BY_NOISE if name in of_way.index]
        speed = [1e3 / float(of_way.ms_an_image[name]) for name in there]
        share = [100 * float(of_way.under_10[name]) for name in there]
        paid.plot(speed, share, "o-", label=label)
        for name, x, y in zip(there, speed, share, strict=True):
            # Above, all lie on one another, and both ways that end with a search.
            if y < 98 and way != "hypotheses + search":
                snr = name.split()[-1]
                paid.annotate(snr, (x, y), textcoords="offset points", xytext=(6, -10))
    paid.set_xscale("log")
    paid.set_xticks(speeds := [10, 20, 50, 100, 200, 500], [str(value) for value in speeds])
    paid.xaxis.set_minor_formatter("")
    learned.yaxis.set_minor_formatter("")
    paid.set(xlabel="images a second, one core", ylabel="within ten degrees, %")
    paid.legend(fontsize="small")
    figure.savefig(path, dpi=100)

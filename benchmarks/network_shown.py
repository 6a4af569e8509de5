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
    """Lay rows out as a Markdown table; times of a stack are compared with its search's."""
    lines = [
        "| stack | way | K | under 10 | median | ECE | right at > .9 (share) | searched | "
        "looked at again | ms an image | against search | against 0.1.0 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for stack, of_stack in rows.groupby("stack", sort=False):
        times = [of_stack[of_stack.way == way].ms_an_image for way in ("search", OTHER)]
        for row in of_stack.to_dict("records"):
            faster = [f"{of.iloc[0] / row['ms_an_image']:.1f}x" if len(of) else "-" for of in times]
            lines.append(
                f"| {stack} | {row['way']} | {row['k']} | {row['under_10']:.3f} | "
                f"{row['median_deg']:.2f} | {row['calibration_error']:.3f} | "
                f"{row['right_over_0.9']:.3f} ({row['over_0.9']:.2f}) | "
                f"{row['searched']:.2f} | {row['looked_at_again']:.2f} | "
                f"{row['ms_an_image']:.2f} | {' | '.join(faster)} |"
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
            if y < 98:  # above, all lie on one another
                snr = name.split()[-1]
                paid.annotate(snr, (x, y), textcoords="offset points", xytext=(5, -9))
    paid.set_xscale("log")
    paid.set_xticks(speeds := [10, 20, 50, 100, 200, 500], [str(value) for value in speeds])
    paid.xaxis.set_minor_formatter("")
    learned.yaxis.set_minor_formatter("")
    paid.set(xlabel="images a second, one core", ylabel="within ten degrees, %")
    paid.legend(fontsize="small")
    figure.savefig(path, dpi=100)

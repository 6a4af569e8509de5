"""Which rows of the table reach what is asked of them."""

from __future__ import annotations

import math

import pandas as pd

from realistic.conditions import CONDITIONS

LEAST_RIGHT, LARGEST_ERROR, LARGEST_JUNK = 0.97, 0.03, 0.01
# How well junk is told from right poses, from this SNR on and below it.
LEAST_AUC = ((0.1, 0.98), (0.0, 0.9))
BELOW_CEILING = 0.03
# Ways that state a confidence for every image from the map's likelihood.
JUDGED = ("search", "search-refine", "network-refine", "hypotheses")


def missed(line: object, ceiling: float) -> list[str]:
    """Return what a line of the results misses; a figure that is not there misses nothing."""
    snr = CONDITIONS[line.condition].snr
    least_auc = next(least for from_snr, least in LEAST_AUC if snr >= from_snr)
    found = []
    if line.calibration_error > LARGEST_ERROR:
        found.append(f"calibration error {line.calibration_error:.3f}")
    if line.right_when_sure < LEAST_RIGHT:
        found.append(f"right over .9 {line.right_when_sure:.3f}")
    if line.junk_sure > LARGEST_JUNK:
        found.append(f"junk over .9 {line.junk_sure:.3f}")
    if line.junk_auc < least_auc:
        found.append(f"AUC {line.junk_auc:.3f}")
    if line.under_10 < ceiling - BELOW_CEILING:
        found.append(f"{line.under_10:.3f} found of {ceiling:.3f}")
    return found


def as_targets(lines: pd.DataFrame) -> str:
    """Return a Markdown table: what can be found, what is, and what each row misses."""
    lines = lines[lines.condition.notna()]
    ceilings = lines[lines.way == "ceiling"].set_index("condition").under_10.to_dict()
    rows = [
        "| condition | use | way | program | could be found | found | misses |",
        "|---" * 7 + "|",
    ]
    n_all = n_kept = 0
    for line in lines[lines.way.isin(JUDGED)].itertuples():
        ceiling = ceilings.get(line.condition, math.nan)
        misses = missed(line, ceiling)
        n_all, n_kept = n_all + 1, n_kept + (not misses)
        rows.append(
            f"| {line.condition} | {line.use} | {line.way} | {line.program} | {ceiling:.3f} | "
            f"{line.under_10:.3f} | {'; '.join(misses) or 'nothing'} |"
        )
    return "\n".join([*rows, "", f"{n_kept} of {n_all} rows miss nothing."]).replace("nan", "-")

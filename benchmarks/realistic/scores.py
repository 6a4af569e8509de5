"""How right poses are, and how true what is said of them: figures of one row of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
from scipy.spatial.transform import Rotation
from scipy.stats import rankdata

from realistic.stacks import PARTICLE, Stack

RIGHT_DEG, CLOSE_DEG, SURE = 10.0, 5.0, 0.9
N_BINS = 10


@dataclass(frozen=True)
class Scores:
    """Figures of a row; shares are of the particles, those about confidence of all images."""

    median_deg: float
    under_5: float
    under_10: float
    mean_confidence: float
    sure: float
    right_when_sure: float
    calibration_error: float
    junk_sure: float
    junk_auc: float
    shift_rms_angstrom: float


def scores_of(stack: Stack, result: Path, group: Rotation) -> Scores:
    """Compare a STAR file that a program wrote with the truth."""
    table = starfile.read(result, always_dict=True)["particles"]
    number = np.array([int(name.split("@")[0]) - 1 for name in table["rlnImageName"]])
    angles = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    found = np.swapaxes(Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix(), 1, 2)
    shifts = -table[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float)
    confidence = np.ones(len(table))
    if "rlnParticleFigureOfMerit" in table:
        confidence = table["rlnParticleFigureOfMerit"].to_numpy(float)
    errors = errors_deg(found, stack.rotations[number], group)
    is_particle = stack.kinds[number] == PARTICLE
    is_right = is_particle & (errors < RIGHT_DEG)
    is_sure = confidence > SURE
    off = np.hypot(*(shifts - stack.shifts_angstrom[number])[is_right].T)
    return Scores(
        median_deg=_part(np.median, errors[is_particle]),
        under_5=_part(np.mean, errors[is_particle] < CLOSE_DEG),
        under_10=_part(np.mean, errors[is_particle] < RIGHT_DEG),
        mean_confidence=float(confidence.mean()),
        sure=float(is_sure.mean()),
        right_when_sure=_part(np.mean, is_right[is_sure]),
        calibration_error=calibration_error(confidence, is_right),
        junk_sure=_part(np.mean, is_sure[~is_particle]),
        junk_auc=area_under_curve(confidence[is_right], confidence[~is_particle]),
        shift_rms_angstrom=float(np.sqrt(_part(np.mean, off**2))),
    )


def _part(statistic, values: np.ndarray) -> float:
    return float(statistic(values)) if len(values) else float("nan")


def errors_deg(found: np.ndarray, true: np.ndarray, group: Rotation) -> np.ndarray:
    """Return angles ``(n,)`` between rotations A, the least over equivalent ones (A' = A g^T)."""
    between = Rotation.from_matrix(np.swapaxes(found, 1, 2) @ true)  # S_found S_true^T
    angles = [(Rotation.from_matrix(g) * between).magnitude() for g in group.as_matrix()]
    return np.degrees(np.min(angles, axis=0))


def calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Return the expected calibration error over ten bins."""
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    off = np.bincount(bins, confidence, N_BINS) - np.bincount(bins, is_right, N_BINS)
    return float(np.abs(off).sum() / len(confidence))


def area_under_curve(right: np.ndarray, junk: np.ndarray) -> float:
    """Return the chance that a right pose has more confidence than junk has."""
    if not len(right) or not len(junk):
        return float("nan")
    ranks = rankdata(np.concatenate([right, junk]))[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(junk)))


def as_table(lines: pd.DataFrame) -> str:
    """Return result lines as a Markdown table, what could be found beside each way."""
    head = (
        "| condition | use | way | program | median | under 5 | under 10 | could be found "
        "| right at > .9 (share) | ECE | junk > .9 | AUC | images/CPU s |"
    )
    rows = [head, "|---" * 13 + "|"]
    ceilings = lines[lines.way == "ceiling"].set_index("condition").under_10.to_dict()
    for line in lines[lines.way != "ceiling"].itertuples():
        rows.append(
            f"| {line.condition} | {line.use} | {line.way} | {line.program} | "
            f"{line.median_deg:.2f} | {line.under_5:.3f} | {line.under_10:.3f} | "
            f"{ceilings.get(line.condition, math.nan):.3f} | "
            f"{line.right_when_sure:.3f} ({line.sure:.2f}) | {line.calibration_error:.3f} | "
            f"{line.junk_sure:.3f} | {line.junk_auc:.3f} | {line.images_per_cpu_second:.1f} |"
        )
    return "\n".join(rows).replace("nan", "-")

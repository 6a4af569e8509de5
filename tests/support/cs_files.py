"""Made ``.cs`` files: records with the fields and number types of cryoSPARC's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from napari_cryoorient.io.stacks import StackWriter

BOX, PIXEL = 16, 1.5
ALIGNMENT_PIXEL = 3.0  # particles aligned at half their size
BLOB = (
    ("uid", "<u8"),
    ("blob/path", "S64"),
    ("blob/idx", "<u4"),
    ("blob/shape", "<u4", (2,)),
    ("blob/psize_A", "<f4"),
    ("blob/sign", "<f4"),
)
CTF = (
    ("ctf/type", "S9"),
    ("ctf/exp_group_id", "<u4"),
    ("ctf/accel_kv", "<f4"),
    ("ctf/cs_mm", "<f4"),
    ("ctf/amp_contrast", "<f4"),
    ("ctf/df1_A", "<f4"),
    ("ctf/df2_A", "<f4"),
    ("ctf/df_angle_rad", "<f4"),
    ("ctf/phase_shift_rad", "<f4"),
    ("ctf/bfactor", "<f4"),
    ("ctf/tilt_A", "<f4", (2,)),
)
ALIGNMENTS = (
    ("alignments3D/split", "<u4"),
    ("alignments3D/shift", "<f4", (2,)),
    ("alignments3D/pose", "<f4", (3,)),
    ("alignments3D/psize_A", "<f4"),
    ("alignments3D/alpha", "<f4"),
    ("alignments3D/cross_cor", "<f4"),
    ("alignments3D/class", "<u4"),
)


def a_stack(path: Path, n: int = 6) -> np.ndarray:
    """Write ``n`` images of noise."""
    images = np.random.default_rng(1).normal(size=(n, BOX, BOX)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with StackWriter(path, n, BOX, PIXEL) as writer:
        writer.append(images)
    return images


def records(*fields: tuple, n: int = 6, path: str = ">J5/extract/stack.mrc") -> np.ndarray:
    """Make ``n`` records with those fields, no two alike; images run backwards in the stack."""
    rng = np.random.default_rng(2)
    made = np.zeros(n, dtype=[*fields])
    for name in made.dtype.names:
        shape = made[name].shape
        if made[name].dtype.kind == "f":
            made[name] = rng.uniform(0.1, 1.0, shape)
    known = {
        "uid": rng.permutation(n).astype(np.uint64) + np.uint64(10**19),
        "blob/path": path.encode(),
        "blob/idx": np.arange(n)[::-1],
        "blob/shape": (BOX, BOX),
        "blob/psize_A": PIXEL,
        "blob/sign": 1.0,
        "ctf/type": b"imported",
        "ctf/exp_group_id": np.arange(n) % 2 + 7,
        "ctf/accel_kv": 300.0,
        "ctf/cs_mm": 2.7,
        "ctf/amp_contrast": 0.1,
        "ctf/df1_A": 15000 + 100 * np.arange(n),
        "ctf/df2_A": 14000 + 100 * np.arange(n),
        "ctf/df_angle_rad": np.linspace(-1.0, 1.5, n),
        "ctf/phase_shift_rad": np.linspace(0.0, 1.0, n),
        "ctf/bfactor": 0.0,
        "ctf/tilt_A": 0.0,
        "alignments3D/split": np.arange(n) % 2,
        "alignments3D/pose": Rotation.random(n, random_state=3).as_rotvec(),
        "alignments3D/shift": rng.normal(size=(n, 2)) * 2,
        "alignments3D/psize_A": ALIGNMENT_PIXEL,
        "alignments3D/class": 0,
    }
    for name, values in known.items():
        if name in made.dtype.names:
            made[name] = values
    return made


def write(path: Path, array: np.ndarray) -> Path:
    """Write records as cryoSPARC does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, array)
    return path

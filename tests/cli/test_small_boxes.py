"""Boxes of a few pixels: one sentence wherever anything is compared in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.io.maps import write_map
from napari_cryoorient.io.stacks import StackWriter
from napari_cryoorient.particles import LEAST_BOX, DensityMap

Run = Callable[..., tuple[int, str, str]]
COLUMNS = ("rlnImageName", "rlnPixelSize", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
LINES = (
    "search p.star --map map.mrc -o out.star",
    "refine p.star --map map.mrc -o out.star",
    "train p.star --map map.mrc -o out --steps 1",
    "compare p.star p.star --map map.mrc",
    "pixel-size p.star --map map.mrc",
    "symmetry map.mrc",
    "symmetry large.mrc --against map.mrc",
    "fsc map.mrc map.mrc",
)


def make(folder: Path, box: int) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("map", box), ("large", 2 * LEAST_BOX)):
        write_map(
            DensityMap(rng.normal(size=(n,) * 3).astype(np.float32), 4.0), folder / f"{name}.mrc"
        )
    with StackWriter(folder / "p.mrcs", 24, box, 4.0) as writer:
        writer.append(rng.normal(size=(24, box, box)))
    head = "".join(f"_{name} #{i}\n" for i, name in enumerate(COLUMNS, 1))
    rows = "".join(f"{i}@p.mrcs 4.0 {10 * i} {5 * i} 30\n" for i in range(1, 25))
    (folder / "p.star").write_text(f"data_\n\nloop_\n{head}{rows}")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("box", [2, 4, LEAST_BOX])
def test_a_box_of_a_few_pixels_is_one_sentence(
    line: str, box: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    make(tmp_path, box)
    monkeypatch.chdir(tmp_path)
    status, _, said = run(*line.split(), *([] if line.startswith("fsc") else ["--device", "cpu"]))
    if box < LEAST_BOX:
        assert status == 2
        assert "cannot be compared" in said
        assert not list(tmp_path.glob("out*"))
    else:
        assert "cannot be compared" not in said

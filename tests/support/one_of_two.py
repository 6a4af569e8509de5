"""One of two processes that train together: ``python -m support.one_of_two STAR MAP FOLDER``.

Each preset trains in a folder of its name; w changes after the first step, and after the second one
the run stops and goes on.  A tiny network stands in for the paper's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from torch import nn

from napari_cryoorient.config import TrainConfig
from napari_cryoorient.runs.reader import RunReader
from napari_cryoorient.tasks.train import run_training
from napari_cryoorient.tasks.training_progress import RunProgress
from napari_cryoorient.training import paper
from napari_cryoorient.training.loop import Cadence
from napari_cryoorient.training.ranks import joined_ranks
from support.tiny_network import TinyNetwork

EVERY_STEP = Cadence(report_s=0.0, checkpoint_s=0.0, preview_s=0.0, test_s=0.0, spare_part=1e9)
COMMON = {"device": "cpu", "precision": "float32", "steps": 4, "w": 0.9}
CONFIGS = {
    "fast": TrainConfig(batch_size=48, **COMMON),
    "paper": TrainConfig(preset="paper", box=24, weights="none", batch_size=12, **COMMON),
}


def train(config: TrainConfig, star: Path, density: Path, run: Path, *, stops: bool) -> None:
    """Train in ``run``; w becomes 0.2 after a step, and if it ``stops``, it does so after two."""

    def steer(now: RunProgress) -> None:
        if now.phase != "training" or now.done not in (1, 2):
            return
        if now.done == 1:
            RunReader(run).ask(w=0.2)
        elif stops:
            RunReader(run).ask(stop=True)
        time.sleep(0.1)  # longer than the loop's interval of looking

    run_training(config, star, density, run, cadence=EVERY_STEP, watch=steer)


class WithoutDropout(TinyNetwork):
    """What dropout draws depends on how many images go through together."""

    def __init__(self, box: int, representation: str) -> None:
        super().__init__(box, representation)
        self.regressor[1] = nn.Identity()


def main() -> None:
    star, density, folder = map(Path, sys.argv[1:])
    paper.PaperNetwork = WithoutDropout
    with joined_ranks() as ranks:
        for name, config in CONFIGS.items():
            run = folder / name
            train(config, star, density, run, stops=True)
            ranks.agreed(0.0)  # the first process has written that the run stopped
            run_training(TrainConfig(), star, density, run, resume=True, cadence=EVERY_STEP)


if __name__ == "__main__":
    main()

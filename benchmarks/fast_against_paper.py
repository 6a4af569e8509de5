"""How soon the fast recipe is as good as the paper's at its end, on the same noiseless images.

    python benchmarks/fast_against_paper.py [MAP] [--box 64] [--steps 2000] [--folder DIR]

Simulates 8000 particles with CTF and without noise or shifts; without MAP the demo's made map is
taken.  Both recipes get the same split of the same stack, the same working box, and are judged by
the same figure: the relative reprojection RMSE of the held-out particles (1.4 is a random pose).
The fast recipe is run anew with more and more steps, each run with its whole schedule, until one
ends at or below the paper's figure.  How good a recipe is after n steps does not depend on what
else the machine does, how long a step takes does: step times are therefore measured by turns, one
step of each, and times are steps times the median step.  What comes before the first step (reading,
statistics, the network's tables) is counted in full.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch
from fast_accuracy import command, made_map

from napari_cryoorient import TrainConfig
from napari_cryoorient.config import Preset
from napari_cryoorient.device import choose_device, synchronize
from napari_cryoorient.stack.pairing import RunInputs, load_inputs
from napari_cryoorient.tasks.recipes import RECIPES, Ingredients
from napari_cryoorient.training.held_out import (
    HeldOutParticles,
    ParticleBatches,
    evaluate,
)
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.ranks import ALONE
from napari_cryoorient.training.recipe import Recipe
from napari_cryoorient.training.split import split_rows

LADDER = (25, 50, 100, 150, 200, 300, 450, 700, 1000)
QUIET = Cadence(report_s=1e9, checkpoint_s=1e9, test_s=1e9)


def make(preset: Preset, inputs: RunInputs, steps: int, box: int, device: torch.device) -> Recipe:
    """Make a recipe on the training part of the stack."""
    config = TrainConfig.model_validate(
        {"preset": preset, "steps": steps, "box": box, "weights": "none", "w": 0.8}
    )
    rows, _ = split_rows(len(inputs.particles), config.test_fraction, config.seed)
    torch.manual_seed(0)
    of = Ingredients(inputs, inputs.particles, config, device, rows, earlier=None, ranks=ALONE)
    return RECIPES[config.preset](of)


def figures(recipe: Recipe, inputs: RunInputs, box: int) -> tuple[float, float]:
    """Relative RMSE and median error in degrees over the held-out particles."""
    _, rows = split_rows(len(inputs.particles), 0.2, 0)
    held_out = HeldOutParticles(ParticleBatches(inputs.particles, box, recipe.device), rows)
    scores = evaluate(recipe, held_out, 1000, lambda: False)
    assert scores is not None
    return scores.relative_rmse, scores.angular_error_deg


def run(recipe: Recipe) -> None:
    """Train to the end, with no tests on the way."""
    for _ in train(recipe, w=0.8, cadence=QUIET):
        pass


def one_step(recipe: Recipe, step: int) -> float:
    """Seconds of one step of training."""
    synchronize(recipe.device)
    began = time.perf_counter()
    recipe.network.train()
    batch = recipe.batch(step)
    recipe.optimizer.zero_grad(set_to_none=True)
    for start in range(0, len(batch), recipe.chunk_size):
        chunk = batch[start : start + recipe.chunk_size]
        terms = recipe.losses(recipe.network(chunk.images, chunk.ctf), chunk, 0.8)
        (terms.total * (len(chunk) / len(batch))).backward()
    recipe.optimizer.step()
    synchronize(recipe.device)
    return time.perf_counter() - began


def main() -> None:
    """Train both, time both, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path, nargs="?")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2000, help="of the paper's recipe")
    parser.add_argument("--timed", type=int, default=15, help="steps of each timed by turns")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    folder = options.folder or Path(tempfile.mkdtemp())
    command(
        *("simulate", options.map or made_map(folder), "-o", folder, "--n", 8000),
        *("--box", options.box, "--seed", 2),
    )
    inputs = load_inputs(folder / "particles.star", folder / "map.mrc")

    paper = make("paper", inputs, options.steps, options.box, device)
    run(paper)
    goal, goal_deg = figures(paper, inputs, options.box)
    print(f"paper: {options.steps} steps, relative RMSE {goal:.3f}, median {goal_deg:.1f} degrees")

    for steps in LADDER:
        began = time.perf_counter()
        fast = make("fast", inputs, steps, options.box, device)
        setup_s = time.perf_counter() - began
        run(fast)
        found, found_deg = figures(fast, inputs, options.box)
        print(f"fast: {steps} steps, relative RMSE {found:.3f}, median {found_deg:.1f} degrees")
        if found <= goal:
            break

    times = np.array([[one_step(r, i) for r in (paper, fast)] for i in range(options.timed + 2)])[
        2:
    ]
    paper_s, fast_s = np.median(times, axis=0)
    paper_total, fast_total = options.steps * paper_s, setup_s + steps * fast_s
    result = {
        "box": options.box,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "paper_relative_rmse": round(goal, 4),
        "fast_relative_rmse": round(found, 4),
        "paper_steps": options.steps,
        "fast_steps": steps,
        "paper_step_s": round(float(paper_s), 4),
        "fast_step_s": round(float(fast_s), 4),
        "fast_setup_s": round(setup_s, 2),
        "paper_s": round(float(paper_total), 1),
        "fast_s": round(float(fast_total), 1),
        "ratio": round(float(paper_total / fast_total), 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Where a network pays: its hypotheses against the search, on stacks nearer to real ones.

    python benchmarks/network.py train --cache CACHE --runs RUNS [--only NAME ...]
    python benchmarks/network.py turns --cache CACHE --runs RUNS --results OUT.csv [--k 64]
    python benchmarks/network.py table --results OUT.csv
    python benchmarks/network.py curve --runs RUNS
    python benchmarks/network.py picture --runs RUNS --results OUT.csv --image FILE.png

Stacks are those of ``benchmarks/reality.py`` (--data, --assets as there): one to learn from, whose
CTFs, noise and spread of shifts the network gets to know and whose images it does not, and another
of 1000 images to be judged by.  ``turns`` takes blocks of images by turns in one process with one
thread, a line a way:

search              the global search, which has no network
hypotheses          K views of the network and no search (predict --hypotheses K --no-search)
hypotheses + search K views of the network, a search where they leave doubt (--hypotheses K)
random, untrained   the same as ``hypotheses``, from views drawn at random, and from a network that
                    has learned nothing (it is the matched filter that training starts from)
... once            the same without the second look
... + search        the same with a search where they leave doubt
network             the network's own best pose
search 0.1.0        the global search of another checkout, named by --other, in a process of its own

CPU time is that of finding poses, set-up left out.  Shares and medians are those of particles,
figures about confidence those of all images, junk included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from network_shown import OTHER, as_table, curve_of, save_picture
from realistic.conditions import CONDITIONS, Condition
from realistic.molecules import MOLECULES
from realistic.stacks import PARTICLE, Stack, stack_of
from realistic.world import Sources
from search_by_turns import calibration_error

from napari_cryoorient import Poses
from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.alignment.search.proposals import Proposals
from napari_cryoorient.evaluation import pose_errors
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.build import build_network
from napari_cryoorient.networks.prediction import collect, predict
from napari_cryoorient.networks.proposals import NetworkProposer
from napari_cryoorient.particles import Floats, Integers, ParticleSet
from napari_cryoorient.stack.pairing import load_inputs
from napari_cryoorient.training.checkpoint import network_of_checkpoint, read_checkpoint

CPU = torch.device("cpu")
N_TO_WARM_UP = 64
N, TEST_SEED, LEARN_SEED, BLOCK, TOGETHER = 1000, 11, 112, 250, 256
PROPOSERS = ("hypotheses", "random", "untrained")
WAYS = ("search", *(f"{who}{how}" for who in PROPOSERS for how in ("", " once", " + search")))
WAYS = (*WAYS, "network")


@dataclass(frozen=True)
class Task:
    """A stack, the run that serves it, and how that is trained (from another run, if named)."""

    condition: Condition
    run: str
    steps: int = 5000
    start: str | None = None


COLOURED = CONDITIONS["coloured 0.1"]
WIDE = replace(CONDITIONS["off 15 A 0.03"], name="off 15 A 0.1", snr=0.1)
TASKS = {
    "off 15 A 0.1": Task(WIDE, "wide"),
    # Of the same map and noise: served by the network above.
    "coloured 0.3": Task(replace(COLOURED, name="coloured 0.3", snr=0.3), "wide"),
    "coloured 0.1": Task(COLOURED, "wide"),
    "coloured 0.03": Task(CONDITIONS["coloured 0.03"], "noisy", 300, start="wide"),
    "coloured 0.02": Task(replace(COLOURED, name="coloured 0.02", snr=0.02), "noisy"),
    "off 25 A 0.1": Task(CONDITIONS["off 25 A 0.1"], "wide"),
    "all 0.03": Task(CONDITIONS["all 0.03"], "all", 300, start="wide"),
    "galactosidase coloured 0.03": Task(CONDITIONS["galactosidase coloured 0.03"], "d2", 1500),
    "galactosidase coloured 0.1": Task(
        replace(
            CONDITIONS["galactosidase coloured 0.03"], name="galactosidase coloured 0.1", snr=0.1
        ),
        "d2",
    ),
    "proteasome coloured 0.1": Task(
        replace(CONDITIONS["proteasome coloured 0.03"], name="proteasome coloured 0.1", snr=0.1),
        "d7",
        1000,
    ),
    "proteasome coloured 0.03": Task(CONDITIONS["proteasome coloured 0.03"], "d7"),
}


class RandomProposer:
    """Draws the weights of a network's views, and takes every particle to lie at the centre."""

    def __init__(self, directions: torch.Tensor) -> None:
        self.directions = directions
        self._generator = torch.Generator().manual_seed(0)

    def propose(self, rows: Integers) -> Proposals:
        """Return weights that say nothing."""
        weights = torch.rand(len(rows), len(self.directions), generator=self._generator)
        return Proposals(weights.log_softmax(1)[:, None], torch.zeros(len(rows), 1, 2))

    def reading(self, particles: ParticleSet) -> RandomProposer:  # noqa: ARG002
        """Return the same: it looks at no image."""
        return self


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["train", "turns", "table", "curve", "picture"])
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--k", type=int, nargs="+", default=[64])
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--seed", type=int, default=0, help="of training")
    parser.add_argument("--steps", type=int, help="of training, in place of the task's")
    parser.add_argument("--other", type=Path, help="src folder of a checkout of 0.1.0")
    parser.add_argument("--image", type=Path, help="picture to write")
    given = parser.parse_args()
    if given.what == "table":
        print(as_table(pd.read_csv(given.results)))
    elif given.what == "curve":
        for name in dict.fromkeys(task.run for task in TASKS.values()):
            if (given.runs / name / "metrics.jsonl").exists():
                print(f"{name}: step, seconds, median degrees, shift in angstrom")
                for line in curve_of(given.runs / name):
                    print("{:>5.0f} {:7.0f} {:7.2f} {:6.2f}".format(*line))
    elif given.what == "picture":
        curve = curve_of(given.runs / "wide")
        save_picture(pd.read_csv(given.results), curve, TOGETHER, given.image)
    else:
        for name in given.only:
            sources = Sources(given.data, given.assets)
            task, seed = TASKS[name], LEARN_SEED if given.what == "train" else TEST_SEED
            stack = stack_of(replace(task.condition, n=N, seed=seed), sources, given.cache)
            if given.what == "train":
                steps = given.steps or task.steps
                train(replace(task, steps=steps), stack, given.runs, given.seed)
            else:
                keep(by_turns(name, task, stack, given), given.results)
                if given.other is not None:
                    keep([by_other(name, stack, given)], given.results)


def keep(rows: list[dict[str, object]], path: Path) -> None:
    """Print rows, and add them to a table."""
    for row in rows:
        print(row, flush=True)
    pd.DataFrame(rows).to_csv(path, mode="a", index=False, header=not path.exists())


def train(task: Task, stack: Stack, runs: Path, seed: int) -> None:
    """Train a run that is not there yet, or go on with it, on images made from the map alone."""
    if (runs / task.run / "poses.star").exists():
        return
    command = [sys.executable, "-m", "napari_cryoorient", "train", stack.truth_star]
    command += ["--map", stack.reference, "-o", runs / task.run, "--labels", "simulated"]
    command += ["--steps", task.steps, "--batch-size", TOGETHER, "--symmetry", stack.symmetry]
    command += ["--device", "cpu", "--seed", seed]
    command += ["--project-dir", stack.folder]
    if (runs / task.run / "checkpoint.pt").exists():
        command += ["--resume"]
    elif task.start is not None:
        command += ["--from", runs / task.start]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run([str(word) for word in command], check=True, env=environment)


def by_turns(
    name: str, task: Task, stack: Stack, given: argparse.Namespace
) -> list[dict[str, object]]:
    """Take all ways by turns through a stack, and score each."""
    torch.set_num_threads(1)
    group = symmetry_matrices(MOLECULES[task.condition.molecule].symmetry)
    inputs = load_inputs(stack.truth_star, stack.reference, project_dir=stack.folder)
    particles, rows = inputs.particles, np.arange(given.n)
    state = read_checkpoint(given.runs / task.run / "checkpoint.pt")
    network, box = network_of_checkpoint(state, CPU), int(state["box"])
    fresh = build_network(state["description"])
    for part in ("filter", "centring"):
        if (known := getattr(network, part)) is not None:
            getattr(fresh, part).load_state_dict(known.state_dict())
    likelihood = ParticleLikelihood(inputs.density, particles, CPU)
    of_network = NetworkProposer(network, particles, box=box, device=CPU)

    proposers = {
        "hypotheses": of_network,
        "random": RandomProposer(of_network.directions),
        "untrained": NetworkProposer(fresh, particles, box=box, device=CPU),
    }
    made: dict[tuple[str, int], GlobalSearch] = {}
    for way in given.ways:
        who = way.split(" ")[0]
        for k in (
            [0] if way in ("search", "network") else given.k if who == "hypotheses" else given.k[:1]
        ):
            if way == "network":
                continue
            made[way, k] = GlobalSearch(
                likelihood,
                group,
                proposer=proposers.get(who),
                n_proposed=k,
                searches=way.endswith("search"),
                is_thorough=not way.endswith("once"),
            )
            made[way, k].learn_shifts(rows)
            # What is made ready on the way is no part of the time.
            list(made[way, k].search(rows[:N_TO_WARM_UP]))
            made[way, k].n_thorough = made[way, k].n_searched = 0
    asked: dict[tuple[str, int], Callable[[Integers], Found]] = {
        key: lambda part, s=s: _found(list(s.search(part))) for key, s in made.items()
    }
    if "network" in given.ways:
        alone = network_of_checkpoint(state, CPU)
        asked["network", 0] = lambda part: _predicted(alone, particles, box, part)

    parts: dict[tuple[str, int], list[Found]] = {key: [] for key in asked}
    seconds = dict.fromkeys(asked, 0.0)
    for start in range(0, len(rows), BLOCK):
        for key, ask in asked.items():
            began = time.process_time()
            parts[key].append(ask(rows[start : start + BLOCK]))
            seconds[key] += time.process_time() - began
    assert particles.poses is not None
    lines = []
    for (way, k), found in parts.items():
        figures = _figures(found, stack, particles, group)
        search = made.get((way, k))
        again = 0 if search is None else search.n_thorough
        searched = 0 if search is None or not way.endswith("+ search") else search.n_searched
        lines.append(
            {
                "stack": name,
                "way": way,
                "k": k,
                "n": len(rows),
                "training_images": _images_seen(given.runs / task.run),
                **figures,
                "looked_at_again": round(again / len(rows), 3),
                "searched": round(searched / len(rows), 3),
                "ms_an_image": round(1e3 * seconds[way, k] / len(rows), 2),
            }
        )
    return lines


def by_other(name: str, stack: Stack, given: argparse.Namespace) -> dict[str, object]:
    """Search the same images with another checkout, and score its poses."""
    command = [sys.executable, Path(__file__).with_name("search_by_turns.py")]
    command += ["--star", stack.truth_star, "--map", stack.reference, "--n", given.n]
    command += ["--symmetry", stack.symmetry, "--is-child"]
    environment = {"PYTHONPATH": str(given.other), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    angles, confidence = np.array(told["angles"]), np.array(told["confidence"])
    return {
        "stack": name,
        "way": OTHER,
        "k": 0,
        "n": given.n,
        "training_images": 0,
        **_figures_of(angles, confidence, stack.kinds[: given.n]),
        "looked_at_again": 0.0,
        "searched": 0.0,
        "ms_an_image": round(told["ms_an_image"], 2),
    }


@dataclass(frozen=True)
class Found:
    """Poses of ``rows`` and how sure they are."""

    rows: Integers
    poses: Poses
    confidence: Floats


def _figures(
    found: list[Found], stack: Stack, particles: ParticleSet, group: torch.Tensor
) -> dict[str, object]:
    """Score the poses of a way."""
    assert particles.poses is not None
    rows = np.concatenate([part.rows for part in found])
    angles = np.concatenate(
        [pose_errors(part.poses, particles.poses[part.rows], group).angles_deg for part in found]
    )
    confidence = np.concatenate([part.confidence for part in found])
    return _figures_of(angles, confidence, stack.kinds[rows])


def _figures_of(angles: Floats, confidence: Floats, kinds: Floats) -> dict[str, object]:
    """Return the figures of poses that are ``angles`` off, of images of ``kinds``."""
    is_particle = kinds == PARTICLE
    right, sure = is_particle & (angles < 10), confidence > 0.9
    return {
        "median_deg": round(float(np.median(angles[is_particle])), 2),
        "under_10": round(float(right[is_particle].mean()), 4),
        "calibration_error": round(calibration_error(confidence, right), 3),
        "right_over_0.9": round(float(right[sure].mean()), 3) if sure.any() else None,
        "over_0.9": round(float(sure.mean()), 3),
    }


def _found(parts: list[FoundPoses]) -> Found:
    joined = FoundPoses.joined(parts)
    return Found(joined.rows, joined.poses, joined.confidence)


def _predicted(network: torch.nn.Module, particles: object, box: int, rows: Integers) -> Found:
    told = collect(predict(network, particles, box=box, device=CPU, rows=rows))  # type: ignore[arg-type]
    assert told is not None
    assert told.confidence is not None
    return Found(told.rows, told.poses(None), told.confidence)


def _images_seen(run: Path) -> int:
    """Return how many images a run learned from, those of the run it started from included."""
    record = json.loads((run / "run.json").read_text())
    state = read_checkpoint(run / "checkpoint.pt")
    seen = int(state["step"]) * int(state["batch_size"])
    earlier = record["config"].get("from_run")
    return seen + (0 if earlier is None else _images_seen(Path(earlier)))


if __name__ == "__main__":
    main()

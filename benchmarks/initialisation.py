"""What initialisation costs the paper's recipe: He against blocks pretrained on another molecule.

    python benchmarks/initialisation.py RIBOSOME OTHER [--symmetry D2] [--steps 150] [--seeds 0]

The paper starts VGG16's first three blocks from ImageNet weights.  Here they come from a run of
the same recipe on noiseless projections of OTHER; all that follows them starts anew, as in the
paper.  Then RIBOSOME is learned from He initialisation and from these blocks: same images, steps,
batch and seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from fast_accuracy import command


def main() -> None:
    """Pretrain, train both ways, and print one line of JSON for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ribosome", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--symmetry", default="D2", help="of OTHER")
    parser.add_argument("--w-of-other", type=float, default=0.2)
    parser.add_argument("--n", type=int, default=1500)
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    blocks = folder / "blocks.pth"
    if not blocks.exists():
        like = ("--symmetry", given.symmetry)
        stack = simulated(given.other, folder / "other", given, *like)
        run = trained(stack, folder / "pretraining", given, given.w_of_other, 0, "none")
        save_blocks(run, blocks)
    stack = simulated(given.ribosome, folder / "ribosome", given)
    for seed in given.seeds:
        for name, weights in (("He", "none"), ("pretrained", str(blocks))):
            trained(stack, folder / f"{name}-{seed}", given, 0.8, seed, weights)


def simulated(map_path: Path, out: Path, given: argparse.Namespace, *like: str) -> Path:
    """Return a folder with noiseless images of a map."""
    if not (out / "particles.star").exists():
        command("simulate", map_path, "-o", out, "--n", given.n, "--box", given.box, *like)
    return out


def trained(
    stack: Path, run: Path, given: argparse.Namespace, w: float, seed: int, weights: str
) -> Path:
    """Train the paper's recipe, print its last test figures, and return the run."""
    if not (run / "checkpoint.pt").exists():
        command(
            *("train", stack / "particles.star", "--map", stack / "map.mrc", "-o", run),
            *("--preset", "paper", "--box", given.box, "--steps", given.steps),
            *("--w", w, "--seed", seed, "--weights", weights),
        )
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    tested = [line for line in lines if line.get("test_relative_rmse") is not None]
    wanted = ("step", "seconds", "qd", "test_relative_rmse", "angular_error_deg")
    figures = {name: tested[-1][name] for name in wanted}
    print(json.dumps({"run": run.name, "w": w, "seed": seed, **figures}), flush=True)
    return run


def save_blocks(run: Path, path: Path) -> None:
    """Write the first three blocks of a run's network as ``train --weights`` takes them."""
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["network"]
    torch.save({k: v for k, v in state.items() if k.startswith("features.")}, path)


if __name__ == "__main__":
    main()

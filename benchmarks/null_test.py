"""How often ``null-test`` says what is true: right maps, maps of other molecules, pure noise.

    python benchmarks/null_test.py --cache CACHE --out FILE [--n 60] [--stacks 2] [--noise 50]
    python benchmarks/null_test.py --cache CACHE --out FILE --asked 24 --n 120 --stacks 1 --noise 25

Particles are those of ``benchmarks/reality.py``: projections by ``relion_project`` with real CTFs
and noise.  The thresholds were fitted on other stacks: proteasome and ribosome projected by this
program in white noise of SNR 0.03, real particles of EMPIAR-10061, and the first 130 of the three
stacks "coloured 0.03", which are left out here.  Each stack is cut into
small ones, and each of these is tested with its own reference and with those of two other
molecules.  Noise is white, has the spectrum of real background, or is real background.  A line of
JSON a test is appended to --out; the counts are printed.

With --asked it is the check that ``search`` makes itself: a search learns from the n particles, and
asks so many of them, twice, none the second time that it asked the first.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from realistic.conditions import CONDITIONS
from realistic.stacks import Stack, stack_of
from realistic.world import Sources, coloured_noise

from napari_cryoorient.alignment.likelihood import ParticleLikelihood
from napari_cryoorient.alignment.nulls.report import verdict_by_nulls
from napari_cryoorient.alignment.nulls.trial import try_nulls
from napari_cryoorient.alignment.nulls.verdict import NullVerdict, verdict_of
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.api.files import map_of, read_particles
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.stack.pairing import PairedInputs, pair_inputs

NAMES = (
    "proteasome all 0.1",
    "galactosidase all 0.1",
    "junk 0.03",
    "proteasome white 0.1",
    "galactosidase masked 0.1",
    "white 0.03",
    "proteasome premultiplied 0.03",
    "galactosidase patches 0.05",
    "grey 0.03",
    "proteasome coloured 0.03",
    "galactosidase coloured 0.03",
    "ribosome 2 coloured 0.03",
)
# Rows that the thresholds were fitted on are not looked at again.
FIRST_ROW = 130
NOISE_KINDS = ("white", "spectrum", "patches")
# The field of view of real background, so that whole patches of it can be taken.
NOISE_BOX, NOISE_PIXEL_ANGSTROM = 48, 192 * 1.274 / 48


Test = tuple[str, str, str, ParticleSet, Stack]


def tests(
    stacks: dict[str, Stack], options: argparse.Namespace, sources: Sources
) -> Iterator[Test]:
    """Yield kind, what it is, the map's name, particles and the stack whose map is meant."""
    whole = {name: read_particles(stack.star) for name, stack in stacks.items()}
    names = list(stacks)
    n_stacks = options.stacks * len(names)
    for i in range(n_stacks):
        place = i % len(names)
        name, first = names[place], options.first + i // len(names) * options.n
        if name not in options.only:
            continue
        what = f"{name}, from {first}"
        some = replace(whole[name].subset(np.arange(first, first + options.n)), poses=None)
        yield "right", what, name, some, stacks[name]
        molecule = CONDITIONS[name].molecule
        others = {CONDITIONS[n].molecule: n for n in names if CONDITIONS[n].molecule != molecule}
        for other in others.values():
            yield "wrong", what, other, some, stacks[other]
        for k in range(options.noise * i // n_stacks, options.noise * (i + 1) // n_stacks):
            name = names[k % len(names)]
            k += options.first - FIRST_ROW  # other noise with other rows
            yield noise_test(k, name, whole[name], stacks[name], options.n, sources)


def noise_test(
    k: int, name: str, particles: ParticleSet, stack: Stack, n: int, sources: Sources
) -> Test:
    """Return noise with the CTFs of a stack, against the stack's reference."""
    kind = NOISE_KINDS[k % len(NOISE_KINDS)]
    rng = np.random.default_rng(100 + k)
    images, _ = coloured_noise(kind, sources, n, NOISE_BOX, NOISE_PIXEL_ANGSTROM, rng)
    source = ArrayImages(images.astype(np.float32), NOISE_PIXEL_ANGSTROM)
    noise = replace(particles.subset(np.arange(n)), images=source, poses=None)
    return "noise", f"{kind} {k}", name, noise, stack


def verdicts(
    inputs: PairedInputs, likelihood: ParticleLikelihood, symmetry: str, asked: int | None
) -> Iterator[tuple[float, NullVerdict]]:
    """Yield the CPU seconds that a verdict took, and it: one, or two of so many asked."""
    group = symmetry_matrices(symmetry)
    rows = np.arange(len(inputs.particles), dtype=np.int64)
    if asked is None:
        began = time.process_time()
        verdict = verdict_of(try_nulls(inputs.density, likelihood, rows, group))
        yield time.process_time() - began, verdict
        return
    search = GlobalSearch(likelihood, group)
    search.learned(rows)
    for start in range(2):
        began = time.process_time()
        some = rows[start :: len(rows) // asked][:asked]
        verdict = verdict_by_nulls(inputs.density, search, some, seed=start)
        yield time.process_time() - began, verdict


def main() -> None:
    """Test and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--stacks", type=int, default=2)
    parser.add_argument("--noise", type=int, default=50)
    parser.add_argument("--only", nargs="*", default=NAMES, metavar="CONDITION")
    parser.add_argument("--first", type=int, default=FIRST_ROW)
    parser.add_argument("--asked", type=int, metavar="N")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = Sources(Path(options.data), options.assets and Path(options.assets))
    stacks = {name: stack_of(CONDITIONS[name], sources, options.cache) for name in NAMES}
    counts: Counter[tuple[str, str]] = Counter()
    for kind, what, map_name, particles, stack in tests(stacks, options, sources):
        inputs = pair_inputs(particles, map_of(stack.reference))
        likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
        for seconds, verdict in verdicts(inputs, likelihood, stack.symmetry, options.asked):
            line = {
                "kind": kind,
                "stack": what,
                "map": map_name,
                "outcome": verdict.outcome,
                "n": verdict.n,
                "snr": likelihood.statistics.snr,
                "images_z": verdict.images.z,
                "images_part": verdict.images.part,
                "control_images_z": verdict.images.control_z,
                "map_z": verdict.maps.z,
                "map_part": verdict.maps.part,
                "map_part_error": verdict.maps.part_error,
                "control_z": verdict.maps.control_z,
                "cpu_s": seconds,
            }
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            counts[kind, verdict.outcome] += 1
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:6} {outcome:18} {count}")


if __name__ == "__main__":
    main()

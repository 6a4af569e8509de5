"""How often ``null-test`` says what is true: right maps, maps of other molecules, pure noise.

    python benchmarks/null_test.py --cache CACHE [--n 64] [--stacks 3] [--noise 50] [--out FILE]

Particles are those of ``benchmarks/reality.py``: projections by ``relion_project`` with real CTFs
and noise.  The thresholds were fitted on other stacks: white noise, SNR 0.03 and 0.01, proteasome
and ribosome projected by this program, and real particles of EMPIAR-10061.  Each stack is cut into
small ones, and each of these is tested with its own reference and with those of two other
molecules.  Noise is white, has the spectrum of real background, or is real background.  A line of
JSON a test is appended to --out; the counts are printed.
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
from napari_cryoorient.alignment.nulls.trial import try_nulls
from napari_cryoorient.alignment.nulls.verdict import verdict_of
from napari_cryoorient.api.files import map_of, read_particles
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.particles import ArrayImages, ParticleSet
from napari_cryoorient.stack.pairing import pair_inputs

NAMES = (
    "proteasome coloured 0.03",
    "galactosidase coloured 0.03",
    "ribosome 2 coloured 0.03",
    "proteasome all 0.1",
    "galactosidase all 0.1",
    "galactosidase masked 0.1",
)
NOISE_KINDS = ("white", "spectrum", "patches")
NOISE_BOX, NOISE_PIXEL_ANGSTROM = 48, 192 * 1.274 / 48


def tests(
    stacks: dict[str, Stack], options: argparse.Namespace, sources: Sources
) -> Iterator[tuple[str, str, str, ParticleSet, Stack]]:
    """Yield kind, what it is, the map's name, particles and the stack whose map is meant."""
    whole = {name: read_particles(stack.star) for name, stack in stacks.items()}
    names = list(stacks)

    def kind_of(name: str) -> str:
        return name.split()[0]

    for i in range(max(options.stacks, options.noise)):
        if i < options.stacks:
            for place, name in enumerate(names):
                rows = np.arange(i * options.n, (i + 1) * options.n)
                some = replace(whole[name].subset(rows), poses=None)
                yield "right", f"{name} #{i}", name, some, stacks[name]
                order = names[place + 1 :] + names[:place]
                others = {kind_of(n): n for n in order if kind_of(n) != kind_of(name)}
                for other in others.values():
                    yield "wrong", f"{name} #{i}", other, some, stacks[other]
        for k in range(options.noise * i // options.stacks, options.noise * (i + 1) // options.stacks):
            if k >= options.noise or i >= options.stacks:
                break
            rng = np.random.default_rng(100 + k)
            noise = NOISE_KINDS[k % 3]
            box, pixel = NOISE_BOX, NOISE_PIXEL_ANGSTROM
            images, _ = coloured_noise(noise, sources, options.n, box, pixel, rng)
            some = whole[names[0]].subset(np.arange(options.n))
            source = ArrayImages(images.astype(np.float32), pixel)
            name = names[k % 2]
            some = replace(some, images=source, poses=None)
            yield "noise", f"{noise} #{k}", name, some, stacks[name]


def main() -> None:
    """Test and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CRYOORIENT_DATA"))
    parser.add_argument("--assets", type=Path, default=os.environ.get("CRYOORIENT_ASSETS"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--stacks", type=int, default=3)
    parser.add_argument("--noise", type=int, default=50)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = Sources(Path(options.data), options.assets and Path(options.assets))
    stacks = {name: stack_of(CONDITIONS[name], sources, options.cache) for name in NAMES}
    counts: Counter[tuple[str, str]] = Counter()
    for kind, what, map_name, particles, stack in tests(stacks, options, sources):
        began = time.process_time()
        inputs = pair_inputs(particles, map_of(stack.reference))
        likelihood = ParticleLikelihood(inputs.density, inputs.particles, torch.device("cpu"))
        group = symmetry_matrices(stack.symmetry)
        trial = try_nulls(inputs.density, likelihood, np.arange(len(particles)), group)
        verdict = verdict_of(trial)
        line = {
            "kind": kind,
            "stack": what,
            "map": map_name,
            "outcome": verdict.outcome,
            "snr": trial.snr,
            "images_z": verdict.images.z,
            "images_part": verdict.images.part,
            "control_images_z": verdict.images.control_z,
            "map_z": verdict.maps.z,
            "map_part": verdict.maps.part,
            "map_part_error": verdict.maps.part_error,
            "control_z": verdict.maps.control_z,
            "cpu_s": time.process_time() - began,
        }
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        counts[kind, verdict.outcome] += 1
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:6} {outcome:18} {count}")


if __name__ == "__main__":
    main()

"""Every figure of the device: the paper's recipe, the fast one, search, refinement, reconstruction.

    python benchmarks/gpu.py [--map MAP] [--parts machine paper fast search ...] [--profile FOLDER]
    python benchmarks/gpu.py --tiny                       (seconds, on a CPU too)

Needs torch, numpy, scipy, pandas, pyarrow, pydantic, typer, rich, mrcfile, gemmi, pooch and
matplotlib, and the package (or its ``src`` on PYTHONPATH); no network.  Particles are made from the
map (without one: from the demo's), so that nothing has to be carried to the machine.  One line of
JSON for each figure, with the device's name in the first.  ``--profile`` writes, beside the
figures, what torch's profiler saw of a few steps of each part: times by operation, and how often
the host waited for the device.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from throughput import peak_tflops, seconds, step
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import napari_cryoorient as nc
from napari_cryoorient import DensityMap, ParticleSet, TrainConfig
from napari_cryoorient.config import PRESETS, Preset
from napari_cryoorient.device import choose_device, describe_device, is_out_of_memory
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.stack.pairing import pair_inputs
from napari_cryoorient.tasks.recipes import RECIPES, Ingredients
from napari_cryoorient.training.precision import choose_precision, lay_out_weights
from napari_cryoorient.training.ranks import ALONE

# What the profiler calls the host's waiting for the device, and copies back to it.
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


@dataclass(frozen=True)
class Sizes:
    """How much work each part does."""

    paper_images: int
    paper_steps: int
    paper_box: int
    fast_batches: tuple[int, ...]
    search_images: dict[int, int]
    reconstruct_images: dict[int, int]
    repeats: int = 20


FULL = Sizes(
    10_000,
    2000,
    128,
    (128, 512, 2048, 8192),
    {64: 100_000, 128: 50_000, 256: 10_000},
    {128: 20_000, 256: 5000},
)
TINY = Sizes(40, 2, 32, (4, 8), {32: 40}, {32: 40}, repeats=1)


class Bench:
    """Runs the parts on one device and prints their figures."""

    def __init__(self, density: DensityMap, sizes: Sizes, device: str, profiles: Path | None):
        self.density, self.sizes = density, sizes
        self.device_name = device
        self.device = choose_device(device)
        self.profiles = profiles
        self.is_cuda = self.device.type == "cuda"

    def tell(self, part: str, **figures: Any) -> None:
        """Print one line; numbers to four figures."""
        rounded = {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in figures.items()
        }
        print(json.dumps({"part": part, **rounded, **self._memory()}), flush=True)

    def _memory(self) -> dict[str, float]:
        if not self.is_cuda:
            return {}
        return {"peak_vram_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2)}

    @contextmanager
    def part(self) -> Iterator[None]:
        """Begin with empty memory."""
        if self.is_cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        yield

    def profiled(self, name: str, work: Callable[[], object]) -> None:
        """Write what the profiler sees of ``work``, where that was requested."""
        if self.profiles is None:
            return
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * self.is_cuda
        with profile(activities=activities) as seen:
            work()
        key = "self_cuda_time_total" if self.is_cuda else "self_cpu_time_total"
        averages = seen.key_averages()
        waits = {e.key: e.count for e in averages if e.key in WAITS}
        launches = sum(e.count for e in averages if "LaunchKernel" in e.key)
        self.profiles.mkdir(parents=True, exist_ok=True)
        table = averages.table(sort_by=key, row_limit=40, max_name_column_width=70)
        host = averages.table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=70)
        (self.profiles / f"{name}.txt").write_text(f"{table}\n{host}\n")
        self.tell(f"profile {name}", waits=waits, launches=launches)

    def particles(self, n: int, box: int, **settings: Any) -> ParticleSet:
        """Make particles of the map: shifts of 5 A and SNR 0.1, unless told otherwise."""
        values: dict[str, Any] = {"snr": 0.1, "shift_sigma_angstrom": 5.0, "seed": 1} | settings
        return nc.simulate(self.density, n, box=box, device=self.device_name, **values)

    # The parts.

    def machine(self) -> None:
        """What the device can do at best."""
        dtype = torch.bfloat16 if self.is_cuda else torch.float32
        figures: dict[str, Any] = {"matrix_peak_tflops": peak_tflops(self.device, dtype, 5)}
        if self.is_cuda:
            a = torch.empty(2**31, dtype=torch.uint8, device=self.device)
            b = torch.empty_like(a)
            figures["copy_tb_s"] = 2 * len(a) / seconds(lambda: b.copy_(a), self.device, 5) / 1e12
        self.tell(
            "machine", device=describe_device(self.device), torch=torch.__version__, **figures
        )

    def paper(self) -> None:
        """The recipe of Lian et al. (2022) at its own size, from the first step to the last."""
        s = self.sizes
        particles = self.particles(s.paper_images, s.paper_box, snr=None, lowpass_angstrom=None)
        config: dict[str, Any] = {"preset": "paper", "steps": s.paper_steps, "box": s.paper_box}
        config |= {"weights": "none", "w": 0.8, "device": self.device_name}
        with self.part():
            began = time.perf_counter()
            lines: list[tuple[float, int]] = []
            network = nc.train(
                particles,
                self.density,
                config=TrainConfig.model_validate(config),
                progress=lambda m: lines.append((m.seconds, m.step)),
            )
            whole_s = time.perf_counter() - began
            last = network.last
            assert last is not None
            # The rate of the second half: the first fills the cache of images.
            half = min(range(len(lines)), key=lambda i: abs(lines[i][1] - s.paper_steps / 2))
            trained = lines[-1][1] - lines[half][1]
            spent_s = lines[-1][0] - lines[half][0]
            self.tell(
                "paper",
                box=s.paper_box,
                steps=s.paper_steps,
                whole_s=whole_s,
                training_s=last.seconds,
                step_ms=1e3 * spent_s / max(trained, 1),
                test_relative_rmse=last.test_relative_rmse,
                median_error_deg=last.angular_error_deg,
            )
        self._step_of("paper", particles, 24)

    def _step_of(self, preset: Preset, particles: ParticleSet, size: int) -> bool:
        """Time single steps of a recipe; False where they do not fit."""
        inputs = pair_inputs(particles, self.density)
        values = {"preset": preset, "batch_size": size, "weights": "none"}
        if "box" in PRESETS[preset].values:  # where it is not chosen by the stack
            values["box"] = self.sizes.paper_box
        config = TrainConfig.model_validate(values)
        with self.part():
            rows = np.arange(len(particles))
            recipe = RECIPES[preset](
                Ingredients(inputs, particles, config, self.device, rows, None, ALONE)
            )
            recipe.network.train()
            precision, _ = choose_precision("auto", self.device)
            lay_out_weights(recipe.network, precision, self.device)
            try:
                with FlopCounterMode(display=False) as counter:
                    step(recipe, precision)
                step_s = seconds(lambda: step(recipe, precision), self.device, self.sizes.repeats)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self.tell(f"{preset} step", batch=size, result="out of memory")
                return False
            dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
            peak = peak_tflops(self.device, dtype, 5)
            tflops = counter.get_total_flops() / step_s / 1e12
            self.tell(
                f"{preset} step",
                batch=size,
                precision=precision,
                step_ms=1e3 * step_s,
                images_per_second=size / step_s,
                tflops=tflops,
                part_of_peak=tflops / peak,
            )
            if size in (24, self.sizes.fast_batches[0]):
                self.profiled(f"{preset}-{size}", lambda: [step(recipe, precision) for _ in "123"])
        return True

    def fast(self) -> None:
        """Steps of the fast recipe at growing batches."""
        particles = self.particles(min(4000, self.sizes.paper_images), min(64, self.density.box))
        for size in self.sizes.fast_batches:
            if not self._step_of("fast", particles, size):
                break

    def search(self) -> None:
        """Search and refinement at each box, in images a second once under way."""
        for box, n in self.sizes.search_images.items():
            particles = self.particles(n, box)
            with self.part():
                found = self._rate("search", box, lambda p, q=particles: self._searched(q, p))
            error = nc.evaluate(found.particles, particles)
            with self.part():
                refined = self._rate("refine", box, lambda p, f=found: self._refined(f, p))
            after = nc.evaluate(refined.particles, particles)
            self.tell(
                "accuracy",
                box=box,
                search_median_deg=error.median_deg,
                refine_median_deg=after.median_deg,
            )
            some = particles.subset(np.arange(min(n, 4096)))
            self.profiled(f"search-{box}", lambda q=some: self._searched(q, None))

    def _searched(self, particles: ParticleSet, progress: Any) -> Any:
        return nc.search(particles, self.density, device=self.device_name, progress=progress)

    def _refined(self, found: Any, progress: Any) -> Any:
        return nc.refine(found.particles, self.density, device=self.device_name, progress=progress)

    def _rate(self, part: str, box: int, work: Callable[[Any], Any]) -> Any:
        told: list[tuple[float, int]] = []
        began = time.perf_counter()
        result = work(lambda done, _: told.append((time.perf_counter(), done)))
        whole_s = time.perf_counter() - began
        figures: dict[str, Any] = {"box": box, "n": told[-1][1], "whole_s": whole_s}
        if len(told) > 2:  # what is done before the first chunk is set-up
            done = told[-1][1] - told[0][1]
            figures["images_per_second"] = done / (told[-1][0] - told[0][0])
        self.tell(part, **figures)
        return result

    def reconstruct(self) -> None:
        """Back-projection at true poses."""
        for box, n in self.sizes.reconstruct_images.items():
            particles = self.particles(n, box)
            with self.part():
                self._rate(
                    "reconstruct",
                    box,
                    lambda p, q=particles: nc.reconstruct(q, device=self.device_name, progress=p),
                )


PARTS = ("machine", "paper", "fast", "search", "reconstruct")


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", type=Path, help="folder for the profiler's tables")
    parser.add_argument("--tiny", action="store_true", help="little of everything, on a CPU too")
    given = parser.parse_args()
    box = 32 if given.tiny else 256
    density = demo_density(box, 384.0 / box) if given.map is None else nc.read_map(given.map)
    bench = Bench(density, TINY if given.tiny else FULL, given.device, given.profile)
    for part in given.parts:
        getattr(bench, part)()


if __name__ == "__main__":
    main()

"""How napari answers while a run trains on the same cores, and what scrolling costs the run.

    scripts/with_screen.sh .venv/bin/python benchmarks/responsiveness.py [--rounds 4] [--json]

A real window with the panel follows a real run that the panel started.  By turns nothing is done
and a script scrolls through particles, ten a second: first the run's test particles, then, in a
panel that has the whole stack open beside the map's projections.  Latency: how long an event that
another thread posts waits for the window's event loop; its CPU time is what the window's own thread
works meanwhile, which other programs on the machine do not add to.  Scroll: CPU time of that thread
for one step, drawing included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QObject, QSettings, Signal
from qtpy.QtWidgets import QApplication

from napari_cryoorient.widgets.dock import CryoOrientDock
from napari_cryoorient.widgets.memory import Memory

N, BOX, PIXEL_SIZE, SNR = 4000, 64, 4.0, 0.1
PERIOD_S = 0.1  # of scrolling, as of napari's play button
PATIENCE_S = 300.0


class Probe(QObject):
    """Posts an event every 10 ms from a thread of its own, and takes down when it is answered."""

    asked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.latencies_ms: list[tuple[float, float]] = []
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._over = threading.Event()
        self.asked.connect(self._answer)
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        while not self._over.wait(0.01):
            self.asked.emit(time.perf_counter(), time.clock_gettime(self._clock))

    def _answer(self, asked_at: float, cpu_at: float) -> None:
        waited, worked = time.perf_counter() - asked_at, time.clock_gettime(self._clock) - cpu_at
        self.latencies_ms.append((1000.0 * waited, 1000.0 * worked))

    def take(self) -> list[tuple[float, float]]:
        """Return what has been measured since the last time: wall and CPU time."""
        taken, self.latencies_ms = self.latencies_ms, []
        return taken

    def close(self) -> None:
        """Stop asking."""
        self._over.set()
        self._thread.join()


@dataclass
class Turns:
    """Latencies, and images a second of the run, of all turns of one kind."""

    latencies_ms: list[tuple[float, float]] = field(default_factory=list)
    images_per_second: list[float] = field(default_factory=list)
    scroll_cpu_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Sum them up."""
        latencies, cpu = np.array(self.latencies_ms).T
        figures = {
            "latency_p50_ms": float(np.quantile(latencies, 0.5)),
            "latency_p95_ms": float(np.quantile(latencies, 0.95)),
            "latency_max_ms": float(latencies.max()),
            "cpu_p50_ms": float(np.quantile(cpu, 0.5)),
            "cpu_p95_ms": float(np.quantile(cpu, 0.95)),
            "images_per_second": float(np.median(self.images_per_second)),
        }
        if self.scroll_cpu_ms:
            figures["scroll_cpu_ms"] = float(np.median(self.scroll_cpu_ms))
        return figures


class Bench:
    """The window, the run, and the turns."""

    def __init__(self, work: Path) -> None:
        store = QSettings(str(work / "memory.ini"), QSettings.Format.IniFormat)
        self.viewer = napari.Viewer(show_welcome_screen=False)
        self.viewer.window.resize(1366, 768)
        self.dock = CryoOrientDock(self.viewer, memory=Memory(store))
        self.viewer.window.add_dock_widget(self.dock, name="CryoOrient", area="right")
        self.wait_for(lambda: self.dock.tabs is not None)
        self.rest(1.0)
        self.opened_without_torch = "torch" not in sys.modules
        self.session = self.dock.session

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the window live until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the window did not come that far")
            QApplication.processEvents()
            time.sleep(0.002)

    def rest(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= end)

    def turn(
        self, probe: Probe, turns: Turns, run_dir: Path, seconds: float, scrolls: bool
    ) -> None:
        """Measure for a while, scrolling or not."""
        step_before, at_before = last_step(run_dir)
        probe.take()
        end, next_step, particle = time.monotonic() + seconds, time.monotonic(), 0
        n = max(len(self.session.inspection), 1)
        while time.monotonic() < end:
            began = time.thread_time()
            is_step = scrolls and time.monotonic() >= next_step
            if is_step:
                next_step = time.monotonic() + PERIOD_S
                particle = (particle + 1) % n
                self.dock.workspace.particles.slider.setValue(particle + 1)
            QApplication.processEvents()
            if is_step:
                turns.scroll_cpu_ms.append(1000.0 * (time.thread_time() - began))
            time.sleep(0.001)
        turns.latencies_ms += probe.take()
        step, at = last_step(run_dir)
        if at > at_before:
            batch = 128  # of the fast preset
            turns.images_per_second.append(batch * (step - step_before) / (at - at_before))


def last_step(run_dir: Path) -> tuple[int, float]:
    """Return the newest step a run has reported, and the second it did so in."""
    try:
        lines = (run_dir / "metrics.jsonl").read_text().splitlines()
        line = json.loads(lines[-1])
    except (OSError, IndexError, ValueError):
        return 0, 0.0
    return int(line["step"]), float(line["seconds"])


def make_data(folder: Path) -> tuple[Path, Path]:
    """Make a stack and its map."""
    from napari_cryoorient.simulation.demo_density import demo_density
    from napari_cryoorient.simulation.simulate import (
        SimulationSettings,
        draw_simulation,
        write_simulation,
    )

    settings = SimulationSettings(n=N, snr=SNR, shift_sigma_angstrom=5.0)
    star = write_simulation(draw_simulation(demo_density(BOX, PIXEL_SIZE), settings), folder)
    return star, folder / "map.mrc"


def measure(rounds: int, seconds: float, work: Path) -> dict[str, object]:
    """Open, train, and take turns."""
    bench = Bench(work)
    star, map_path = make_data(work / "data")
    dock, session = bench.dock, bench.session
    dock.controller.load(star, map_path)
    bench.wait_for(lambda: session.data.is_trainable)
    session.change_settings(minutes=60.0, device="cpu")
    run_dir = work / "run"
    dock.controller.run_dir = run_dir
    dock.controller.train()
    bench.wait_for(lambda: last_step(run_dir)[0] > 4)
    bench.wait_for(lambda: session.inspection.kind == "preview")
    bench.rest(3.0)
    probe = Probe()
    kinds = ("following, at rest", "following, scrolling", "stack at rest", "stack, scrolling")
    results = {kind: Turns() for kind in kinds}
    try:
        for _ in range(rounds):
            for scrolls in (False, True):
                kind = kinds[scrolls]
                bench.turn(probe, results[kind], run_dir, seconds, scrolls)
        # The run goes on; the panel looks at the whole stack instead.
        dock.jobs.stop_following()
        session.set_run(None)
        bench.wait_for(lambda: session.inspection.kind == "poses")
        bench.rest(1.0)
        for _ in range(rounds):
            for scrolls in (False, True):
                kind = kinds[2 + scrolls]
                bench.turn(probe, results[kind], run_dir, seconds, scrolls)
    finally:
        probe.close()
        from napari_cryoorient.runs.reader import RunReader

        RunReader(run_dir).ask(stop=True)
        bench.wait_for(lambda: RunReader(run_dir).status().state != "running")
        bench.viewer.close()
    figures: dict[str, object] = {kind: turns.figures() for kind, turns in results.items()}
    for name, rest, scrolling in (("following", kinds[0], kinds[1]), ("stack", kinds[2], kinds[3])):
        before, during = results[rest].images_per_second, results[scrolling].images_per_second
        figures[f"{name}: training, scrolling / at rest"] = float(
            np.median(during) / np.median(before)
        )
    figures["opened without torch"] = bench.opened_without_torch
    figures["load"] = os.getloadavg()[0]
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(options.rounds, options.seconds, Path(scratch))
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            value = "  ".join(f"{k} {v:.1f}" for k, v in value.items())
        elif isinstance(value, float):
            value = f"{value:.2f}"
        print(f"{name:42s} {value}")


if __name__ == "__main__":
    main()

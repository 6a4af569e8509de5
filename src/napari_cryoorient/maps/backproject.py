"""Every image of a stack entered into the sums of its half-set, in bounded memory.

On a CPU threads work on chunks of their own, each into sums of its own: adding into the voxels is
what takes the time, and it does not share its memory. Which thread takes which chunk is fixed, so
that the same threads give the same map to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.device import in_halves, one_thread_each, room_for, room_on_cpu
from napari_cryoorient.errors import InputError
from napari_cryoorient.maps.insertion import SliceSums
from napari_cryoorient.maps.symmetrise import split_by_grid
from napari_cryoorient.particles import Floats, Images, Integers, ParticleSet
from napari_cryoorient.projection.resample import fourier_shift, images_to_fourier
from napari_cryoorient.reporting import SILENT, Reporter, ShouldStop
from napari_cryoorient.stack.batches import ParticleBatches
from napari_cryoorient.stack.chunks import Ahead, Reading, read_ahead

# Coefficients transformed at once: what torch does in one thread, and a core's cache holds; on a
# GPU so many at the most.  Each takes so many float32 on the way.
_CHUNK_COEFFICIENTS, _MOST_COEFFICIENTS, _NUMBERS_EACH = 1 << 15, 1 << 22, 32
# Images, and their coefficients, entered at once: a tenth of a second or a little more.
_BLOCK_IMAGES, _BLOCK_COEFFICIENTS = 256, 1 << 21
# Memory for the sums of more threads than half-sets.
_SUMS_BYTES = 1 << 32
_REPORT_S = 0.2


@dataclass(frozen=True)
class BackProjection:
    """Sums of each half-set (or of the whole stack alone), and what is left of the symmetry.

    ``factors`` are to be applied to the sums one after the other; ``n_images`` counts the images
    in each of them.
    """

    sums: tuple[SliceSums, ...]
    factors: tuple[Tensor, ...]
    n_images: tuple[int, ...]


@torch.no_grad()
def back_project(
    particles: ParticleSet,
    group: Tensor,
    device: torch.device,
    *,
    rows_of_sets: tuple[Integers, ...],
    max_radius: float | None = None,
    with_ctf: bool = True,
    weights: Floats | None = None,
    exact_symmetry: bool = False,
    padding: int = 2,
    reporter: Reporter = SILENT,
) -> BackProjection | None:
    """Enter every image at its pose and all equivalent ones; None when stopped before the end.

    ``rows_of_sets`` are the rows of each half-set, or of all in one.  ``weights`` ``(n,)`` weigh
    each image.  ``max_radius`` is in Fourier pixels.  Where the symmetry does not keep the grid,
    ``exact_symmetry`` enters images at several poses instead of turning the sums.  The
    reporter may end it.
    """
    if particles.poses is None:
        raise ValueError("these particles have no poses")
    entered, factors = entered_and_left(group, exact_symmetry=exact_symmetry)
    stop = threading.Event()
    counter = _Counter(sum(len(rows) for rows in rows_of_sets), reporter)

    def new_sums() -> SliceSums:
        return SliceSums(particles.box, padding=padding, max_radius=max_radius, device=device)

    totals = tuple(new_sums() for _ in rows_of_sets)
    n_threads = _n_threads(device, len(totals), totals[0].n_bytes)
    jobs = []  # (sums, rows), one for each thread
    for total, rows in zip(totals, rows_of_sets, strict=True):
        share = max(1, n_threads // len(totals))
        for k in range(share):
            sums = total if k == 0 else new_sums()
            jobs.append((total, sums, np.array_split(rows, share)[k]))

    def work(sums: SliceSums, rows: Integers) -> None:
        entry = _Entry(particles, entered, sums, device, with_ctf, weights)
        for n in entry.enter(rows, stop.is_set):
            counter.add(n)

    with one_thread_each(device), ThreadPoolExecutor(n_threads, "back-project") as pool:
        futures = [pool.submit(work, sums, rows) for _, sums, rows in jobs]
        try:
            while wait(futures, timeout=_REPORT_S, return_when="FIRST_EXCEPTION").not_done:
                counter.report()
                if any(f.done() and f.exception() is not None for f in futures):
                    stop.set()
                if reporter.should_stop():
                    stop.set()
        except BaseException:
            stop.set()
            raise
    for future in futures:
        future.result()
    if stop.is_set():
        return None
    counter.report()
    for total, sums, _ in jobs:
        if sums is not total:
            total.add(sums)
    return BackProjection(totals, factors, tuple(len(rows) for rows in rows_of_sets))


def entered_and_left(group: Tensor, *, exact_symmetry: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the turns ``(c, 3, 3)`` each image is entered at, and the factors left for the sums.

    Together they make the symmetry ``group`` ``(g, 3, 3)``.
    """
    representatives, kept = split_by_grid(group)
    if exact_symmetry:
        return representatives, (kept,)
    return representatives[:1], (representatives, kept)


@torch.no_grad()
def enter_all(
    particles: ParticleSet,
    entered: Tensor,
    sums: SliceSums,
    device: torch.device,
    *,
    with_ctf: bool = True,
    weights: Floats | None = None,
    should_stop: ShouldStop,
) -> bool:
    """Enter all images into ``sums`` in this thread; return whether all are in.

    Alone in its thread, and with one thread of torch, it gives the same sums to the last bit.
    """
    entry = _Entry(particles, entered, sums, device, with_ctf, weights)
    rows = np.arange(len(particles), dtype=np.int64)
    return sum(entry.enter(rows, should_stop)) == len(rows)


class _Entry:
    """Brings images to coefficients and enters them."""

    def __init__(
        self,
        particles: ParticleSet,
        representatives: Tensor,
        sums: SliceSums,
        device: torch.device,
        with_ctf: bool,
        weights: Floats | None,
    ) -> None:
        self._batches = ParticleBatches(particles, particles.box, device, cache_bytes=0)
        self._particles, self._device, self._sums = particles, device, sums
        self._representatives = representatives.to(device=device, dtype=torch.float32)
        self._with_ctf, self._weights = with_ctf, weights
        n_points = len(sums.positions)
        together = room_for(
            4 * _NUMBERS_EACH, device, cpu=_CHUNK_COEFFICIENTS, most=_MOST_COEFFICIENTS
        )
        self._chunk = max(1, together // n_points)
        self._block = max(1, min(_BLOCK_IMAGES, _BLOCK_COEFFICIENTS // n_points))

    def enter(self, rows: Integers, should_stop: Callable[[], bool]) -> Iterator[int]:
        """Enter images ``rows``; yields the number of each block that was entered whole."""
        blocks = [rows[i : i + self._block] for i in range(0, len(rows), self._block)]
        parts = [self._parts(block) for block in blocks]
        ahead = read_ahead(self._particles.images, list(chain(*parts)), self._device)
        with closing(ahead):
            for block, of_block in zip(blocks, parts, strict=True):
                if not self._enter_block(block, islice(ahead, len(of_block)), should_stop):
                    return
                yield len(block)

    def _parts(self, block: Integers) -> list[Integers]:
        return [block[i : i + self._chunk] for i in range(0, len(block), self._chunk)]

    def _enter_block(
        self, block: Integers, parts: Iterator[Ahead], should_stop: Callable[[], bool]
    ) -> bool:
        """Enter a block of images; return whether it is whole."""
        poses = self._particles.poses
        assert poses is not None
        pairs = []
        for part, read in parts:
            if should_stop():
                return False
            pairs += in_halves(
                partial(self._coefficients_of, part, read), slice(0, len(part)), self._device
            )
        values, weights = (torch.cat(each) for each in zip(*pairs, strict=True))
        rotations = self._tensor(poses.rotations[block])
        for representative in self._representatives:
            self._sums.insert(rotations @ representative.T, values, weights, should_stop)
        return not should_stop()

    def _tensor(self, values: Floats) -> Tensor:
        return torch.from_numpy(values).to(dtype=torch.float32).to(self._device)

    def _coefficients_of(
        self, part: Integers, read: list[Reading], these: slice
    ) -> tuple[Tensor, Tensor]:
        rows = part[these]
        images = read.pop().result() if read else self._particles.images.read(rows)
        return self._coefficients(rows, images)

    def _coefficients(self, rows: Integers, read: Images) -> tuple[Tensor, Tensor]:
        """Return ``CTF X`` and ``CTF^2``, ``(b, p)``, of images moved back to the centre."""
        poses = self._particles.poses
        assert poses is not None
        images = self._batches.prepared(read)
        shifts = self._tensor(poses.shifts_angstrom[rows])
        slices = images_to_fourier(images)
        slices = fourier_shift(slices, -shifts / self._batches.pixel_size_angstrom)
        positions = self._sums.positions
        values = slices.flatten(1)[:, positions]
        values[:, 0] = 0  # the mean grey tells nothing of the map (relion_reconstruct: likewise)
        transfer = self._batches.ctf(rows) if self._with_ctf else None
        if transfer is None:
            weights = torch.ones_like(values.real)
        else:
            transfer = transfer.flatten(1)[:, positions]
            if self._particles.ctf_state == "premultiplied":
                # The signal came through CTF^2 and the noise through CTF: X is CTF times what
                # was measured already, and its weight is CTF^2.
                weights = transfer
            else:
                values, weights = values * transfer, transfer.square()
        is_finite = torch.isfinite(values.real) & torch.isfinite(values.imag)
        is_finite = (is_finite & torch.isfinite(weights)).all(1)
        if not bool(is_finite.all()):
            row = int(rows[int(is_finite.int().argmin())])
            name = f" ({self._particles.names[row]})" if self._particles.names else ""
            raise InputError(
                f"Image {row + 1}{name} times its CTF is not a finite number; its values or CTF "
                "are out of range: leave it out."
            )
        weights = weights * images.flatten(1).any(1)[:, None]  # empty images weigh nothing
        if self._weights is not None:
            each = self._tensor(self._weights[rows])[:, None]
            values, weights = values * each, weights * each
        return values, weights


class _Counter:
    """Counts images over threads; progress is told by the thread that asks."""

    def __init__(self, total: int, reporter: Reporter) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._reporter = 0, total, reporter

    def add(self, n: int) -> None:
        with self._lock:
            self._done += n

    def report(self) -> None:
        self._reporter.progress(self._done, self._total)


def _n_threads(device: torch.device, n_sets: int, n_bytes: int) -> int:
    """Return a multiple of the half-sets, or 1: as many as there are threads and memory for."""
    if device.type != "cpu":
        return 1
    affordable = max(n_sets, int(min(_SUMS_BYTES, 4 * room_on_cpu()) // n_bytes))
    threads = min(torch.get_num_threads(), affordable)
    return max(1, threads // n_sets * n_sets)

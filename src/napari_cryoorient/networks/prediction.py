"""Poses for a whole stack from a trained network, chunk by chunk, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_cryoorient.device import in_halves, room_for
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.particles import Floats, Images, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.batches import ParticleBatches

# Pixels in a chunk, on a CPU and at the most: a few tenths of a second, so that a request to stop
# is met at once.  A network takes so many float32 of each.
CPU_PIXELS, MOST_PIXELS, NUMBERS_A_PIXEL = 8 * 128 * 128, 512 * 128 * 128, 256
# Pixels of one chunk of images as they lie in the file, before they are brought to the box, at the
# most; cleaned and resampled each takes so many float32.
READ_PIXELS, NUMBERS_READ = 2**25, 8


@dataclass(frozen=True)
class PredictedPoses:
    """What a network said of particles ``rows`` (k,); None where it says nothing.

    ``rotations`` (k, 3, 3), ``shifts_angstrom`` (k, 2), ``confidence`` (k,), 0 for images that tell
    nothing, which ``is_empty`` (k,) marks.
    """

    rows: Integers
    rotations: Floats
    shifts_angstrom: Floats | None
    confidence: Floats | None
    is_empty: NDArray[np.bool_]

    def poses(self, known: Poses | None) -> Poses:
        """Return poses; what images or network do not tell is as in ``known``, or nothing.

        Nothing is a shift of zero, and the map's own frame for images that are empty.
        """
        rotations, shifts = self.rotations, self.shifts_angstrom
        if shifts is None:
            shifts = np.zeros((len(self.rows), 2))
            if known is not None:
                shifts = known.shifts_angstrom[self.rows]
        empty = np.flatnonzero(self.is_empty)
        if empty.size:  # else nothing is copied: of millions of particles that is much
            rotations, shifts = rotations.copy(), shifts.copy()
            rotations[empty] = np.eye(3)
            shifts[empty] = 0.0
            if known is not None:
                rotations[empty] = known.rotations[self.rows[empty]]
                shifts[empty] = known.shifts_angstrom[self.rows[empty]]
        return Poses(rotations, shifts)


def predict(
    network: nn.Module,
    particles: ParticleSet,
    *,
    box: int,
    device: torch.device,
    rows: Integers | None = None,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> Iterator[PredictedPoses]:
    """Yield poses of ``rows`` (default all) in order; images are brought to ``box``.

    The reporter may end the iterator early.  A chunk that does not fit in memory is tried again in
    halves.
    """
    rows = np.arange(len(particles), dtype=np.int64) if rows is None else rows
    batches = ParticleBatches(particles, box, device, cache_bytes=0)
    size = chunk_size(particles, box, device, batch_size)
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    network = network.to(device).eval()
    done = 0
    # One chunk is read while the network is at the one before.
    with ThreadPoolExecutor(1, "read-particles") as reader:
        ahead = reader.submit(particles.images.read, chunks[0]) if chunks else None
        for number, chunk in enumerate(chunks):
            assert ahead is not None
            waiting = [ahead]
            wait([ahead])
            if reporter.should_stop():
                return
            if number + 1 < len(chunks):
                ahead = reader.submit(particles.images.read, chunks[number + 1])

            def passed_through(
                these: slice, chunk: Integers = chunk, waiting: list[Future[Images]] = waiting
            ) -> tuple[Tensor, PosePrediction]:
                rows = chunk[these]
                # Taken out: what does not fit shall not be held.
                read = waiting.pop().result() if waiting else particles.images.read(rows)
                images = batches.prepared(read)
                prediction = in_network(network, images, batches.ctf(rows))
                return ~images.flatten(1).any(1), prediction.detach()

            parts = in_halves(passed_through, slice(0, len(chunk)), device)
            yield _in_numpy(chunk, [each[0] for each in parts], [each[1] for each in parts])
            done += len(chunk)
            reporter.progress(done, len(rows))


def chunk_size(
    particles: ParticleSet, box: int, device: torch.device, batch_size: int | None = None
) -> int:
    """Return how many particles go through a network together, ``batch_size`` at the most."""
    size = together_in_network(box, device) if batch_size is None else batch_size
    most = max(1, READ_PIXELS // particles.box**2)
    return min(size, room_for(4 * NUMBERS_READ * particles.box**2, device, cpu=most, most=most))


def together_in_network(box: int, device: torch.device) -> int:
    """Return how many images of ``box`` pixels go through a network together."""
    return room_for(
        4 * NUMBERS_A_PIXEL * box**2,
        device,
        cpu=max(1, CPU_PIXELS // box**2),
        most=max(1, MOST_PIXELS // box**2),
    )


def joined(parts: list[PredictedPoses]) -> PredictedPoses:
    """Join chunks, in order; what one of them does not tell, none does."""
    if len(parts) == 1:
        return parts[0]

    def join(arrays: list[Floats | None]) -> Floats | None:
        present = [a for a in arrays if a is not None]
        return np.concatenate(present) if len(present) == len(arrays) else None

    return PredictedPoses(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.rotations for part in parts]),
        join([part.shifts_angstrom for part in parts]),
        join([part.confidence for part in parts]),
        np.concatenate([part.is_empty for part in parts]),
    )


def collect(chunks: Iterable[PredictedPoses]) -> PredictedPoses | None:
    """Join chunks of a whole stack; None when there are none.

    Where the network tells no confidence and images are empty, it is 1 for all others.
    """
    parts = list(chunks)
    if not parts:
        return None
    whole = joined(parts)
    if not whole.is_empty.any():
        return whole
    confidence = 1.0 if whole.confidence is None else whole.confidence
    return replace(whole, confidence=np.where(whole.is_empty, 0.0, confidence))


@torch.no_grad()
def in_network(network: nn.Module, images: Tensor, ctf: Tensor | None) -> PosePrediction:
    """Pass images through a network."""
    prediction: PosePrediction = network(images, ctf)
    return prediction


def _in_numpy(
    rows: Integers, are_empty: list[Tensor], parts: list[PosePrediction]
) -> PredictedPoses:
    def joined(tensors: list[Tensor | None]) -> Floats | None:
        present = [t for t in tensors if t is not None]
        if len(present) < len(tensors):
            return None
        # A copy by numpy, as of all that outlives its chunk: torch's own small blocks, kept for
        # long between its large ones, made the process grow by 40 kB a particle (glibc does not
        # reuse aligned blocks well).
        return np.array(torch.cat(present).cpu().numpy(), dtype=np.float64)

    rotations = joined([part.rotations for part in parts])
    assert rotations is not None
    return PredictedPoses(
        rows,
        rotations,
        joined([part.shifts_angstrom for part in parts]),
        joined([part.confidence for part in parts]),
        np.array(torch.cat(are_empty).cpu().numpy()),
    )

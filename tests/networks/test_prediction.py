from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.prediction import collect, predict
from napari_cryoorient.particles import ArrayImages, Images, Integers, ParticleSet, Poses
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.batches import ParticleBatches

CPU = torch.device("cpu")


class Echo(nn.Module):
    """Tells of each image the grey value of its centre, as a turn about z and as a shift."""

    def __init__(self, limit: int = 10**9) -> None:
        super().__init__()
        self.limit, self.sizes = limit, []

    def forward(self, images: Tensor, ctf: Tensor | None) -> PosePrediction:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        value = images[:, 8, 8]
        zero, one = torch.zeros_like(value), torch.ones_like(value)
        rows = [value.cos(), -value.sin(), zero, value.sin(), value.cos(), zero, zero, zero, one]
        rotations = torch.stack(rows, -1).unflatten(-1, (3, 3))
        return PosePrediction(rotations, torch.stack([value, -value], -1), value)


def numbered(n: int, poses: Poses | None = None) -> ParticleSet:
    images = np.zeros((n, 16, 16), dtype=np.float32)
    images[:, 8, 8] = np.arange(n) / n
    images[:, 8, 4] = 1.0  # none is blank
    return ParticleSet(ArrayImages(images, 3.0), poses, None, np.zeros(n, dtype=np.int64))


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_row_i_is_particle_i_whatever_the_batch(batch_size: int):
    told = []
    chunks = predict(
        Echo(),
        numbered(50),
        box=16,
        device=CPU,
        batch_size=batch_size,
        reporter=SILENT.watched(lambda done, total: told.append((done, total))),
    )
    found = collect(chunks)
    np.testing.assert_array_equal(found.rows, np.arange(50))
    np.testing.assert_allclose(found.confidence, np.arange(50) / 50, atol=1e-6)
    np.testing.assert_allclose(found.shifts_angstrom[:, 1], -np.arange(50) / 50, atol=1e-6)
    np.testing.assert_allclose(found.rotations[:, 1, 0], np.sin(np.arange(50) / 50), atol=1e-6)
    assert told[-1] == (50, 50)


def test_chosen_rows_come_in_the_order_asked_for():
    rows = np.array([30, 2, 17])
    found = collect(predict(Echo(), numbered(50), box=16, device=CPU, rows=rows, batch_size=2))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.confidence, rows / 50, atol=1e-6)


def test_out_of_memory_is_met_by_halves():
    network = Echo(limit=3)
    found = collect(predict(network, numbered(20), box=16, device=CPU, batch_size=20))
    np.testing.assert_allclose(found.confidence, np.arange(20) / 20, atol=1e-6)
    assert max(s for s in network.sizes if s <= 3) <= 3


def test_memory_that_runs_out_before_the_network_is_met_by_halves_too(monkeypatch):
    prepared, sizes = ParticleBatches.prepared, []

    def short(self: ParticleBatches, read: Images) -> Tensor:
        sizes.append(len(read))
        if len(read) > 3:
            raise MemoryError
        return prepared(self, read)

    monkeypatch.setattr(ParticleBatches, "prepared", short)
    found = collect(predict(Echo(), numbered(10), box=16, device=CPU, batch_size=10))
    assert sizes == [10, 5, 2, 3, 5, 2, 3]
    np.testing.assert_allclose(found.confidence, np.arange(10) / 10, atol=1e-6)


def test_stop_ends_after_the_chunk_in_hand():
    stop = threading.Event()
    seen = []
    for chunk in predict(
        Echo(),
        numbered(50),
        box=16,
        device=CPU,
        batch_size=5,
        reporter=Reporter(should_stop=stop.is_set),
    ):
        seen += list(chunk.rows)
        stop.set()
    assert seen == [0, 1, 2, 3, 4]


def test_shifts_nobody_predicts_are_the_known_ones():
    rotations = random_rotations(6, torch.Generator().manual_seed(0)).double().numpy()
    known = Poses(rotations, np.arange(12.0).reshape(6, 2))

    class Silent(Echo):
        def forward(self, images: Tensor, ctf: Tensor | None) -> PosePrediction:
            return PosePrediction(super().forward(images, ctf).rotations)

    found = collect(predict(Silent(), numbered(6, known), box=16, device=CPU))
    assert found.confidence is None
    np.testing.assert_array_equal(found.poses(known).shifts_angstrom, known.shifts_angstrom)
    np.testing.assert_array_equal(found.poses(None).shifts_angstrom, np.zeros((6, 2)))


@pytest.mark.parametrize("value", [0.0, 9.0, np.nan, -np.inf, 3e38])
def test_an_image_that_tells_nothing_keeps_its_pose_at_no_confidence(value: float):
    rotations = random_rotations(6, torch.Generator().manual_seed(0)).double().numpy()
    known = Poses(rotations, np.arange(12.0).reshape(6, 2))
    particles = numbered(6, known)
    particles.images.images[2] = value
    found = collect(predict(Echo(), particles, box=16, device=CPU, batch_size=4))
    assert found.is_empty.tolist() == [False, False, True, False, False, False]
    assert found.confidence[2] == 0
    kept, lost = found.poses(known), found.poses(None)
    np.testing.assert_array_equal(kept.rotations[2], known.rotations[2])
    np.testing.assert_array_equal(kept.shifts_angstrom[2], known.shifts_angstrom[2])
    np.testing.assert_array_equal(lost.rotations[2], np.eye(3))
    np.testing.assert_array_equal(lost.shifts_angstrom[2], np.zeros(2))
    np.testing.assert_allclose(kept.rotations[3], found.rotations[3])
    assert abs(found.rotations[3] - known.rotations[3]).max() > 0.1


def test_errors_of_the_reader_are_not_lost():
    class Broken:
        box, pixel_size_angstrom = 16, 3.0

        def __len__(self) -> int:
            return 20

        def read(self, indices: Integers) -> Images:
            if 10 in indices:
                raise OSError("the disk is gone")
            return np.zeros((len(indices), 16, 16), np.float32)

    particles = ParticleSet(Broken(), None, None, np.zeros(20, dtype=np.int64))
    with pytest.raises(OSError, match="the disk is gone"):
        collect(predict(Echo(), particles, box=16, device=CPU, batch_size=5))


# Its images would be 1.3 GB if they were kept.
MEMORY = """
import resource, sys
import numpy as np, torch
from napari_cryoorient.networks.vgg import PaperNetwork
from napari_cryoorient.particles import ParticleSet
from napari_cryoorient.networks.prediction import collect, predict

class Made:
    box, pixel_size_angstrom = 128, 1.0
    def __len__(self): return 20_000
    def read(self, indices):
        return np.ones((len(indices), 128, 128), np.float32) * indices[:, None, None]

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.real = PaperNetwork(128)
        self.n = 0
    def forward(self, images, ctf):
        from napari_cryoorient.networks.output import PosePrediction
        if self.n < 2:  # the real network for two chunks, for its memory; then only its shapes
            self.n += 1
            return self.real(images, ctf)
        return PosePrediction(torch.eye(3).expand(len(images), 3, 3))

particles = ParticleSet(Made(), None, None, np.zeros(20_000, dtype=np.int64))
found = collect(predict(Mean(), particles, box=128, device=torch.device("cpu")))
assert len(found.rows) == 20_000
if sys.platform == "linux":  # ru_maxrss also holds what the parent had when it started this
    status = open("/proc/self/status").read()
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / 1e9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory the POSIX way")
def test_the_images_of_a_stack_are_never_all_in_memory():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.8

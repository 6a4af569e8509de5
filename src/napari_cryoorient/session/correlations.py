"""How well each particle agrees with the map at its pose: computed in chunks, in the background.

The figure is the correlation of a particle's image with the map's projection at its pose, shifted
and through the particle's CTF, over all pixels.  torch loads with the first of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from psygnal import Signal

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Floats, Integers, NegatedImages, Poses
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.inspection import Inspection
from napari_cryoorient.session.session import Session

CHUNK = 64
# A stack of so many particles is correlated without being asked for: it takes seconds.
AUTOMATIC = 5_000
# Correlations of so many sets of poses are remembered.
REMEMBERED = 8


def correlations_of(data: Data, poses: Poses, rows: Integers) -> Floats:
    """Correlate particles ``rows`` of the stack with the map at ``poses`` of theirs: ``(k,)``.

    An image or a projection without any contrast, or not of finite numbers, has correlation 0.

    Raises:
        InputError: where stack or map are missing, or an image cannot be read.

    """
    import torch

    from napari_cryoorient.io.fourier_resize import fourier_resize
    from napari_cryoorient.projection.ctf import ctf_half_plane

    particles, projector = data.particles, data.projector
    if particles is None or projector is None:
        raise InputError("Correlations need a stack and a map that fits it: load both.")
    transfer = None
    if particles.ctf is not None:
        transfer = ctf_half_plane(particles.ctf[rows], projector.box, projector.pixel_size_angstrom)
        if particles.ctf_state == "phase-flipped":
            transfer = transfer.abs()
        elif particles.ctf_state == "premultiplied":
            transfer = transfer.square()
    pose = [torch.from_numpy(a).float() for a in (poses.rotations, poses.shifts_angstrom)]
    with torch.no_grad():
        projections = projector(*pose, transfer).numpy()
    source = NegatedImages(particles.images) if data.is_negated else particles.images
    images = source.read(rows)
    is_finite = np.isfinite(images).all(axis=(1, 2), keepdims=True)
    images = np.where(is_finite, images, np.float32(0.0))
    box = min(images.shape[-1], projections.shape[-1])
    pair = []
    for stack in (images, projections):
        small = stack if stack.shape[-1] == box else fourier_resize(stack, box, 2)
        flat = small.reshape(len(rows), -1).astype(np.float64)
        pair.append(flat - flat.mean(1, keepdims=True))
    image, projection = pair
    norm = np.sqrt((image**2).sum(1) * (projection**2).sum(1))
    products = (image * projection).sum(1)
    return np.asarray(np.divide(products, norm, out=np.zeros_like(norm), where=norm > 0))


@dataclass(frozen=True)
class Chunk:
    """Correlations of some particles, or why there are no more."""

    start: int
    values: Floats
    problem: str | None = None


def correlate_in_chunks(
    data: Data, poses: Poses, rows: Integers, start: int = 0, size: int = CHUNK
) -> Iterator[Chunk]:
    """Yield correlations chunk by chunk; a problem ends them and is told instead of raised."""
    for first in range(start, len(rows), size):
        part = slice(first, first + size)
        try:
            yield Chunk(first, correlations_of(data, poses[part], rows[part]))
        except Exception as error:
            said = str(error) if isinstance(error, InputError) else f"they stopped: {error}"
            yield Chunk(first, np.zeros(0), said)
            return


@dataclass
class _Known:
    """What has been computed so far of one set of poses: ``values`` from 0 to ``n_done``."""

    values: Floats
    n_done: int = 0


class Correlations:
    """Computes the correlations of what is inspected, remembers them, and stops when asked."""

    changed = Signal()

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self._session = session
        self._jobs = jobs
        self._notify = notify
        self._known: dict[str, _Known] = {}
        self._key: str | None = None
        self._seen: tuple[Data, Poses | None] = (session.data, None)
        self.is_going = False
        session.inspection_changed.connect(self._on_inspection)

    def close(self) -> None:
        """Stop, and leave the session alone from now on."""
        self.stop()
        self._session.inspection_changed.disconnect(self._on_inspection)

    @property
    def progress(self) -> tuple[int, int]:
        """Particles done and particles in all; (0, 0) where there is nothing to correlate."""
        if self._key is None:
            return 0, 0
        return self._known[self._key].n_done, len(self._known[self._key].values)

    def start(self) -> None:
        """Go on where it was stopped; what is known already is not computed again."""
        session, key = self._session, self._key
        if key is None or self.is_going:
            return
        known, inspection, data = self._known[key], session.inspection, session.data
        poses = inspection.shown_poses
        if poses is None or known.n_done == len(known.values):
            return
        self.is_going = True
        self.changed.emit()

        def take(chunk: Chunk) -> None:
            if chunk.problem is not None:
                self.is_going = False
                self._notify.error(f"Correlations: {chunk.problem}")
                self.changed.emit()
                return
            end = chunk.start + len(chunk.values)
            known.values[chunk.start : end] = chunk.values
            known.n_done = end
            if end == len(known.values):
                self.is_going = False
                if self._key == key:
                    session.set_correlations(known.values)
            self.changed.emit()

        rows, n_done = inspection.rows, known.n_done
        self._jobs.follow(
            "correlations", lambda: correlate_in_chunks(data, poses, rows, n_done), take
        )

    def stop(self) -> None:
        """Stop; what has been computed is kept."""
        if self.is_going:
            self.is_going = False
            self._jobs.stop_following("correlations")
            self.changed.emit()

    def _on_inspection(self, inspection: Inspection) -> None:
        """Take up what is inspected now: known, to be computed, or not to be had."""
        data, poses = self._session.data, inspection.shown_poses
        if data is self._seen[0] and poses is self._seen[1]:
            return
        self._seen = data, poses
        key = key_of(data, inspection)
        self.stop()
        self._key = key
        if key is not None:
            known = self._known.pop(key, None) or _Known(np.full(len(inspection), np.nan))
            self._known[key] = known  # the one used last stands last
            for old in list(self._known)[:-REMEMBERED]:
                del self._known[old]
            if known.n_done == len(known.values):
                self._session.set_correlations(known.values)
            elif len(inspection) <= AUTOMATIC and not self._session.is_training:
                self.start()
        self.changed.emit()


def key_of(data: Data, inspection: Inspection) -> str | None:
    """Return what identifies stack, map and poses; None where there is nothing to correlate."""
    poses = inspection.shown_poses
    if inspection.kind not in ("poses", "predictions") or poses is None or data.projector is None:
        return None
    digest = hashlib.sha1(usedforsecurity=False)
    for path in (data.star_path, data.map_path):
        stat = None if path is None or not path.exists() else path.stat().st_mtime_ns
        digest.update(f"{path} {stat}".encode())
    digest.update(f"{data.map_pixel_size_angstrom} {data.is_negated}".encode())
    for array in (inspection.rows, poses.rotations, poses.shifts_angstrom):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

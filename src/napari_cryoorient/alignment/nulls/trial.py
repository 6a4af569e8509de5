"""One search, run on particles and on nulls: images without the molecule, maps without structure.

It is the global search without its second look at particles in doubt, the same for all.

Beside the nulls stands a control: the null images with the map's projections added at random poses,
as strong as they are in the particles.  It tells what the search would find if the map were right.
How strong they are is learned from the particles that the search is sure of; the surplus of power
over the noise, which holds all else that particles hold, would make the control too strong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.nulls.decoy_maps import decoy_maps
from napari_cryoorient.alignment.nulls.null_images import NullKind, null_particles
from napari_cryoorient.alignment.refine.two_groups import learned_amplitudes
from napari_cryoorient.alignment.search.found import FoundPoses
from napari_cryoorient.alignment.search.global_search import GlobalSearch
from napari_cryoorient.device import in_halves
from napari_cryoorient.geometry.rotations import random_rotations
from napari_cryoorient.particles import DensityMap, Integers, ParticleSet
from napari_cryoorient.reporting import SILENT, Reporter
from napari_cryoorient.stack.chunks import Stopped

N_DECOYS = 2
# Decoys are of so many voxels an edge at least: no search has a map of fewer.
LEAST_BOX = 32
# The control follows particles whose confidence is above this.
SURE = 0.9
# The control's signal is at least so strong: a weaker one is taken to be none.
LEAST_SNR = 0.02
# The control keeps at least this part of the power of phase-randomised images as noise.
_LEAST_NOISE = 0.2
_CHUNK = 64

Finder = Callable[[Integers, BandData], FoundPoses]


@dataclass(frozen=True, eq=False, repr=False)
class NullTrial:
    """What was found of ``n`` particles and of their nulls, row for row.

    ``particles`` are the images against the map, ``decoys`` the images against each map without
    structure; ``null`` and ``null_decoys`` are the same for images without the molecule, and
    ``control`` and ``control_decoys`` for these with the map's projections added.  ``null_stack``
    holds the images without the molecule, ``decoy_maps`` the maps.  ``snr`` is that of the
    particles, by how strong the map's projections are in those that the search is sure of.
    """

    particles: FoundPoses
    decoys: tuple[FoundPoses, ...]
    null: FoundPoses
    null_decoys: tuple[FoundPoses, ...]
    control: FoundPoses
    control_decoys: tuple[FoundPoses, ...]
    null_stack: ParticleSet
    null_kind: NullKind
    decoy_maps: tuple[DensityMap, ...]
    snr: float


class NullSearches:
    """A search with ``density``, the map of its likelihood, and with maps without structure.

    Each is ready for particles of its stack and for their nulls.  What ``search`` has learned of
    the stack holds for all of them; none looks at particles in doubt a second time, as nulls all
    are: it would take most of the time.
    """

    def __init__(
        self,
        density: DensityMap,
        search: GlobalSearch,
        *,
        n_decoys: int = N_DECOYS,
        seed: int = 0,
    ) -> None:
        self._likelihood, self._seed = search.likelihood, seed
        box = max(self._likelihood.box, LEAST_BOX)
        seeds = range(seed, seed + n_decoys)
        self._decoys = decoy_maps(density, search.group, seeds, box=box)
        # Likelihoods are of the search's own scale already.
        learned = replace(search.priors, strength=1.0)
        self._searches = [search.without_second_look()]
        self._searches += [
            GlobalSearch(
                self._likelihood.with_map(decoy), search.group, is_thorough=False, learned=learned
            )
            for decoy in self._decoys
        ]

    def trial(
        self, rows: Integers, *, found: FoundPoses | None = None, reporter: Reporter = SILENT
    ) -> NullTrial:
        """Search particles ``rows`` with all maps, and as many nulls.

        ``found`` are poses of these rows that are to be judged, in place of those of the search.
        Raises Stopped.
        """
        likelihood = self._likelihood
        statistics, stack = likelihood.statistics, likelihood.particles
        kind: NullKind = "phase-randomised" if statistics.are_corners_empty else "background"
        null_stack = null_particles(stack, rows, self._seed, kind=kind)
        null_likelihood = likelihood.reading(null_stack)
        finders = [search.of_images for search in self._searches]
        chunks = np.array_split(np.arange(len(rows), dtype=np.int64), -(-len(rows) // _CHUNK))
        n_done, n_all = 0, len(rows) * (3 * len(finders) - (found is not None))

        def searched(find: Finder, chunk: Integers, data: BandData) -> FoundPoses:
            nonlocal n_done
            if reporter.should_stop():
                raise Stopped
            halves = in_halves(
                lambda these: find(chunk[these], data[these]),
                slice(0, len(chunk)),
                likelihood.device,
            )
            part = FoundPoses.joined(halves)
            n_done += len(chunk)
            reporter.progress(n_done, n_all)
            return part

        if found is None:
            found = FoundPoses.joined(
                [searched(finders[0], rows[k], _loaded(likelihood, rows[k])) for k in chunks]
            )
        # Of poses in doubt, as a foreign map leaves them, strengths tell nothing.
        sure = np.where(found.confidence > SURE, found.confidence, 0.0)
        strength, _ = learned_amplitudes(found.strengths, sure)
        snr = statistics.snr * (likelihood.strength * strength) ** 2
        strength *= max(1.0, LEAST_SNR / max(snr, 1e-9)) ** 0.5
        generator = torch.Generator().manual_seed(self._seed)
        parts: dict[str, list[list[FoundPoses]]] = {
            name: [[] for _ in finders] for name in ("particles", "null", "control")
        }
        for chunk in chunks:
            null = _loaded(null_likelihood, chunk)
            sets = {
                "particles": (rows[chunk], _loaded(likelihood, rows[chunk])),
                "null": (chunk, null),
                "control": (chunk, _with_projections(likelihood, null, kind, strength, generator)),
            }
            for name, (numbers, data) in sets.items():
                for i, find in enumerate(finders):
                    if i or name != "particles":
                        parts[name][i].append(searched(find, numbers, data))

        def joined(name: str) -> list[FoundPoses]:
            return [FoundPoses.joined(each) for each in parts[name] if each]

        of_decoys, null_found, control = (joined(name) for name in parts)
        return NullTrial(
            found, tuple(of_decoys), null_found[0], tuple(null_found[1:]),
            control[0], tuple(control[1:]), null_stack, kind, self._decoys, snr,
        )  # fmt: skip


def try_nulls(
    density: DensityMap,
    likelihood: ParticleLikelihood,
    rows: Integers,
    group: Tensor,
    *,
    found: FoundPoses | None = None,
    shift_reach_angstrom: float | None = None,
    n_decoys: int = N_DECOYS,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> NullTrial:
    """Try particles ``rows`` of a likelihood with ``density``, its map, and with nulls.

    ``found`` as for ``NullSearches.trial``.  Raises Stopped.
    """
    search = GlobalSearch(likelihood, group, shift_reach_angstrom=shift_reach_angstrom)
    searches = NullSearches(density, search, n_decoys=n_decoys, seed=seed)
    return searches.trial(rows, found=found, reporter=reporter)


@torch.no_grad()
def _with_projections(
    likelihood: ParticleLikelihood,
    null: BandData,
    kind: NullKind,
    strength: float,
    generator: torch.Generator,
) -> BandData:
    """Add the map's projections at random poses, so many times as strong as the surplus has it."""
    views = random_rotations(len(null), generator).float().to(likelihood.device)

    def added_to(these: slice) -> BandData:
        cross, power, energy = (each[these] for each in (null.cross, null.power, null.energy))
        slices = strength * likelihood.slices(views[these], power.shape[1])
        signal = power * slices.abs().square()
        if kind == "phase-randomised":  # these hold the power of the signal already
            total = energy.sum(1, keepdim=True).clamp_min(1e-30)
            part = (1 - signal.sum(1, keepdim=True) / total).clamp_min(_LEAST_NOISE)
            cross, energy = cross * part.sqrt(), energy * part
        both = 2 * (cross.conj() * slices).real
        return BandData(cross + power * slices, power, energy + both + signal)

    return _joined(in_halves(added_to, slice(0, len(null)), likelihood.device))


def _loaded(likelihood: ParticleLikelihood, rows: Integers) -> BandData:
    """Read particles ``rows``, where memory runs out in halves."""
    parts = in_halves(
        lambda these: likelihood.load(rows[these]), slice(0, len(rows)), likelihood.device
    )
    return _joined(parts)


def _joined(parts: list[BandData]) -> BandData:
    if len(parts) == 1:
        return parts[0]
    return BandData(
        *(torch.cat([getattr(p, name) for p in parts]) for name in ("cross", "power", "energy"))
    )

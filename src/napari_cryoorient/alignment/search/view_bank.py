"""The map's views on rings, computed once; images compared with all of them, or with some each.

A comparison takes every in-plane angle and a few shifts.  It gives each view its best score, and
each view's best angle in every quarter turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cryoorient.alignment.likelihood import BandData, ParticleLikelihood
from napari_cryoorient.alignment.search.in_plane import (
    OnRings,
    RingTransform,
    twofold_images,
    twofold_views,
)
from napari_cryoorient.alignment.shapes import (
    AnyShifts,
    CellRotations,
    Cells,
    ChosenViews,
    Directions,
    Group,
    Nearest,
    PerTriedShift,
    TriedShifts,
)
from napari_cryoorient.device import room_for
from napari_cryoorient.geometry.grids import directions_to_matrices, view_directions
from napari_cryoorient.geometry.rotations import turn_in_plane

# Degrees between views, times the radius in Fourier pixels, of a particle as wide as the field.
SPACING_DEG_TIMES_RADIUS = 85.0
N_SECTORS = 4
# Views that one product takes, and scores that it may fill, in numbers.
VIEWS_TOGETHER = 64
CPU_SCORES, LARGEST_SCORES, NUMBERS_A_SCORE = 2**21, 2**28, 8
_N_NEIGHBOURS = 3


@dataclass(frozen=True)
class CellScores:
    """The best pose of each view in each quarter turn: ``(sectors, b, n)`` each.

    ``scores`` are log-likelihoods in the band, ``angles`` and ``shifts`` indices of where.
    """

    scores: Tensor
    angles: Tensor
    shifts: Tensor

    @staticmethod
    def joined(parts: list[CellScores]) -> CellScores:
        """Join images, in order."""
        return CellScores(
            torch.cat([part.scores for part in parts], dim=1),
            torch.cat([part.angles for part in parts], dim=1),
            torch.cat([part.shifts for part in parts], dim=1),
        )

    def of_images(self, images: slice) -> CellScores:
        """Return those of some images."""
        return CellScores(self.scores[:, images], self.angles[:, images], self.shifts[:, images])

    def at_shifts(self, shifts: Tensor) -> CellScores:
        """Name shifts by what each image's own ``(s, b)`` are called elsewhere."""
        own = shifts.t().expand(len(self.shifts), -1, -1)
        return CellScores(self.scores, self.angles, own.gather(2, self.shifts))

    def of_whole(self, n_images: int) -> CellScores:
        """Put the views of consecutive images that are one, each alike often, side by side."""
        parts = (
            part.reshape(len(part), n_images, -1)
            for part in (self.scores, self.angles, self.shifts)
        )
        return CellScores(*parts)


class ViewBank:
    """Views within a band, near-uniform over one asymmetric unit of the group ``(g, 3, 3)``.

    ``takes_all`` makes it ready for ``score_all``.
    """

    def __init__(
        self,
        likelihood: ParticleLikelihood,
        group: Tensor,
        *,
        radius: float,
        fill: float,
        takes_all: bool,
    ) -> None:
        self.radius = radius
        self.rings = RingTransform(likelihood, radius, fill)
        self.directions = view_directions(SPACING_DEG_TIMES_RADIUS / (radius * fill), group)
        self.views = directions_to_matrices(self.directions).float().to(likelihood.device)
        on_rings = OnRings.joined(
            [self.rings.of_views(part) for part in torch.split(self.views, VIEWS_TOGETHER)]
        )
        # Order zero of a circle of a real object's transform is real.
        self._mean = on_rings.even[0, :, : self.rings.n_rings].mean(0)
        on_rings.even[0, :, : self.rings.n_rings] -= self._mean
        self._some = on_rings.of_orders(self.rings.dtype)
        self._all = [
            OnRings(*map(twofold_views, part.parts()))
            for part in self._some.split(VIEWS_TOGETHER)
            if takes_all
        ]
        self._likelihood = likelihood

    def __len__(self) -> int:
        return len(self.views)

    def neighbours_among(self, directions: Directions, group: Group | None = None) -> Nearest:
        """Return for each view the indices ``(v, 3)`` of the nearest of some other directions.

        With a group ``(g, 3, 3)`` its equivalents of a direction count too: they need no rim.
        """
        directions = directions.to(self.directions)
        closeness = self.directions @ directions.t()
        for turn in [] if group is None else group[1:].to(directions):
            closeness = torch.maximum(closeness, self.directions @ turn @ directions.t())
        near = closeness.topk(min(_N_NEIGHBOURS, len(directions)), dim=1).indices
        return near.to(self.views.device)

    def score_all(
        self, data: BandData, shifts_angstrom: TriedShifts, prior: PerTriedShift
    ) -> CellScores:
        """Compare images, moved by shifts ``(s, 2)``, with every view; add ``prior`` ``(s,)``."""
        device = data.power.device
        size = room_for(4 * NUMBERS_A_SCORE, device, cpu=CPU_SCORES, most=LARGEST_SCORES)
        size = max(1, size // (VIEWS_TOGETHER * self.rings.n_angles * len(shifts_angstrom)))
        if len(data) > size:
            chunks = [
                self.score_all(data[start : start + size], shifts_angstrom, prior)
                for start in range(0, len(data), size)
            ]
            return CellScores.joined(chunks)
        b = len(data)
        images, common = self._on_rings_of(data, shifts_angstrom)
        parts = []
        for views in self._all:
            even, odd, power = (
                _by_shift(of_views @ of_images, b)
                for of_views, of_images in zip(views.parts(), images.parts(), strict=True)
            )
            parts.append(self._cells(even, odd, power, common + prior[:, None]))
        return CellScores(
            *(torch.cat([part[i] for part in parts], dim=1).transpose(1, 2) for i in range(3))
        )

    def score_some(
        self, data: BandData, shifts_angstrom: AnyShifts, prior: Tensor, views: ChosenViews
    ) -> CellScores:
        """Compare image i with views ``(b, n)``, row i, in the same way.

        Shifts and ``prior`` may be each image's own, ``(s, b, 2)`` and ``(s, b)``.
        """
        b, n = views.shape
        images, common = self._on_rings_of(data, shifts_angstrom)

        def product(of_views: Tensor, of_images: Tensor) -> Tensor:
            orders, rings, _ = of_images.shape
            both = twofold_images(of_images).view(orders, rings, 2, -1, b).permute(0, 4, 1, 2, 3)
            chosen = of_views.index_select(1, views.flatten()).view(orders, b, n, rings)
            # (orders, b, n, rings) @ (orders, b, rings, 2 s)
            found = chosen @ both.flatten(3)
            return found.view(orders, b, n, 2, -1).permute(0, 3, 4, 2, 1)

        even, odd, power = (
            product(of_views, of_images)
            for of_views, of_images in zip(self._some.parts(), images.parts(), strict=True)
        )
        of_shifts = common + (prior if prior.dim() == 2 else prior[:, None])
        cells = self._cells(even, odd, power, of_shifts, shifts_first=True)
        return CellScores(*(part.transpose(1, 2) for part in cells))

    def rotations(self, views: Cells, angles: Cells) -> CellRotations:
        """Return poses ``(..., 3, 3)`` of indices of views and of angles."""
        return turn_in_plane(self.rings.angles[angles]) @ self.views[views]

    def _on_rings_of(self, data: BandData, shifts_angstrom: Tensor) -> tuple[OnRings, Tensor]:
        """Bring images onto rings, moved back by the shifts, shifts outermost.

        Second, ``(s, b)``: the score of the views' common part.
        """
        data = data.band(self.rings.n_frequencies)
        ramps = self._likelihood.ramps(shifts_angstrom, self.rings.n_frequencies)
        ramps = ramps if ramps.dim() == 3 else ramps[:, None]
        moved = (data.cross * ramps.conj()).flatten(0, 1)
        images = self.rings.of_images(moved, data.power)
        common = self._mean @ images.even[0, : self.rings.n_rings]
        return images.of_orders(self.rings.dtype), common.view(-1, len(data))

    def _cells(
        self,
        even: Tensor,
        odd: Tensor,
        power: Tensor,
        of_shifts: Tensor,
        *,
        shifts_first: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Reduce products ``(orders, 2, v, s, b)`` to the best of each quarter turn.

        ``of_shifts`` ``(s, b)`` is added.  With ``shifts_first`` products are ``(.., s, v, b)``.
        """
        of_shift = 2 if shifts_first else 3
        v, b = even.shape[5 - of_shift], even.shape[4]
        # Order zero is the same at all angles; small numbers lose less when they are rounded.
        highest = of_shifts.amax(0)
        even[0, 0] += (of_shifts - highest).unsqueeze(3 - of_shift)
        halves = self.rings.summed(even, odd)
        # Both are sums over the whole plane; the likelihood takes half of |T|^2.
        norm = self.rings.summed_powers(power).view(2, -1, v, b)
        values, angles, shifts = [], [], []
        quarter = self.rings.n_angles // N_SECTORS
        for half in halves:
            by_quarter = half.view(2, quarter, *half.shape[1:])
            best = _highest(by_quarter, of_shift).float() + highest
            value, angle = self._fitted(best, norm).max(1)
            values.append(value)
            angles.append(angle)
            place = angle[:, None].unsqueeze(of_shift).expand(-1, -1, *half.shape[1:])
            shifts.append(by_quarter.gather(1, place)[:, 0].max(of_shift - 1).indices)
        offset = torch.arange(N_SECTORS, device=even.device)[:, None, None] * quarter
        return torch.cat(values), torch.cat(angles) + offset, torch.cat(shifts)

    def _fitted(self, fit: Tensor, norm: Tensor) -> Tensor:
        """Return log-likelihoods at the most probable amplitude of each particle.

        ``fit`` is ``2 Re <X, T>`` and ``norm`` ``2 |T|^2``; amplitudes are Gaussian around 1, as in
        ``gauss_newton``: ``(<X, T> + s)^2 / (|T|^2 + s) - s`` with ``s`` half their precision.
        """
        stiffness = self._likelihood.amplitude_stiffness
        pulled = fit.mul_(0.5).add_(stiffness).clamp_min_(0.0)
        return pulled.square_().div_((0.5 * norm).add_(stiffness)).sub_(stiffness)


def _highest(scores: Tensor, dim: int) -> Tensor:
    """Return the highest of a dimension; a reduction of bfloat16 takes a CPU five times as long."""
    if scores.device.type != "cpu":
        return scores.amax(dim)
    first, *others = scores.unbind(dim)
    highest = first.clone()
    for other in others:
        torch.maximum(highest, other, out=highest)
    return highest


def _by_shift(products: Tensor, b: int) -> Tensor:
    """Lay ``(orders, 2 v, s b)`` out as ``(orders, 2, v, s, b)``."""
    return products.view(len(products), 2, products.shape[1] // 2, -1, b)

"""The project's own network: one perceptron that looks at an image from every in-plane angle.

A copy of the image is turned by each of P angles; the same perceptron looks at every copy and
scores V viewing directions.  The V times P scores, taken together, are a distribution over all
rotations.  Turning is exact and costs little, since it happens in angular harmonics: the first
layer works on these, before the copies are made.  In-plane rotation is thus known to the network
and only the viewing direction is left to learn.  While it trains, a few angles with a common
random offset stand for all: the scores are the logarithm of a density, and any subset of cells
tells of it; told the true pose, it looks at the two next to it and at a few of the others, which
count for all of these.

With ``finds_centre`` an image is first moved back by where the mean of the map's views fits best
(``centring``), and each viewing direction has a shift of its own: where the object lies if it is
seen from there.

Instead of scores, the perceptron can regress a rotation for each copy in one of the usual
representations, which are turned back and averaged with learned weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.rotations import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_vector_to_matrix,
    six_d_to_matrix,
    turn_in_plane,
)
from napari_cryoorient.networks.centring import Centring, moved_back
from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.networks.harmonics import AngularHarmonics
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.pose_grid import PoseGrid

REPRESENTATIONS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "quaternion": (4, quaternion_to_matrix),
    "axis-angle": (3, lambda v: rotation_vector_to_matrix(math.pi * torch.tanh(v))),
    "6d": (6, six_d_to_matrix),
}


# The most probable cells, whose shifts a network that finds centres tells.
N_CELLS = 128


class _Block(nn.Module):
    """Residual layer ``x + B gelu(A norm(x))``; starts as the identity."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.narrow(nn.functional.gelu(self.widen(self.norm(x))))
        return y


class _TurnedCopies(nn.Module):
    """First layer: complex weights on each harmonic, then one real output an angle.

    ``out[p, c] = Re sum_kq w[k, q, c] a[k, q] exp(i k angle_p)``: the response to the image turned
    by ``-angle_p``.
    """

    orders: Tensor

    def __init__(self, harmonics: AngularHarmonics, width: int) -> None:
        super().__init__()
        n_orders, n_rings = harmonics.n_orders, harmonics.n_rings
        spread = 1 / math.sqrt(sum(harmonics.counts))
        self.weights = nn.Parameter(torch.randn(n_orders, 2, n_rings, width) * spread)
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("orders", torch.arange(n_orders).float(), persistent=False)

    def forward(self, harmonics: Tensor, angles: Tensor) -> Tensor:
        """Return ``(b, p, width)`` from ``(orders, 2 rings, b)`` and angles ``(b or 1, p)``."""
        real, imaginary = self.weights.unbind(1)
        inputs = harmonics.transpose(1, 2)
        in_phase = inputs @ torch.cat([real, -imaginary], dim=1)  # (orders, b, width)
        quadrature = inputs @ torch.cat([imaginary, real], dim=1)
        both = torch.cat([in_phase, quadrature]).transpose(0, 1)  # (b, 2 orders, width)
        phases = angles[..., None] * self.orders
        turns = torch.cat([phases.cos(), -phases.sin()], dim=2).expand(len(both), -1, -1)
        return turns @ both + self.bias


@dataclass(frozen=True)
class Told:
    """What a network is told of the truth while it learns, for ``b`` images.

    ``views`` (b,) and ``angles`` (b, p) are those to look at: the direction nearest to the true
    one, and angles of which the first is the nearest to the true one.  ``log_counts`` (b, p) says
    how many angles each stands for.  ``centres_angstrom`` (b, 2) are what images are moved back
    by, NaN where the network is to find it.
    """

    views: Tensor
    angles: Tensor
    log_counts: Tensor
    centres_angstrom: Tensor

    def __getitem__(self, index: slice | Tensor) -> Told:
        return Told(
            self.views[index],
            self.angles[index],
            self.log_counts[index],
            self.centres_angstrom[index],
        )


@dataclass(frozen=True)
class _Looked:
    """What a network makes of images: ``copies`` (b, p, width), their ``scores`` (b, p, outputs).

    ``angles`` (b or 1, p); ``centres`` (b, 2) in pixels are what images were moved back by.
    """

    copies: Tensor
    scores: Tensor
    angles: Tensor
    centres: Tensor | None


class CompactNetwork(nn.Module):
    """From raw images and their CTF to rotation, shift and confidence.

    Args:
        box: working box in pixels, even; frequencies up to its Nyquist are used.  Images may be
            larger, over the same field of view.
        field_of_view_angstrom: edge of the box.
        symmetry: point group by name.
        representation: ``distribution``, or one of ``REPRESENTATIONS``.
        spacing_deg: between the grid's viewing directions.
        width, hidden, depth: of the perceptron.
        max_order: highest angular harmonic.
        n_angles, n_training_angles: in-plane angles, and how many of them a training step takes.
        finds_centre: images are moved back before they are looked at (distributions only).

    """

    def __init__(
        self,
        *,
        box: int = 34,
        field_of_view_angstrom: float,
        symmetry: str = "C1",
        representation: str = "distribution",
        spacing_deg: float = 10.0,
        concentration: float = 60.0,
        width: int = 256,
        hidden: int = 512,
        depth: int = 3,
        max_order: int = 20,
        n_angles: int = 48,
        n_training_angles: int = 16,
        finds_centre: bool = False,
    ) -> None:
        super().__init__()
        self.description: dict[str, Any] = {
            "kind": "compact",
            "box": box,
            "field_of_view_angstrom": field_of_view_angstrom,
            "symmetry": symmetry,
            "representation": representation,
            "spacing_deg": spacing_deg,
            "concentration": concentration,
            "width": width,
            "hidden": hidden,
            "depth": depth,
            "max_order": max_order,
            "n_angles": n_angles,
            "n_training_angles": n_training_angles,
            "finds_centre": finds_centre,
        }
        self.representation = representation
        self.pixel_size_angstrom = field_of_view_angstrom / box
        self.n_angles, self.n_training_angles = n_angles, n_training_angles
        self.finds_centre = finds_centre and representation == "distribution"
        self.filter = SpectralFilter(box)
        self.centring = Centring(box) if self.finds_centre else None
        self.harmonics = AngularHarmonics(self.filter.frequencies, max_order, box / 2)
        self.copies = _TurnedCopies(self.harmonics, width)
        self.blocks = nn.ModuleList([_Block(width, hidden) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.grid = PoseGrid(spacing_deg, symmetry, concentration)
        if representation == "distribution":
            n_outputs = self.grid.n_directions
        else:
            n_outputs = REPRESENTATIONS[representation][0] + 1
        self.head = nn.Linear(width, n_outputs)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.shift_head = nn.Linear(width, 2 * n_outputs if self.finds_centre else 2)
        nn.init.zeros_(self.shift_head.weight)
        nn.init.zeros_(self.shift_head.bias)

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> CompactNetwork:
        """Make the network again, with fresh weights."""
        return cls(**{key: value for key, value in description.items() if key != "kind"})

    def angles(self) -> Tensor:
        """Return the in-plane angles ``(p,)`` in radians, at a random offset while training."""
        n = self.n_training_angles if self.training else self.n_angles
        angles = torch.arange(n, device=self.copies.bias.device) * (2 * math.pi / n)
        if self.training:
            angles = angles + torch.rand(1).item() * 2 * math.pi
        return angles

    def forward(
        self,
        images: Tensor,
        ctf_half_plane: Tensor | None,
        told: Told | None = None,
        centres_angstrom: Tensor | None = None,
    ) -> PosePrediction:
        """Propose poses for ``images`` (b, N, N), CTF (b, N, N // 2 + 1) or None.

        ``extra`` holds ``angles`` (b or 1, p) and, for a distribution, ``logits`` (b, v, p), else
        ``quaternion`` (b, 4).  A network that finds centres gives its best ``cells`` (b, t), as
        flat indices of views and angles, best first, and their ``cell_shifts`` (b, t, 2) in
        angstrom; where it is ``told`` the truth, the true one alone.  ``centres_angstrom`` (b, 2)
        are where to look instead.
        """
        looked = self._looked(images, ctf_half_plane, told, centres_angstrom)
        x, scores, angles = looked.copies, looked.scores, looked.angles
        if self.representation == "distribution":
            logits = scores.transpose(1, 2)
            if told is not None:
                logits = logits + told.log_counts[:, None]
            rotations, confidence = self.grid.mean_pose(logits, angles)
            share = logits.detach().logsumexp(dim=1).softmax(dim=1)
            extra = {"logits": logits, "angles": angles}
        else:
            share = scores[..., 0].softmax(dim=1)
            own = REPRESENTATIONS[self.representation][1](scores[..., 1:])
            turned = turn_in_plane(angles) @ own  # (b, p, 3, 3)
            mean = (share[..., None, None] * turned).sum(dim=1)
            rotations = six_d_to_matrix(mean.transpose(1, 2)[:, :2].flatten(1))
            confidence = mean.detach().flatten(1).norm(dim=1) / math.sqrt(3)
            extra = {"quaternion": matrix_to_quaternion(rotations)}
        if self.centring is not None:
            if told is None:
                cells = _best_of(logits.detach())
            else:
                cells = told.views[:, None] * angles.shape[1]
            extra["cells"], extra["cell_shifts"] = cells, self._angstrom_of_cells(looked, cells)
            shifts = extra["cell_shifts"][:, 0]
        else:
            shifts = self._shifts(self.shift_head(x).float(), share.detach(), angles)
        return PosePrediction(rotations, shifts, confidence.detach(), extra)

    def best_cells(
        self, images: Tensor, ctf_half_plane: Tensor | None, centres_angstrom: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``logits``, ``cells`` and ``cell_shifts`` as ``forward`` does, and make no pose.

        For networks that find centres.
        """
        looked = self._looked(images, ctf_half_plane, None, centres_angstrom)
        logits = looked.scores.transpose(1, 2)
        cells = _best_of(logits)
        return logits, cells, self._angstrom_of_cells(looked, cells)

    def _looked(
        self,
        images: Tensor,
        ctf_half_plane: Tensor | None,
        told: Told | None,
        centres_angstrom: Tensor | None,
    ) -> _Looked:
        """Look at images, moved back to their centres, from every angle."""
        angles = self.angles()[None] if told is None else told.angles
        with torch.autocast(images.device.type, enabled=False):
            coefficients, transfer = self.filter.taken(images, ctf_half_plane)
            centres = centres_angstrom if told is None else told.centres_angstrom
            if self.centring is not None:
                centres = self._centres(coefficients, transfer, centres)
                coefficients = moved_back(coefficients, self.filter, centres)
            weighed = self.filter.weighed(coefficients, transfer)
            x = self.copies(self.harmonics(weighed), angles)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return _Looked(x, self.head(x).float(), angles, centres)

    def _angstrom_of_cells(self, looked: _Looked, cells: Tensor) -> Tensor:
        """Return where objects lie if they are seen in cells ``(b, t)``: ``(b, t, 2)``."""
        assert looked.centres is not None
        seen = self._shifts_of_cells(looked.copies, cells, looked.angles)
        return (seen + looked.centres[:, None]) * self.pixel_size_angstrom

    def _centres(self, coefficients: Tensor, transfer: Tensor, known: Tensor | None) -> Tensor:
        """Return what images are moved back by, in pixels; ``known`` (b, 2) are in angstrom."""
        assert self.centring is not None
        known = None if known is None else known / self.pixel_size_angstrom
        if known is not None and not bool(known.isnan().any()):
            return known
        found: Tensor = self.centring(coefficients, transfer, self.filter)
        return found if known is None else torch.where(known.isnan(), found, known)

    def _shifts_of_cells(self, x: Tensor, cells: Tensor, angles: Tensor) -> Tensor:
        """Return the shift in pixels ``(b, t, 2)`` of cells ``(b, t)`` of copies ``(b, p, w)``."""
        view, place = cells // angles.shape[1], cells % angles.shape[1]
        if cells.shape[1] < angles.shape[1]:
            copies = x.float().gather(1, place[..., None].expand(-1, -1, x.shape[2]))
            weight = self.shift_head.weight.view(-1, 2, x.shape[2])[view]
            turned = (weight @ copies[..., None])[..., 0] + self.shift_head.bias.view(-1, 2)[view]
        else:
            of_all = self.shift_head(x).flatten(1).unflatten(1, (-1, 2))
            index = place * self.grid.n_directions + view
            turned = of_all.gather(1, index[..., None].expand(-1, -1, 2)).float()
        angle = angles.expand(len(x), -1).gather(1, place)
        back = turn_in_plane(angle)[..., :2, :2] @ turned[..., None]
        return back[..., 0]

    def _shifts(self, turned_pixels: Tensor, share: Tensor, angles: Tensor) -> Tensor:
        """Turn the shift each copy sees back, and average: ``(b, 2)`` in angstrom."""
        back = turn_in_plane(angles.expand(len(share), -1))[..., :2, :2]
        shifts = torch.einsum("bp,bpij,bpj->bi", share, back, turned_pixels)
        return shifts * self.pixel_size_angstrom


def _best_of(logits: Tensor) -> Tensor:
    """Return flat indices ``(b, t)`` of the most probable cells of ``(b, v, p)``, best first."""
    flat = logits.flatten(1)
    return flat.topk(min(N_CELLS, flat.shape[1]), dim=1).indices

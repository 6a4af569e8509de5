"""The project's own network: one perceptron that looks at an image from every in-plane angle.

A copy of the image is turned by each of P angles; the same perceptron looks at every copy and
scores V viewing directions.  The V times P scores, taken together, are a distribution over all
rotations.  Turning is exact and costs little, since it happens in angular harmonics: the first
layer works on these, before the copies are made.  In-plane rotation is thus known to the network
and only the viewing direction is left to learn.  While it trains, a few angles with a common
random offset stand for all: the scores are the logarithm of a density, and any subset of cells
tells of it.

Instead of scores, the perceptron can regress a rotation for each copy in one of the usual
representations, which are turned back and averaged with learned weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
from napari_cryoorient.networks.filtering import SpectralFilter
from napari_cryoorient.networks.harmonics import AngularHarmonics
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.pose_grid import PoseGrid

REPRESENTATIONS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "quaternion": (4, quaternion_to_matrix),
    "axis-angle": (3, lambda v: rotation_vector_to_matrix(math.pi * torch.tanh(v))),
    "6d": (6, six_d_to_matrix),
}


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
        """Return ``(p, b, width)`` from ``(orders, 2 rings, b)``."""
        real, imaginary = self.weights.unbind(1)
        inputs = harmonics.transpose(1, 2)
        in_phase = inputs @ torch.cat([real, -imaginary], dim=1)  # (orders, b, width)
        quadrature = inputs @ torch.cat([imaginary, real], dim=1)
        phases = angles[:, None] * self.orders
        copies = phases.cos() @ in_phase.flatten(1) - phases.sin() @ quadrature.flatten(1)
        return copies.view(len(angles), *in_phase.shape[1:]) + self.bias


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
        }
        self.representation = representation
        self.pixel_size_angstrom = field_of_view_angstrom / box
        self.n_angles, self.n_training_angles = n_angles, n_training_angles
        self.filter = SpectralFilter(box)
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
        self.shift_head = nn.Linear(width, 2)
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

    def forward(self, images: Tensor, ctf_half_plane: Tensor | None) -> PosePrediction:
        """Propose poses for ``images`` (b, N, N), CTF (b, N, N // 2 + 1) or None.

        ``extra`` holds ``angles`` (1, p) and, for a distribution, ``logits`` (b, v, p), else
        ``quaternion`` (b, 4).
        """
        angles = self.angles()
        with torch.autocast(images.device.type, enabled=False):
            coefficients = self.filter(images, ctf_half_plane)
            x = self.copies(self.harmonics(coefficients), angles)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        scores = self.head(x).float()  # (p, b, outputs)
        if self.representation == "distribution":
            logits = scores.permute(1, 2, 0)
            rotations, confidence = self.grid.mean_pose(logits, angles)
            share = logits.detach().logsumexp(dim=1).softmax(dim=1)
            extra = {"logits": logits, "angles": angles[None]}
        else:
            share = scores[..., 0].t().softmax(dim=1)
            own = REPRESENTATIONS[self.representation][1](scores[..., 1:])
            turned = turn_in_plane(angles)[:, None] @ own  # (p, b, 3, 3)
            mean = (share.t()[..., None, None] * turned).sum(dim=0)
            rotations = six_d_to_matrix(mean.transpose(1, 2)[:, :2].flatten(1))
            confidence = mean.detach().flatten(1).norm(dim=1) / math.sqrt(3)
            extra = {"quaternion": matrix_to_quaternion(rotations)}
        shifts = self._shifts(self.shift_head(x).float(), share.detach(), angles)
        return PosePrediction(rotations, shifts, confidence.detach(), extra)

    def _shifts(self, turned_pixels: Tensor, share: Tensor, angles: Tensor) -> Tensor:
        """Turn the shift each copy sees back, and average: ``(b, 2)`` in angstrom."""
        back = turn_in_plane(angles)[:, :2, :2]
        shifts = torch.einsum("bp,pij,pbj->bi", share, back, turned_pixels)
        return shifts * self.pixel_size_angstrom

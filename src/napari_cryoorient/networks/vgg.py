"""The paper's network (Lian 2022, figure 2): VGG16 blocks 1-3, two convolutions, a regressor.

At a 128-pixel box: 256 maps of 16x16, then 2048 maps of 4x4, max-pooled to 2x2, then fully
connected layers.  Other boxes scale those sides; the first fully connected layer follows.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.rotations import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_vector_to_matrix,
    six_d_to_matrix,
)
from napari_cryoorient.networks.output import PosePrediction

PaperRepresentation = Literal["quaternion", "axis-angle", "6d"]
N_OUTPUTS: dict[PaperRepresentation, int] = {"quaternion": 4, "axis-angle": 3, "6d": 6}

# VGG16 blocks 1-3 (configuration D of Simonyan & Zisserman 2014): channels, "pool" halves the side.
VGG16_BLOCKS: tuple[int | Literal["pool"], ...] = (
    *(64, 64, "pool"),
    *(128, 128, "pool"),
    *(256, 256, 256, "pool"),
)


def vgg16_blocks() -> nn.Sequential:
    """Build blocks 1-3 with their pools; parameter names match ``features.*`` of torchvision."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in VGG16_BLOCKS:
        if entry == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
        channels = entry
    return nn.Sequential(*layers)


def min_max_scaled(images: Tensor) -> Tensor:
    """Scale each image (b, N, N) to [-1, 1] by its own extremes; a constant image becomes 0.

    A pixel that is not a number makes its whole image so.
    """
    low = images.amin((-2, -1), keepdim=True)
    high = images.amax((-2, -1), keepdim=True)
    span = high - low
    scaled = 2.0 * (images - low) / span.clamp_min(torch.finfo(images.dtype).tiny) - 1.0
    return torch.where(span == 0.0, torch.zeros_like(scaled), scaled)


class FewPlacesConvolution(nn.Conv2d):
    """A convolution with many weights and few places; on a CPU, one matrix product.

    A CPU's convolutions are made for maps of many places: with 9 million weights and 2x2 places
    they take four times as long as the product of the same numbers.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return what ``Conv2d`` does, for ``maps`` (b, c, h, w)."""
        if maps.device.type != "cpu":
            return super().forward(maps)
        assert not isinstance(self.padding, str)
        (rows, columns), (down, right) = self.kernel_size, self.stride
        padded = nn.functional.pad(maps, (*2 * (self.padding[1],), *2 * (self.padding[0],)))
        # (b, c, y, x, rows, columns) to (b, y, x, rows, columns, c): the order of weights that are
        # channels-last, which then need no copy.
        patches = padded.unfold(2, rows, down).unfold(3, columns, right).permute(0, 2, 3, 4, 5, 1)
        weights = self.weight.permute(0, 2, 3, 1).flatten(1)
        return nn.functional.linear(patches.flatten(3), weights, self.bias).permute(0, 3, 1, 2)


class PaperNetwork(nn.Module):
    """Images to rotations; the CTF is not looked at and no shift is proposed, as in the paper."""

    def __init__(self, box: int = 128, representation: PaperRepresentation = "quaternion") -> None:
        super().__init__()
        self.description: dict[str, Any] = {
            "kind": "paper",
            "box": box,
            "representation": representation,
        }
        self.representation = representation
        self.features = vgg16_blocks()
        side = box // 8
        for _ in range(2):  # two convolutions of stride 2
            side = (side + 1) // 2
        pool: nn.Module = nn.Identity()
        if side >= 2:
            pool, side = nn.MaxPool2d(2), side // 2
        self.neck = nn.Sequential(
            nn.Conv2d(256, 512, 3, stride=2, padding=1),
            nn.ReLU(),
            FewPlacesConvolution(512, 2048, 3, stride=2, padding=1),
            nn.ReLU(),
            pool,
        )
        self.regressor = nn.Sequential(
            nn.Linear(2048 * side * side, 1024),
            nn.ReLU(),
            nn.Linear(1024, 256),
            nn.ReLU(),
            nn.Linear(256, N_OUTPUTS[representation]),
        )
        self._initialise()

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> PaperNetwork:
        """Make the network that ``description`` tells of, with fresh weights."""
        return cls(int(description["box"]), description["representation"])

    def _initialise(self) -> None:
        """He initialisation; ImageNet weights go over the first three blocks afterwards."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        last = self.regressor[-1]
        assert isinstance(last, nn.Linear)
        # No ReLU follows, and small numbers keep the axis-angle's tanh from saturating.
        nn.init.xavier_normal_(last.weight, gain=0.3)

    def forward(self, images: Tensor, ctf_half_plane: Tensor | None = None) -> PosePrediction:
        """Propose rotations for ``images`` (b, N, N), raw, at the box of ``description``."""
        channels = min_max_scaled(images)[:, None].expand(-1, 3, -1, -1)
        maps = self.neck(self.features(channels))
        with torch.autocast(images.device.type, enabled=False):
            numbers = self.regressor(maps.to(images.dtype).flatten(1))
            return self._pose(numbers)

    def _pose(self, numbers: Tensor) -> PosePrediction:
        if self.representation == "quaternion":
            # The tiny constant keeps the gradient finite should a network give four zeros.
            norm = (numbers.square().sum(-1, keepdim=True) + 1e-12).sqrt()
            quaternion = numbers / norm
            return PosePrediction(
                quaternion_to_matrix(quaternion), extra={"quaternion": quaternion}
            )
        if self.representation == "axis-angle":
            rotations = rotation_vector_to_matrix(math.pi * torch.tanh(numbers))
        else:
            rotations = six_d_to_matrix(numbers)
        return PosePrediction(rotations, extra={"quaternion": matrix_to_quaternion(rotations)})

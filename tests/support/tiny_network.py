"""A stand-in of a few hundred weights for the paper's network, so that steps take milliseconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_cryoorient.geometry.rotations import quaternion_to_matrix
from napari_cryoorient.networks.output import PosePrediction
from napari_cryoorient.networks.vgg import min_max_scaled, vgg16_blocks


class TinyNetwork(nn.Module):
    def __init__(self, box: int, representation: str) -> None:
        super().__init__()
        self.description: dict[str, Any] = {
            "kind": "tiny",
            "box": box,
            "representation": representation,
        }
        n_outputs = 4 if representation == "quaternion" else 6
        self.features = vgg16_blocks()[:0]
        self.regressor = nn.Sequential(
            nn.Linear(box * box, 8), nn.Dropout(0.1), nn.Linear(8, n_outputs)
        )

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> TinyNetwork:
        return cls(description["box"], description["representation"])

    def forward(self, images: Tensor, ctf: Tensor | None) -> PosePrediction:
        numbers = self.regressor(min_max_scaled(images).flatten(1))[:, :4]
        quaternion = torch.nn.functional.normalize(numbers, dim=-1)
        return PosePrediction(quaternion_to_matrix(quaternion), extra={"quaternion": quaternion})

"""ImageNet weights for the paper's VGG16 blocks: from the release file, a local file, or none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.fetch import DownloadFailed, WrongFile, cache_folder, fetched

# torchvision's release file.
VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"


def load_imagenet_weights(
    features: nn.Sequential,
    weights: str = "auto",
    *,
    url: str = VGG16_URL,
    sha256: str = VGG16_SHA256,
    cache: Path | None = None,
) -> str:
    """Fill VGG16 blocks ``features`` in place and return a sentence that says with what.

    ``weights`` is "auto" (cached or fetched from ``url``; where that fails the sentence says so and
    the layers keep their He initialisation), "none", or a file, which must fit (else InputError).
    """
    if weights == "none":
        return "VGG16 blocks start from He initialisation, as requested: ImageNet weights not used."
    if weights != "auto":
        features.load_state_dict(_blocks_of(_read(Path(weights)), features, Path(weights)))
        return f"VGG16 blocks start from the weights in {weights}."
    cached = (cache or cache_folder()) / f"vgg16-{sha256[:8]}-blocks-1-3.pth"
    if cached.is_file():
        try:
            features.load_state_dict(_blocks_of(_read(cached), features, cached))
            return f"VGG16 blocks start from ImageNet weights ({cached})."
        except InputError:
            cached.unlink()
    try:
        blocks = _fetch(url, sha256, cached, features)
    except (DownloadFailed, WrongFile, OSError, InputError) as error:
        return (
            f"WARNING: ImageNet weights could not be downloaded from {url} ({error}): the VGG16 "
            "blocks start from He initialisation, unlike the paper, and will learn more slowly; "
            "fetch the file elsewhere and name it with --weights to fix this."
        )
    features.load_state_dict(blocks)
    return f"VGG16 blocks start from ImageNet weights ({url})."


def _fetch(url: str, sha256: str, cached: Path, features: nn.Sequential) -> dict[str, Tensor]:
    """Fetch the release file, check it, and keep only the blocks (7 of 553 MB) in the cache."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as folder:
        whole = fetched(url, Path(folder) / "whole.pth", sha256=sha256)
        blocks = _blocks_of(_read(whole), features, whole)
        small = Path(folder) / "blocks.pth"
        torch.save({f"features.{key}": value.clone() for key, value in blocks.items()}, small)
        os.replace(small, cached)
    return blocks


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"No weights file at {path}: name a VGG16 state dict, 'auto' or 'none'.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is not its own file
        raise InputError(f"{path} is not a PyTorch weights file that loads safely.") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no state dict of a VGG16 network.")
    return content


def _blocks_of(content: dict[str, Any], features: nn.Sequential, path: Path) -> dict[str, Tensor]:
    """Pick the parameters of ``features`` out of a whole VGG16 state dict."""
    blocks: dict[str, Tensor] = {}
    for key, wanted in features.state_dict().items():
        found = content.get(f"features.{key}")
        if not isinstance(found, Tensor) or found.shape != wanted.shape:
            raise InputError(
                f"{path} is not a VGG16 state dict: features.{key} "
                f"of shape {tuple(wanted.shape)} is missing."
            )
        blocks[key] = found.clone()
    return blocks

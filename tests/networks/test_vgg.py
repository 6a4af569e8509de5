from __future__ import annotations

import math

import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.build import build_network
from napari_cryoorient.networks.vgg import (
    FewPlacesConvolution,
    PaperNetwork,
    min_max_scaled,
    vgg16_blocks,
)


def test_blocks_are_those_of_vgg16():
    shapes = {k: tuple(v.shape) for k, v in vgg16_blocks().state_dict().items() if "weight" in k}
    assert shapes == {
        "0.weight": (64, 3, 3, 3),
        "2.weight": (64, 64, 3, 3),
        "5.weight": (128, 64, 3, 3),
        "7.weight": (128, 128, 3, 3),
        "10.weight": (256, 128, 3, 3),
        "12.weight": (256, 256, 3, 3),
        "14.weight": (256, 256, 3, 3),
    }


def test_feature_maps_have_the_sizes_of_figure_2():
    network = PaperNetwork(128)
    with torch.no_grad():
        maps = network.features(torch.zeros(1, 3, 128, 128))
        assert maps.shape == (1, 256, 16, 16)
        assert network.neck[:4](maps).shape == (1, 2048, 4, 4)
        assert network.neck(maps).shape == (1, 2048, 2, 2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(4, 4), (5, 8), (1, 3)])
def test_the_product_for_few_places_is_the_convolution(size, layout):
    torch.manual_seed(0)
    layer = FewPlacesConvolution(6, 8, 3, stride=2, padding=1).to(memory_format=layout)
    gradients = []
    for forward in (layer, lambda maps: torch.nn.Conv2d.forward(layer, maps)):
        maps = torch.linspace(-1, 1, 2 * 6 * size[0] * size[1]).reshape(2, 6, *size)
        maps.requires_grad_()
        layer.zero_grad()
        out = forward(maps)
        out.square().sum().backward()
        gradients.append((out, maps.grad, layer.weight.grad, layer.bias.grad))
    for product, convolution in zip(*gradients, strict=True):
        torch.testing.assert_close(product, convolution)


@pytest.mark.parametrize("representation", ["quaternion", "axis-angle", "6d"])
@pytest.mark.parametrize("box", [32, 100])
def test_every_representation_gives_rotations_and_gradients(representation, box):
    torch.manual_seed(0)
    network = PaperNetwork(box, representation)
    prediction = network(torch.randn(2, box, box))
    identity = prediction.rotations @ prediction.rotations.mT
    torch.testing.assert_close(identity, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)
    assert torch.all(torch.linalg.det(prediction.rotations) > 0.99)
    torch.testing.assert_close(prediction.extra["quaternion"].norm(dim=-1), torch.ones(2))
    (prediction.rotations.sum() + prediction.extra["quaternion"].sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_axis_angle_components_stay_within_pi():
    network = PaperNetwork(32, "axis-angle")
    numbers = torch.tensor([[100.0, 0.0, 0.0], [0.0, -100.0, 0.0]])
    rotations = network._pose(numbers).rotations
    half_turns = torch.diag_embed(torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0]]))
    torch.testing.assert_close(rotations, half_turns, atol=1e-5, rtol=0)


def test_four_zeros_still_have_a_finite_gradient():
    numbers = torch.zeros(1, 4, requires_grad=True)
    PaperNetwork(32)._pose(numbers).rotations.sum().backward()
    assert numbers.grad.isfinite().all()


def test_min_max_scaling_is_per_image_and_keeps_what_is_not_a_number():
    images = torch.stack([torch.rand(8, 8) * 1e-3, torch.rand(8, 8) * 1e6 - 5, torch.ones(8, 8)])
    scaled = min_max_scaled(images)
    torch.testing.assert_close(scaled.amin((-2, -1)), torch.tensor([-1.0, -1.0, 0.0]))
    torch.testing.assert_close(scaled.amax((-2, -1)), torch.tensor([1.0, 1.0, 0.0]))
    images[0, 0, 0] = math.nan
    assert min_max_scaled(images)[0].isnan().all()


def test_description_rebuilds_the_network():
    network = PaperNetwork(32, "6d")
    again = build_network(network.description)
    again.load_state_dict(network.state_dict())
    images = torch.randn(2, 32, 32)
    torch.testing.assert_close(again(images, None).rotations, network(images, None).rotations)


def test_unknown_kind_is_one_sentence():
    with pytest.raises(InputError, match="'transformer'"):
        build_network({"kind": "transformer"})

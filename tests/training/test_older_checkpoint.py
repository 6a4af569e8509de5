from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.geometry.grids import is_in_asymmetric_unit, view_directions
from napari_cryoorient.geometry.symmetry import symmetry_matrices
from napari_cryoorient.networks.build import build_network
from napari_cryoorient.networks.compact import CompactNetwork
from napari_cryoorient.training.checkpoint import network_of_checkpoint, read_checkpoint

SPACING_DEG = 18.0


def first_format(symmetry: str) -> dict[str, object]:
    """A checkpoint as 0.1.0 wrote it: one output a view of the unit and its rim."""
    torch.manual_seed(0)
    network = CompactNetwork(
        box=16, field_of_view_angstrom=100.0, symmetry=symmetry, spacing_deg=SPACING_DEG,
        width=16, hidden=16, depth=1, max_order=4,
    )  # fmt: skip
    n_views = len(view_directions(SPACING_DEG, symmetry_matrices(symmetry)))
    network.head = torch.nn.Linear(16, n_views)
    optimizer = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return {
        "format": 1,
        "step": 1,
        "description": network.description,
        "network": network.state_dict(),
        "evaluation_network": None,
        "optimizer": optimizer.state_dict(),
        "recipe": {"average": network.state_dict()},
    }


def written(state: dict[str, object], tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    torch.save(state, path)
    return path


def test_an_earlier_checkpoint_of_a_symmetric_map_predicts_without_its_rim(tmp_path: Path) -> None:
    old = first_format("D7")
    state = read_checkpoint(written(old, tmp_path))
    network = network_of_checkpoint(state, torch.device("cpu"))
    assert isinstance(network, CompactNetwork)
    group = symmetry_matrices("D7")
    views = view_directions(SPACING_DEG, group)
    kept = is_in_asymmetric_unit(views, group)
    assert len(views) > network.grid.n_directions == int(kept.sum())
    torch.testing.assert_close(network.grid.references[:, 2], views[kept].float())
    seen: list[torch.Tensor] = []
    network.head.register_forward_hook(lambda _, inputs, outputs: seen.extend([*inputs, outputs]))
    with torch.no_grad():
        network(torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1)), None)
        as_before = torch.nn.functional.linear(
            seen[0], old["network"]["head.weight"], old["network"]["head.bias"]
        )
    torch.testing.assert_close(seen[1], as_before[..., kept])


def test_an_earlier_checkpoint_goes_on_with_its_optimiser_and_average(tmp_path: Path) -> None:
    state = read_checkpoint(written(first_format("D7"), tmp_path))
    network = build_network(state["description"])
    network.load_state_dict(state["recipe"]["average"])
    optimizer = torch.optim.AdamW(network.parameters())
    optimizer.load_state_dict(state["optimizer"])
    for parameter in network.parameters():
        assert optimizer.state[parameter]["exp_avg"].shape == parameter.shape
        assert optimizer.state[parameter]["exp_avg_sq"].shape == parameter.shape
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def test_an_earlier_checkpoint_without_symmetry_is_taken_as_it_is(tmp_path: Path) -> None:
    old = first_format("C1")
    state = read_checkpoint(written(old, tmp_path))
    assert state["network"].keys() == old["network"].keys()
    for name, weights in state["network"].items():
        torch.testing.assert_close(weights, old["network"][name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [({"format": 3}, "reads formats 1 to 2"), ({"weights": torch.ones(1)}, "is not a checkpoint")],
    ids=["later", "foreign"],
)
def test_what_this_version_cannot_read_is_refused(
    tmp_path: Path, content: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_checkpoint(written(content, tmp_path))


@pytest.mark.parametrize("symmetry", ["C2", "C7", "D2", "D7", "T", "O", "I1"])
def test_the_network_has_the_views_of_one_asymmetric_unit(symmetry: str) -> None:
    """A twelfth of the sphere's views for a group of twelve, up to those on the unit's edge."""
    group = symmetry_matrices(symmetry)
    spacing_deg = 6.0
    network = CompactNetwork(
        box=16, field_of_view_angstrom=100.0, symmetry=symmetry, spacing_deg=spacing_deg,
        width=4, hidden=4, depth=1, max_order=2,
    )  # fmt: skip
    share = 4 * math.pi / math.radians(spacing_deg) ** 2 / len(group)
    assert network.head.out_features == pytest.approx(share, abs=3.0)

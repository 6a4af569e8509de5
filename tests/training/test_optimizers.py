"""The optimisers take torch's own steps, and load no compiler to do it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from napari_cryoorient.training.optimizers import Adam, AdamW

Made = Callable[..., torch.optim.Optimizer]


def stepped(make: Made, **settings: object) -> tuple[torch.Tensor, torch.optim.Optimizer]:
    """Return weights after five steps, the last two by an optimiser that took over the state."""
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 12))
    optimizer = make([weights], lr=0.05, weight_decay=0.1, **settings)
    for step in range(5):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = make([weights], lr=1.0)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        (weights - step).square().sum().backward()
        optimizer.step()
    return weights.detach(), optimizer


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("ours", "torchs"), [(Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)])
def test_steps_are_those_of_torch(ours: Made, torchs: Made, fused: bool):
    found, optimizer = stepped(ours, fused=fused)
    expected, other = stepped(torchs, fused=fused)
    assert torch.equal(found, expected)
    assert optimizer.state_dict()["param_groups"] == other.state_dict()["param_groups"]


def test_moments_that_lie_otherwise_than_their_weights_are_laid_out_anew():
    """A run that began on another device has moments laid out as there."""
    drawn = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        first = torch.nn.Parameter(drawn.clone())
        optimizer = Adam([first], lr=0.01, fused=True)
        (first**3).sum().backward()
        optimizer.step()
        weights = torch.nn.Parameter(first.detach().clone(memory_format=layout))
        resumed = Adam([weights], lr=0.01, fused=True)
        resumed.load_state_dict(optimizer.state_dict())
        (weights**3).sum().backward()
        resumed.step()
        ends.append(weights.detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-6, atol=1e-7)


def test_no_compiler_is_loaded():
    program = """
import sys, torch
from napari_cryoorient.training.optimizers import Adam, AdamW
for make in (Adam, AdamW):
    weights = torch.nn.Parameter(torch.ones(3))
    optimizer = make([weights], fused=True)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    weights.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr

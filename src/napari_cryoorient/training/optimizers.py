"""torch's Adam and AdamW, without the import of torch's compiler.

torch keeps its compiler off the methods of its optimisers, and imports it for that when the first
one is made: two seconds of processor time.  Nothing is compiled here.
"""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer


class _NeverCompiled(Optimizer):
    """The methods of an optimiser as they are beneath what keeps the compiler off them."""

    add_param_group = unwrap(Optimizer.add_param_group)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    state_dict = unwrap(Optimizer.state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)


class Adam(_NeverCompiled, torch.optim.Adam):
    """torch's Adam.

    Fused on a CPU it walks through memory, so that moments have to lie as their weights do: those
    of a run from another device may not.
    """

    _step = torch.no_grad()(unwrap(torch.optim.Adam.step))

    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        _lay_out_moments(self)
        return self._step(closure)


class AdamW(_NeverCompiled, torch.optim.AdamW):
    """torch's AdamW."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


def _lay_out_moments(optimizer: Optimizer) -> None:
    """Give moments on a CPU the strides of their weights."""
    for weight, moments in optimizer.state.items():
        if weight.device.type != "cpu":
            return
        for name, moment in moments.items():
            if moment.shape == weight.shape and moment.stride() != weight.stride():
                moments[name] = torch.empty_like(weight, dtype=moment.dtype).copy_(moment)

"""torch's Adam and AdamW, without the import of torch's compiler.

torch keeps its compiler off the methods of its optimisers, and imports it for that when the first
one is made: two seconds of processor time.  Nothing is compiled here.
"""

from __future__ import annotations

from inspect import unwrap

import torch
from torch.optim import Optimizer


class _NeverCompiled(Optimizer):
    """The methods of an optimiser as they are beneath what keeps the compiler off them."""

    add_param_group = unwrap(Optimizer.add_param_group)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    state_dict = unwrap(Optimizer.state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)


class Adam(_NeverCompiled, torch.optim.Adam):
    """torch's Adam."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(_NeverCompiled, torch.optim.AdamW):
    """torch's AdamW."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))

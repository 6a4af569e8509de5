"""Counts what would make the host wait for a GPU, without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Their results are values or shapes that the host needs at once.
_WAITING = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
    "_unique2",
}


class WaitCounter(TorchDispatchMode):
    """Counts, while it is entered, the operations that would stall CUDA, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How often the host would have waited."""
        return self.counts.total()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func._schema.name.removeprefix("aten::")
        # A boolean index asks how many are true.
        if name in ("index", "index_put", "index_put_"):
            indices = [i for i in args[1] if i is not None]
            self.counts["boolean index"] += any(i.dtype == torch.bool for i in indices)
        # With the number of outputs given, it is known beforehand.
        elif name in _WAITING and not (kwargs or {}).get("output_size"):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))

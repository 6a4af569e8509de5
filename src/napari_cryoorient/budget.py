"""How much memory the work of this process may take: what was allowed, and by whom.

It is one figure for the process, as its memory is: whoever runs a command says it (``memory``), and
whoever cuts work into chunks asks (``device``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Bytes; ``is_given`` tells a user's own word from a part of what was free."""

    n_bytes: int
    is_given: bool = False


_in_force: list[Budget] = []


def budget_in_force() -> Budget | None:
    """Return what is allowed now; None where nobody said."""
    return _in_force[-1] if _in_force else None


@contextmanager
def held_to(budget: Budget | None) -> Iterator[None]:
    """Hold the work within this block to a budget; None leaves what is in force."""
    if budget is None:
        yield
        return
    _in_force.append(budget)
    try:
        yield
    finally:
        _in_force.remove(budget)

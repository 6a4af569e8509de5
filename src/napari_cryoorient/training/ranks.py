"""The processes that train one network together, as ``torchrun`` starts them.

Each of them makes its part of every batch and the mean of their gradients moves the weights of
all.  The first one owns the run folder; what it decides, all do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_cryoorient.errors import InputError, TrainingFailure

# What torchrun tells each process; without all of them a process is alone.
_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """The process is number ``rank`` of ``size``; ``local_rank`` counts on this machine alone."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder, and listens to the user."""
        return self.rank == 0

    def of(self, n: int, before: int = 0) -> slice:
        """Return which of ``n`` things of a batch are this process's; ``before`` come first in it.

        They are distributed in turn, so that each process has its share of any first few.
        """
        return slice((self.rank - before) % self.size, n, self.size)

    def share_of(self, n: int) -> int:
        """Return how many of a batch's first ``n`` each process takes: no fewer than its share."""
        return -(-n // self.size)

    def refuse_uneven(self, batch_size: int) -> None:
        """Raise InputError for a batch that cannot be distributed evenly."""
        if batch_size % self.size:
            raise InputError(
                f"A batch of {batch_size} images cannot be shared evenly by {self.size} "
                f"processes: give --batch-size a multiple of {self.size}."
            )

    def device(self, device: torch.device) -> torch.device:
        """Return the GPU of this process; a CPU is for all."""
        if self.size == 1 or device.type != "cuda" or device.index is not None:
            return device
        n = torch.cuda.device_count()
        if self.local_rank >= n:
            raise InputError(
                f"There are {n} GPUs on this machine and more processes: "
                f"use torchrun --nproc-per-node {n}."
            )
        return torch.device("cuda", self.local_rank)

    def together(self, network: nn.Module) -> nn.Module:
        """Return what to run in place of ``network`` for gradients that are means over all."""
        if self.size == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def mean_(self, values: Tensor) -> Tensor:
        """Put the mean over all processes into ``values``, and return it."""
        if self.size > 1:
            with _others_may_end():
                torch.distributed.all_reduce(values)
            values /= self.size
        return values

    def agreed(self, first: float, *marks: bool) -> tuple[float, ...]:
        """Return the first process's number, and for each mark whether any process has set it."""
        if self.size == 1:
            return (first, *map(float, marks))
        own = first if self.is_first else -torch.inf
        told = torch.tensor([own, *map(float, marks)], dtype=torch.float64)
        with _others_may_end():
            torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        return tuple(told.tolist())


ALONE = Ranks()


def is_first_rank() -> bool:
    """Tell whether this process is the one that speaks to the user."""
    return _of_environment().is_first


def _of_environment() -> Ranks:
    if any(name not in os.environ for name in _NEEDED):
        return ALONE
    rank, size, local_rank = (int(os.environ[name]) for name in _NEEDED[:3])
    return Ranks(rank, size, local_rank)


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Meet the other processes that ``torchrun`` started, until the end of the context.

    Where this program has met them already, they stay together.
    """
    ranks = _of_environment()
    if ranks.size == 1 or torch.distributed.is_initialized():
        yield ranks
        return
    # Numbers of the host, such as w, go by gloo; gradients on a GPU by nccl.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend)
    yield ranks
    # After a failure the others may never answer again: the end of the process is enough then.
    torch.distributed.destroy_process_group()


def without_meeting(network: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which gradients stay in this process, to be added to."""
    if isinstance(network, nn.parallel.DistributedDataParallel):
        return network.no_sync()
    return nullcontext()


@contextmanager
def _others_may_end() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingFailure(
            "Another process of this run has ended; its own message says why. The checkpoint is "
            "kept, and --resume continues from it."
        ) from error

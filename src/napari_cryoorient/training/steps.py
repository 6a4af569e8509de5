"""One step of training: a batch forward and backward, in chunks where memory is short."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from napari_cryoorient.device import is_out_of_memory, release_memory
from napari_cryoorient.errors import TrainingFailure
from napari_cryoorient.networks.output import PosePrediction, concatenate_predictions
from napari_cryoorient.stack.batches import Batch
from napari_cryoorient.training.checkpoint import random_states, set_random_states
from napari_cryoorient.training.precision import autocast
from napari_cryoorient.training.ranks import without_meeting
from napari_cryoorient.training.recipe import Recipe


def _add_gradients(
    recipe: Recipe, network: nn.Module, batch: Batch, w: float, precision: str
) -> tuple[Tensor, list[PosePrediction]]:
    """Run a batch forward and backward, in chunks whose gradients add up to the batch's.

    ``network`` is the recipe's, or stands for it in several processes: they meet in the last chunk.
    Returns loss, QD, reprojection and a place for the gradient's norm ``(4,)``, and predictions.
    """
    recipe.network.train()
    recipe.optimizer.zero_grad(set_to_none=True)
    figures, predictions = torch.zeros(4, device=recipe.device), []
    for start in range(0, len(batch), recipe.chunk_size):
        chunk = batch[start : start + recipe.chunk_size]
        part = len(chunk) / len(batch)
        is_last = start + recipe.chunk_size >= len(batch)
        with nullcontext() if is_last else without_meeting(network):
            with autocast(recipe.device, precision):
                told = () if chunk.told is None else (chunk.told,)
                prediction = network(chunk.images, chunk.ctf, *told)
            terms = recipe.losses(prediction, chunk, w)
            values = torch.stack([terms.total, terms.qd, terms.reprojection]).detach().float()
            (terms.total * part).backward()  # type: ignore[no-untyped-call]
        figures[:3] += values * part
        predictions.append(prediction.detach())
    return figures, predictions


def whole_step(
    recipe: Recipe,
    network: nn.Module,
    batch: Batch,
    w: float,
    precision: str,
    *,
    check: Callable[[Tensor], None],
) -> tuple[Tensor, PosePrediction]:
    """Make a step; ``check`` is told its figures before the weights change.

    Figures are those of all processes, predictions those of this one.
    """
    figures, predictions = _add_gradients(recipe, network, batch, w, precision)
    recipe.ranks.mean_(figures)
    if recipe.max_gradient_norm is not None:
        parameters = [p for group in recipe.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.max_gradient_norm)
        figures[3] = norm.detach()
    check(figures)
    recipe.optimizer.step()
    if len(predictions) == 1:
        return figures, predictions[0]
    return figures, concatenate_predictions(predictions)


def batch_that_fits(
    recipe: Recipe, network: nn.Module, step: int, w: float, precision: str
) -> Batch:
    """Make a batch, and its gradients for nothing, and return it where memory holds everywhere.

    Where it runs out in one process of several the others would wait for ever in the real step.
    Raises MemoryError in all of them, with everything as before.
    """
    before, batch = remember(recipe), None
    try:
        batch = recipe.batch(step)
        states = random_states(recipe.device)
        with without_meeting(network):
            _add_gradients(recipe, network, batch, w, precision)
        set_random_states(states, recipe.device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        batch = None
    release_memory(recipe.device)
    _, ran_out = recipe.ranks.agreed(0.0, batch is None)
    if ran_out or batch is None:
        go_back(recipe, before)
        raise MemoryError
    return batch


def remember(recipe: Recipe) -> tuple[dict[str, Any], dict[str, Tensor], list[Tensor]]:
    """Return what making a batch and a forward pass change."""
    buffers = [buffer.clone() for buffer in recipe.network.buffers()]
    return recipe.state_dict(), random_states(recipe.device), buffers


def go_back(recipe: Recipe, before: tuple[dict[str, Any], dict[str, Tensor], list[Tensor]]) -> None:
    """Take back what ``remember`` returned."""
    recipe.load_state_dict(before[0])
    set_random_states(before[1], recipe.device)
    for buffer, value in zip(recipe.network.buffers(), before[2], strict=True):
        buffer.copy_(value)


def halve(recipe: Recipe, *, making_the_batch: bool) -> str:
    """Make the next try smaller and return what to tell.

    Raises TrainingFailure when one image at a time is already too much.
    """
    if making_the_batch and recipe.batch_size > 1:
        recipe.batch_size //= 2
        recipe.chunk_size = min(recipe.chunk_size, recipe.batch_size)
        return f"Memory ran out on {recipe.device}: the batch is halved to {recipe.batch_size}."
    recipe.chunk_size = min(recipe.chunk_size, recipe.batch_size)
    if recipe.chunk_size > 1:
        recipe.chunk_size //= 2
        return (
            f"Memory ran out on {recipe.device}: the batch of {recipe.batch_size} goes through the "
            f"network {recipe.chunk_size} images at a time, its gradients summed."
        )
    raise TrainingFailure(
        f"Memory ran out on {recipe.device} with a single image: choose a smaller --box, "
        "free the device, or use --device cpu."
    )


def raise_if_not_finite(figures_by_step: list[list[float]], first_step: int) -> None:
    """Raise TrainingFailure, naming the first step with a loss or gradient that is not finite."""
    for step, figures in enumerate(figures_by_step, first_step):
        for name, value in (("loss", figures[0]), ("gradient", figures[3])):
            if not math.isfinite(value):
                raise TrainingFailure(not_finite(name, value, step))


def not_finite(what: str, value: float, step: int) -> str:
    """Say what is no number, since when, and what helps."""
    return (
        f"The {what} became {value} at step {step + 1}: lower --learning-rate, or look for images "
        "or CTF values that are not numbers; the checkpoint from before is kept."
    )

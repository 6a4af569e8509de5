from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.stack.batches import Batch, ParticleBatches
from napari_cryoorient.training import loop
from napari_cryoorient.training.checkpoint import (
    network_of_checkpoint,
    read_checkpoint,
    restore,
    write_checkpoint,
)
from napari_cryoorient.training.held_out import HeldOutParticles
from napari_cryoorient.training.loop import Cadence, train
from napari_cryoorient.training.paper import PaperRecipe
from napari_cryoorient.training.report import Report, Request

pytestmark = pytest.mark.usefixtures("tiny_network")
EVERY_STEP = Cadence(report_s=0.0, checkpoint_s=0.0, preview_s=0.0, test_s=0.0, spare_part=1e9)
QUIET = Cadence(report_s=0.0, checkpoint_s=1e9, preview_s=1e9, test_s=1e9)


@dataclass
class User:
    """Sets ``w`` after given steps, and stops after one, or at a given poll."""

    w: dict[int, float] = field(default_factory=dict)
    stop_after: int = 10**9
    stop_at_poll: int = 10**9
    n_polls: int = 0
    step: int = 0

    def poll(self) -> Request:
        self.n_polls += 1
        stop = self.step >= self.stop_after or self.n_polls >= self.stop_at_poll
        return Request(w=self.w.get(self.step), stop=stop)

    def follow(self, reports: Iterator[Report]) -> list[Report]:
        seen = []
        for report in reports:
            seen.append(report)
            if report.metrics is not None:
                self.step = report.metrics.step
        return seen


def without_dropout(recipe: PaperRecipe) -> PaperRecipe:
    for module in recipe.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return recipe


def losses(reports: list[Report]) -> list[tuple[int, float, float, float]]:
    return [
        (r.metrics.step, r.metrics.loss, r.metrics.qd, r.metrics.reprojection)
        for r in reports
        if r.metrics is not None
    ]


def outcome(reports: list[Report]) -> str | None:
    return reports[-1].outcome


def test_resumed_run_gives_the_same_losses_to_the_last_bit(toy, paper_config, tmp_path: Path):
    straight = list(train(toy.recipe(paper_config()), w=0.7, cadence=QUIET))

    first = toy.recipe(paper_config())
    head: list[Report] = []
    for report in train(first, w=0.7, cadence=EVERY_STEP):
        head.append(report)
        if report.checkpoint is not None:
            write_checkpoint(report.checkpoint, tmp_path / "checkpoint.pt")
            if report.checkpoint["step"] == 3:
                break
    torch.manual_seed(12345)  # another process has other global generators
    state = read_checkpoint(tmp_path / "checkpoint.pt")
    second = toy.recipe(paper_config())
    restore(second, state)
    tail = list(train(second, w=0.7, cadence=QUIET, first_step=state["step"]))

    assert [row[0] for row in losses(straight)[:6]] == [1, 2, 3, 4, 5, 6]
    assert losses(head)[:3] + losses(tail)[:3] == losses(straight)[:6]


def test_w_follows_the_wish_and_is_reported_as_the_value_in_force(toy, paper_config):
    user = User(w={1: 0.25})
    recipe = toy.recipe(paper_config(steps=3))
    reports = user.follow(train(recipe, w=1.0, control=user, cadence=QUIET))
    lines = [r.metrics for r in reports if r.metrics]
    assert [line.w for line in lines[:3]] == [1.0, 0.25, 0.25]
    assert lines[0].loss == pytest.approx(lines[0].qd)
    expected = 0.25 * lines[1].qd + 0.75 * lines[1].reprojection
    assert lines[1].loss == pytest.approx(expected, rel=1e-5)


def test_stop_saves_and_says_so(toy, paper_config):
    user = User(stop_after=2)
    reports = user.follow(train(toy.recipe(paper_config()), w=0.5, control=user, cadence=QUIET))
    assert outcome(reports) == "stopped"
    saved = [r.checkpoint for r in reports if r.checkpoint is not None]
    assert saved[-1]["step"] == 2


@pytest.mark.parametrize("poll", range(2, 12))
def test_slow_step_is_abandoned_anywhere_and_resume_repeats_it(
    toy, paper_config, monkeypatch, poll: int
):
    straight = list(train(toy.recipe(paper_config()), w=0.5, cadence=QUIET))
    monkeypatch.setattr(loop, "SLOW_STEP_S", 0.0)  # every step counts as slow
    recipe = toy.recipe(paper_config())
    recipe.chunk_size = 4
    user = User(stop_at_poll=poll)
    head = user.follow(train(recipe, w=0.5, control=user, cadence=QUIET))
    assert outcome(head) == "stopped"
    saved = [r.checkpoint["step"] for r in head if r.checkpoint is not None]
    assert user.n_polls <= poll + 3
    tail = list(train(recipe, w=0.5, cadence=QUIET, first_step=saved[-1]))
    told = {row[0]: row for row in [*losses(head), *losses(tail)[: 6 - saved[-1]]]}
    assert list(told.values()) == losses(straight)[:6]
    assert not any(m._forward_hooks for m in recipe.network.modules())


def test_chunked_step_takes_the_gradient_of_the_whole_batch(toy, paper_config):
    whole = without_dropout(toy.recipe(paper_config(steps=1)))
    parts = without_dropout(toy.recipe(paper_config(steps=1)))
    parts.chunk_size = 3  # 4 = 3 + 1: unequal parts have to be weighed
    a = losses(list(train(whole, w=0.5, cadence=QUIET)))[0]
    b = losses(list(train(parts, w=0.5, cadence=QUIET)))[0]
    assert a == pytest.approx(b, rel=1e-5)
    one = torch.cat([p.flatten() for p in whole.network.parameters()])
    other = torch.cat([p.flatten() for p in parts.network.parameters()])
    # Adam's first step is +-lr: a differing sign would show as 1e-4, rounding may flip a few.
    assert ((one - other).abs() > 2e-5).float().mean() < 0.01


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("not enough memory")],
    ids=["cuda", "cpu"],
)
def test_out_of_memory_halves_what_goes_through_the_network(toy, paper_config, error):
    recipe = toy.recipe(paper_config(steps=2))
    plain = recipe.network

    class Hungry(torch.nn.Module):
        description = plain.description

        def __init__(self) -> None:
            super().__init__()
            self.inner = plain

        def forward(self, images, ctf):
            if len(images) > 2:
                raise error
            return self.inner(images, ctf)

    recipe.network = Hungry()
    reports = list(train(recipe, w=0.5, cadence=QUIET))
    notes = [r.note for r in reports if r.note]
    assert len(notes) == 1
    assert "2 images at a time" in notes[0]
    assert recipe.batch_size == 4
    assert outcome(reports) == "finished"
    assert [row[0] for row in losses(reports)[:2]] == [1, 2]


def test_out_of_memory_with_one_image_is_a_failure_with_a_reason(toy, paper_config):
    recipe = toy.recipe(paper_config())

    def full(step: int) -> Batch:
        raise torch.OutOfMemoryError("CUDA out of memory")

    recipe.batch = full
    with pytest.raises(TrainingFailure, match="single image"):
        list(train(recipe, w=0.5, cadence=QUIET))
    assert recipe.batch_size == 1


def test_other_runtime_errors_are_not_swallowed(toy, paper_config):
    recipe = toy.recipe(paper_config())

    def broken(step: int) -> Batch:
        raise RuntimeError("shapes do not match")

    recipe.batch = broken
    with pytest.raises(RuntimeError, match="shapes"):
        list(train(recipe, w=0.5, cadence=QUIET))


def test_non_finite_loss_stops_before_the_weights_are_hurt(toy, paper_config):
    recipe = toy.recipe(paper_config())
    whole = recipe.batch

    def poisoned(step: int) -> Batch:
        batch = whole(step)
        if step < 3:
            return batch
        return Batch(batch.images * math.nan, batch.ctf, batch.rotations, batch.shifts_angstrom)

    recipe.batch = poisoned
    saved = []

    def follow() -> None:
        for report in train(recipe, w=0.5, cadence=EVERY_STEP):
            if report.checkpoint is not None:
                saved.append(report.checkpoint["step"])

    with pytest.raises(TrainingFailure, match=r"nan at step 4.*checkpoint"):
        follow()
    assert saved[-1] == 3
    assert all(p.isfinite().all() for p in recipe.network.parameters())


def test_tests_and_previews_do_not_change_the_losses(toy, paper_config):
    batches = ParticleBatches(toy.particles, 16, torch.device("cpu"))
    held_out = HeldOutParticles(batches, np.arange(12, 20))
    watched = list(train(toy.recipe(paper_config()), w=0.5, held_out=held_out, cadence=EVERY_STEP))
    alone = list(train(toy.recipe(paper_config()), w=0.5, cadence=QUIET))
    assert losses(watched)[:6] == losses(alone)[:6]
    shown = [r.preview for r in watched if r.preview is not None]
    assert len(shown) >= 6
    np.testing.assert_array_equal(shown[0].rows, np.arange(12, 20))
    np.testing.assert_allclose(shown[0].input, batches.images(np.arange(12, 20)))
    # Noiseless images of the same map: the true projection is the input, up to their levels.
    difference = shown[0].true_projection - shown[0].input
    np.testing.assert_allclose(difference.std(axis=(1, 2)), 0.0, atol=1e-3)
    last = [r.metrics for r in watched if r.metrics][-1]
    assert last.n_test == 8
    assert last.test_relative_rmse > 0.1
    assert 0.0 < last.angular_error_deg <= 180.0
    assert last.time_left_s == 0.0


def test_budget_of_time_ends_the_run(toy, paper_config):
    recipe = toy.recipe(paper_config(steps=100000))
    reports = list(train(recipe, w=0.5, cadence=QUIET, max_seconds=0.2))
    assert outcome(reports) == "finished"


def test_checkpoint_predicts_alike(toy, paper_config, tmp_path: Path):
    recipe = toy.recipe(paper_config(steps=1))
    for report in train(recipe, w=0.5, cadence=QUIET):
        if report.checkpoint is not None:
            write_checkpoint(report.checkpoint, tmp_path / "checkpoint.pt")
    network = network_of_checkpoint(
        read_checkpoint(tmp_path / "checkpoint.pt"), torch.device("cpu")
    )
    batch = recipe.batch(0)
    with torch.no_grad():
        torch.testing.assert_close(
            network(batch.images, None).rotations,
            recipe.network.eval()(batch.images, None).rotations,
            rtol=0,
            atol=0,
        )


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"], ids=["none", "empty", "text"])
def test_unreadable_checkpoint_is_one_sentence(tmp_path: Path, content: bytes | None):
    path = tmp_path / "checkpoint.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint"):
        read_checkpoint(path)


def test_resuming_with_another_network_is_one_sentence(toy, paper_config):
    state = next(train(toy.recipe(paper_config()), w=0.5, cadence=QUIET)).checkpoint
    other = toy.recipe(paper_config(representation="6d"))
    with pytest.raises(InputError, match="does not fit"):
        restore(other, state)

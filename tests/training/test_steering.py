"""What is asked of a fit at work: learning rates as numbers, and the bits of a fit that was never interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from molfun.errors import RunError
from molfun.training import Callback, HeadOnlyFinetune
from molfun.training.checkpoint import read_manifest
from molfun.training.curves import lr_at
from molfun.training.progress import Progress
from tests.tiny import tiny_model
from tests.training.fit_jobs import run_job
from tests.training.test_distributed import assert_same, torchrun
from tests.training.test_fit import batches

Act = Callable[[Any], None]


class Steersman(Callback):
    """Asks at given steps, and keeps what it sees.

    Args:
        acts: What to ask of the loop, by the step after which it is asked.
    """

    def __init__(self, acts: dict[int, Act] | None = None) -> None:
        self.acts, self.rates, self.told, self.ticks = acts or {}, [], [], 0

    def on_step_end(self, loop, metrics) -> None:
        self.rates.append(metrics["lr/head"])
        self.acts.get(loop.progress.step, lambda _: None)(loop)

    def on_alive(self, loop) -> None:
        self.ticks += 1

    def on_steered(self, loop, action, about) -> None:
        self.told.append((action, loop.progress.step, dict(about)))


def fit(model: Any, steersman: Steersman, *, epochs: int = 4, **options: Any) -> list[dict[str, float]]:
    strategy = HeadOnlyFinetune(lr=1e-2, amp=False, warmup_steps=2, min_lr=1e-3, ema_decay=0.5)
    history = strategy.fit(
        model, batches(model), batches(model), epochs=epochs, callbacks=[steersman], seed=1, **options
    )
    return [row | {"seconds": 0.0} for row in history]


def same_weights(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_halving_halves_every_rate_from_the_next_step_on() -> None:
    model, steersman = tiny_model(), Steersman({3: lambda loop: loop.request_lr_factor(0.5)})
    fit(model, steersman)
    total = len(steersman.rates)
    curve = [lr_at(t, peak=1e-2, total_steps=total, warmup_steps=2, min_lr=1e-3) for t in range(1, total + 1)]
    assert steersman.rates == pytest.approx([*curve[:3], *(0.5 * rate for rate in curve[3:])])
    assert steersman.told == [("lr", 3, {"factor": 0.5, "lr_factor": 0.5})]


def test_a_halved_rate_stays_halved_after_a_resume_to_the_bit(tmp_path: Path) -> None:
    halve: dict[int, Act] = {3: lambda loop: loop.request_lr_factor(0.5)}
    whole, part, rest = tiny_model(), tiny_model(), tiny_model()
    expected = fit(whole, Steersman(halve))
    fit(part, Steersman(halve | {5: lambda loop: loop.request_stop("test")}), checkpoint_dir=tmp_path)
    assert fit(rest, Steersman(), resume_from=tmp_path / "last") == expected
    assert same_weights(whole, rest)


def test_more_epochs_at_work_are_those_of_a_resume_with_more(tmp_path: Path) -> None:
    extended, part, resumed = tiny_model(), tiny_model(), tiny_model()
    steersman = Steersman({5: lambda loop: loop.request_epochs(6)})
    expected = fit(extended, steersman)
    fit(part, Steersman({5: lambda loop: loop.request_stop("test")}), checkpoint_dir=tmp_path)
    assert fit(resumed, Steersman(), epochs=6, resume_from=tmp_path / "last") == expected
    assert same_weights(extended, resumed)
    assert steersman.told == [("epochs", 5, {"epochs": 6, "before": 4})]


def test_fewer_epochs_end_the_fit_sooner_and_never_those_that_have_begun() -> None:
    def ask(loop) -> None:
        with pytest.raises(RunError, match=r"cannot have 1 epochs: \d have begun"):
            loop.request_epochs(1)
        loop.request_epochs(2)

    assert len(fit(tiny_model(), Steersman({4: ask}))) == 2


def test_a_pause_changes_no_bit_and_counts_for_no_time(tmp_path: Path) -> None:
    class GoesOn(Steersman):
        def on_alive(self, loop) -> None:
            super().on_alive(loop)
            if self.told and self.told[-1][0] == "pause" and self.ticks % 2 == 0:
                loop.request_go_on()

    paused, whole = tiny_model(), tiny_model()
    steersman, began = GoesOn({3: lambda loop: loop.request_pause()}), time.monotonic()
    strategy = HeadOnlyFinetune(lr=1e-2, amp=False, warmup_steps=2, min_lr=1e-3, ema_decay=0.5)
    history = strategy.fit(
        paused, batches(paused), batches(paused), epochs=4, callbacks=[steersman], seed=1, checkpoint_dir=tmp_path
    )
    took = time.monotonic() - began
    assert took > 0.5
    assert sum(row["seconds"] for row in history) < took - 0.4
    assert [row | {"seconds": 0.0} for row in history] == fit(whole, Steersman())
    assert same_weights(whole, paused)
    assert [action for action, *_ in steersman.told] == ["pause", "go_on"]


def test_a_stop_ends_a_pause() -> None:
    class Stops(Steersman):
        def on_alive(self, loop) -> None:
            if self.told:
                loop.request_stop("enough")

    assert len(fit(tiny_model(), Stops({3: lambda loop: loop.request_pause()}))) < 4


def test_stop_after_epoch_trains_validates_and_saves_it(tmp_path: Path) -> None:
    steersman = Steersman({3: lambda loop: loop.request_stop_after_epoch("enough")})
    history = fit(tiny_model(), steersman, checkpoint_dir=tmp_path)
    assert "val_loss" in history[-1]
    about = read_manifest(tmp_path / "last")
    assert (about["epoch"], about["step"]) == (len(history), len(steersman.rates))
    assert len(history) < 4


def test_a_save_on_request_is_of_that_step(tmp_path: Path) -> None:
    """The fit fails right after it, so that `last` is what was asked for."""

    def fail(loop) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_model(), Steersman({3: lambda loop: loop.request_save(), 4: fail}), checkpoint_dir=tmp_path)
    assert read_manifest(tmp_path / "last")["step"] == 3


def test_an_older_checkpoint_knows_no_factor() -> None:
    saved = Progress(2, 3, step=3, epoch=1).state_dict()
    del saved["lr_factor"]
    progress = Progress(2, 3)
    progress.load_state_dict(saved, patience=0)
    assert (progress.lr_factor, progress.step) == (1.0, 3)


def test_two_processes_obey_the_main_one_at_the_same_step(tmp_path: Path) -> None:
    """Only the main process asks; both end with the rates and weights of one process that was asked the same."""
    job = {"strategy": "full", "batch": 4, "steer": {"2": "halve", "3": "pause", "4": "longer"}, "rehearse": True}
    ((first, second),) = torchrun(tmp_path / "two", 2, [{**job, "spread": "ddp"}])
    alone = run_job({**job, "spread": "single", "batch": 8, "out": str(tmp_path / "one.pt")})
    assert_same(first, alone)
    assert len(first["history"]) == len(second["history"]) == len(alone["history"]) > 3

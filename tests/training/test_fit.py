from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
import torch

from molfun.errors import DataError, ModelError
from molfun.tracking.base import BaseTracker
from molfun.training import (
    EMA,
    Callback,
    FinetuneStrategy,
    FullFinetune,
    HeadOnlyFinetune,
    LoRAFinetune,
    PartialFinetune,
)
from molfun.training.checkpoint import load_weights
from molfun.training.curves import lr_at
from molfun.types import Batch
from tests.tiny import SEQUENCES, tiny_batch, tiny_model

ALL = [HeadOnlyFinetune, LoRAFinetune, lambda **kw: PartialFinetune(unfreeze_last_n=1, **kw), FullFinetune]


class Recorder(Callback):
    """Keeps what the loop reports."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.calls: list[str] = []

    def on_fit_begin(self, loop) -> None:
        self.calls.append("begin")

    def on_step_end(self, loop, metrics: Mapping[str, float]) -> None:
        self.steps.append(dict(metrics))

    def on_epoch_end(self, loop, metrics: Mapping[str, float]) -> None:
        self.calls.append(f"epoch {int(metrics['epoch'])}")

    def on_fit_end(self, loop) -> None:
        self.calls.append("end")


def batches(model, task: str = "regression", size: int = 2) -> list[Batch]:
    """Return batches of unequal length and, with 5 sequences, an unequal last one."""
    alphabet = model.adapter.alphabet
    return [tiny_batch(alphabet, task, sequences=SEQUENCES[i : i + size]) for i in range(0, len(SEQUENCES), size)]


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("task", ["regression", "classification", "per_residue"])
def test_fit_lowers_the_loss_on_every_task(make, task: str) -> None:
    model = tiny_model(task)
    strategy = make(lr=5e-3, loss_fn="mse" if task == "regression" else "cross_entropy", amp=False)
    history = strategy.fit(model, batches(model, task), batches(model, task), epochs=8)
    assert len(history) == 8
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert [row["epoch"] for row in history] == list(range(1, 9))


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_learning_rate_of_every_step_equals_the_closed_form(kind: str) -> None:
    """3 batches and accumulation 2 are 2 steps an epoch: 8 in 4 epochs."""
    model, recorder = tiny_model(), Recorder()
    strategy = FullFinetune(
        lr=1e-3,
        layer_lr_decay=0.5,
        lr_head=4e-3,
        warmup_steps=3,
        scheduler=kind,
        min_lr=1e-5,
        accumulation_steps=2,
        amp=False,
    )
    strategy.fit(model, batches(model), epochs=4, callbacks=[recorder])
    assert len(recorder.steps) == 8
    for name, peak in {"embedder": 1e-3 / 8, "block_3": 1e-3, "head": 4e-3}.items():
        expected = [lr_at(s, peak=peak, total_steps=8, warmup_steps=3, kind=kind, min_lr=1e-5) for s in range(1, 9)]
        assert [step[f"lr/{name}"] for step in recorder.steps] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("task", ["regression", "per_residue"])
def test_accumulated_batches_give_the_gradient_of_the_big_batch(task: str) -> None:
    """Unequal lengths, unequal batch sizes and a short last window included."""
    loss = "mse" if task == "regression" else "cross_entropy"
    many, one = tiny_model(task), tiny_model(task)
    one.load_state_dict(many.state_dict())
    settings = {"lr": 1e-2, "loss_fn": loss, "amp": False, "scheduler": "constant", "grad_clip": 0.0}
    HeadOnlyFinetune(accumulation_steps=3, **settings).fit(many, batches(many, task), epochs=3)
    HeadOnlyFinetune(**settings).fit(one, batches(one, task, size=5), epochs=3)
    for a, b in zip(many.head.parameters(), one.head.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_losses_do_not_depend_on_the_batch_size() -> None:
    model = tiny_model()
    losses = []
    for size in (1, 2, 5):
        twin = copy.deepcopy(model)
        row = HeadOnlyFinetune(lr=0.0, amp=False).fit(
            twin, batches(twin, size=size), batches(twin, size=size), epochs=1
        )[0]
        losses += [row["train_loss"], row["val_loss"]]
    assert losses == pytest.approx([losses[0]] * 6, rel=1e-5)


def test_validation_reports_the_averaged_weights_and_leaves_the_raw_ones() -> None:
    model = tiny_model()
    strategy = HeadOnlyFinetune(lr=1e-2, ema_decay=0.9, amp=False, scheduler="constant")
    plain = tiny_model()
    plain.load_state_dict(model.state_dict())
    with_ema = strategy.fit(model, batches(model), batches(model), epochs=3)
    without = HeadOnlyFinetune(lr=1e-2, amp=False, scheduler="constant").fit(
        plain, batches(plain), batches(plain), epochs=3
    )
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    assert [r["train_loss"] for r in with_ema] == [r["train_loss"] for r in without]
    assert with_ema[-1]["val_loss"] != without[-1]["val_loss"]
    assert strategy.apply_ema(model)
    again = HeadOnlyFinetune(lr=0.0, amp=False).fit(model, batches(model), batches(model), epochs=1)
    assert again[0]["val_loss"] == pytest.approx(with_ema[-1]["val_loss"], rel=1e-6)


def test_apply_ema_without_an_average_says_so() -> None:
    model, strategy = tiny_model(), HeadOnlyFinetune(amp=False)
    strategy.fit(model, batches(model), epochs=1)
    assert not strategy.apply_ema(model)


def test_frozen_modules_stay_in_eval_mode() -> None:
    model = tiny_model(family="bert")
    modes: dict[str, bool] = {}

    class Look(Callback):
        def on_step_end(self, loop, metrics: Mapping[str, float]) -> None:
            modes.update({name: module.training for name, module in loop.model.named_modules()})

    PartialFinetune(unfreeze_last_n=1, amp=False).fit(model, batches(model), epochs=1, callbacks=[Look()])
    blocks = "adapter.backbone.encoder.layer"
    assert not any(
        on
        for name, on in modes.items()
        if name.startswith((f"{blocks}.0", f"{blocks}.1", "adapter.backbone.embeddings"))
    )
    assert all(on for name, on in modes.items() if name.startswith((f"{blocks}.2", "head")))


def test_early_stopping_waits_for_its_patience() -> None:
    model = tiny_model()
    history = HeadOnlyFinetune(lr=0.0, early_stopping_patience=2, amp=False).fit(
        model, batches(model), batches(model), epochs=50
    )
    assert len(history) == 3


def test_hooks_come_in_order_and_steps_carry_their_metrics() -> None:
    model, recorder = tiny_model(), Recorder()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=2, callbacks=[recorder])
    assert recorder.calls == ["begin", "epoch 1", "epoch 2", "end"]
    assert set(recorder.steps[0]) == {"loss", "lr/head", "grad_norm", "tokens_per_second", "epoch"}


def test_tracker_gets_settings_first_then_steps_and_epochs() -> None:
    class Lines(BaseTracker):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def log_config(self, config) -> None:
            self.lines.append(f"config {config['strategy']}")

        def log_step(self, metrics, step: int) -> None:
            self.lines.append(f"step {step}")

        def log_metrics(self, metrics, step: int) -> None:
            self.lines.append(f"epoch {step}")

    model, tracker = tiny_model(), Lines()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=2, tracker=tracker)
    assert tracker.lines == [
        "config HeadOnlyFinetune",
        "step 1",
        "step 2",
        "step 3",
        "epoch 1",
        "step 4",
        "step 5",
        "step 6",
        "epoch 2",
    ]


def test_request_stop_ends_after_the_step_and_keeps_a_checkpoint(tmp_path) -> None:
    class StopAtFour(Callback):
        def on_step_end(self, loop, metrics: Mapping[str, float]) -> None:
            if loop.progress.step == 4:
                loop.request_stop("enough")

    model = tiny_model()
    history = HeadOnlyFinetune(amp=False).fit(
        model, batches(model), epochs=9, callbacks=[StopAtFour()], checkpoint_dir=tmp_path
    )
    assert len(history) == 1
    assert (tmp_path / "last" / "manifest.json").is_file()


def test_nan_target_stops_the_run_and_names_the_rows() -> None:
    model = tiny_model()
    broken = batches(model)
    broken[1].targets[0] = float("nan")
    with pytest.raises(ModelError, match=r"The loss became nan in step 2 \(rows 0\)"):
        HeadOnlyFinetune(amp=False).fit(model, broken, epochs=1)


def test_a_parameter_that_the_loss_does_not_see_stops_the_run() -> None:
    class Everything(FinetuneStrategy):
        def _setup_impl(self, model) -> None:
            model.requires_grad_(True)

        def param_groups(self, model):
            return [{"name": "all", "lr": self.settings.lr, "params": list(model.parameters())}]

    model = tiny_model()
    with pytest.raises(ModelError, match=r"2 parameters should train but get no gradient .*contact_head"):
        Everything(amp=False).fit(model, batches(model), epochs=1)


def test_no_training_batch_is_an_error() -> None:
    with pytest.raises(DataError, match="There is no training row"):
        HeadOnlyFinetune().fit(tiny_model(), [], epochs=1)


def test_a_stream_of_unknown_length_is_an_error() -> None:
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(())

    model, loader = tiny_model(), torch.utils.data.DataLoader(Stream())
    told = r"loader should know its number of batches, but object of type 'Stream' has no len\(\)"
    with pytest.raises(DataError, match=f"The training {told}"):
        HeadOnlyFinetune().fit(model, loader, epochs=1)
    with pytest.raises(DataError, match=f"The validation {told}"):
        HeadOnlyFinetune().fit(model, batches(model), loader, epochs=1)


def test_empty_validation_is_no_validation() -> None:
    model = tiny_model()
    assert "val_loss" not in HeadOnlyFinetune(amp=False).fit(model, batches(model), [], epochs=1)[0]


def test_exports_are_the_promised_names() -> None:
    import molfun.training as training

    assert training.EMA is EMA
    assert all(getattr(training, name) for name in training.__all__)


def test_infinite_gradient_stops_the_run_before_the_step() -> None:
    model = tiny_model()
    before = [p.detach().clone() for p in model.parameters()]
    next(model.head.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(ModelError, match=r"The gradient became (inf|nan) in step 1"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_failed_fit_leaves_nothing_behind_for_the_next_one() -> None:
    model = tiny_model()
    broken = batches(model)
    broken[1].targets[0] = float("nan")
    with pytest.raises(ModelError, match="The loss became nan"):
        FullFinetune(amp=False, accumulation_steps=2).fit(model, broken, epochs=1)
    history = HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1)
    assert history[0]["train_loss"] < 1e6
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_apply_ema_changes_the_model_that_was_fitted_and_no_other() -> None:
    first, second = tiny_model(), tiny_model()
    strategy = HeadOnlyFinetune(amp=False, ema_decay=0.9)
    strategy.fit(first, batches(first), epochs=1)
    strategy.fit(second, batches(second), epochs=1)
    assert not strategy.apply_ema(first)
    assert strategy.apply_ema(second)


def test_apply_ema_leaves_a_model_alone_that_another_strategy_has_prepared() -> None:
    model, strategy = tiny_model(), LoRAFinetune(amp=False, ema_decay=0.9, rank=2)
    strategy.fit(model, batches(model), epochs=1)
    HeadOnlyFinetune().setup(model)
    assert not strategy.apply_ema(model)


def test_average_is_kept_where_there_is_no_validation(tmp_path) -> None:
    model = tiny_model()
    strategy = HeadOnlyFinetune(amp=False, ema_decay=0.9, lr=1e-2)
    strategy.fit(model, batches(model), epochs=2, checkpoint_dir=tmp_path)
    fresh = tiny_model()
    strategy.setup(fresh)
    assert load_weights(fresh, tmp_path / "best")["weights"] == "ema"
    assert strategy.apply_ema(model)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))

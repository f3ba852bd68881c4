from __future__ import annotations

import json
import math

import pytest
import torch

from molfun.errors import RunError
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.checkpoint import load_weights, read_manifest
from tests.tiny import tiny_batch, tiny_model
from tests.training.test_fit import batches

STRATEGIES = {
    "head_only": lambda: HeadOnlyFinetune(lr=1e-2, amp=False, ema_decay=0.5),
    "lora": lambda: LoRAFinetune(rank=4, lr=1e-2, amp=False, ema_decay=0.5),
    "partial": lambda: PartialFinetune(unfreeze_last_n=1, lr=1e-2, amp=False, ema_decay=0.5),
    "full": lambda: FullFinetune(lr=1e-2, amp=False, ema_decay=0.5),
}


class StopAfterTwoEpochs(Callback):
    """Ends a fit whose schedule is made for more."""

    def on_epoch_end(self, loop, metrics) -> None:
        if loop.progress.epoch == 2:
            loop.request_stop("test")


@pytest.mark.parametrize("kind", STRATEGIES)
def test_best_is_the_model_that_was_validated(kind: str, tmp_path) -> None:
    model, strategy = tiny_model(), STRATEGIES[kind]()
    history = strategy.fit(model, batches(model), batches(model), epochs=4, checkpoint_dir=tmp_path)
    fresh = tiny_model()
    strategy.setup(fresh)
    manifest = load_weights(fresh, tmp_path / "best")
    best = min(history, key=lambda row: row["val_loss"])
    assert manifest["weights"] == "ema"
    assert manifest["epoch"] == best["epoch"]
    fresh.eval()
    batch = tiny_batch(fresh.adapter.alphabet)
    again = torch.nn.functional.mse_loss(fresh(batch)["preds"], batch.targets).item()
    assert again == pytest.approx(best["val_loss"], rel=1e-5)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_resumed_run_equals_an_uninterrupted_one(kind: str, tmp_path) -> None:
    whole, part, rest = tiny_model(), tiny_model(), tiny_model()
    torch.manual_seed(1)  # LoRA draws its first factor when it is set up
    expected = STRATEGIES[kind]().fit(whole, batches(whole), batches(whole), epochs=4)
    torch.manual_seed(1)
    STRATEGIES[kind]().fit(
        part, batches(part), batches(part), epochs=4, checkpoint_dir=tmp_path, callbacks=[StopAfterTwoEpochs()]
    )
    history = STRATEGIES[kind]().fit(rest, batches(rest), batches(rest), epochs=4, resume_from=tmp_path / "last")
    assert [row | {"seconds": 0.0} for row in history] == [row | {"seconds": 0.0} for row in expected]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), rest.parameters(), strict=True))


def test_resume_of_a_finished_run_trains_nothing_more(tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=2, checkpoint_dir=tmp_path)
    history = HeadOnlyFinetune(amp=False).fit(tiny_model(), batches(model), epochs=2, resume_from=tmp_path / "last")
    assert len(history) == 2


def test_resume_from_nowhere_is_an_error(tmp_path) -> None:
    model = tiny_model()
    with pytest.raises(RunError, match="is no checkpoint"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, resume_from=tmp_path / "absent")


def test_best_cannot_be_resumed_from(tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), batches(model), epochs=1, checkpoint_dir=tmp_path)
    with pytest.raises(RunError, match="weights only"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=2, resume_from=tmp_path / "best")


def test_damaged_checkpoint_is_refused_by_name(tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, checkpoint_dir=tmp_path)
    path = tmp_path / "last" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"is damaged: weights.safetensors"):
        read_manifest(tmp_path / "last")


def test_checkpoint_of_another_strategy_is_refused(tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, checkpoint_dir=tmp_path)
    other = tiny_model()
    FullFinetune().setup(other)
    with pytest.raises(RunError, match="does not fit this model and strategy"):
        load_weights(other, tmp_path / "last")


def test_periodic_checkpoints_and_no_leftovers(tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(
        model, batches(model), batches(model), epochs=4, checkpoint_dir=tmp_path, save_every=2
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "epoch_2", "epoch_4", "last"]
    manifest = json.loads((tmp_path / "epoch_2" / "manifest.json").read_text())
    assert (manifest["epoch"], manifest["step"], manifest["weights"]) == (2, 6, "raw")
    assert math.isfinite(manifest["strategy"]["lr"])


def test_resume_from_inside_an_epoch_takes_every_step_once(tmp_path) -> None:
    """Stopped at step 4 of 3 an epoch: the resumed run ends with the same weights as one that was never stopped."""

    class StopAtFour(Callback):
        def on_step_end(self, loop, metrics) -> None:
            if loop.progress.step == 4:
                loop.request_stop("test")

    class Steps(Callback):
        def on_step_end(self, loop, metrics) -> None:
            seen.append(loop.progress.step)

    seen: list[int] = []
    whole, part, rest = tiny_model(), tiny_model(), tiny_model()
    strategy = HeadOnlyFinetune(lr=1e-2, amp=False)
    strategy.fit(whole, batches(whole), epochs=3)
    strategy.fit(part, batches(part), epochs=3, checkpoint_dir=tmp_path, callbacks=[StopAtFour()])
    history = strategy.fit(rest, batches(rest), epochs=3, resume_from=tmp_path / "last", callbacks=[Steps()])
    assert seen == [5, 6, 7, 8, 9]
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), rest.parameters(), strict=True))

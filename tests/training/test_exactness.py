"""What a step computes, as numbers: skipped steps, averages, gradients, what is frozen, what is written."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from molfun.errors import ModelError, SettingError
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.tracking.base import BaseTracker
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from tests.tiny import SEQUENCES, tiny_batch, tiny_model
from tests.training.test_fit import ALL, batches

KINDS = ["head_only", "lora", "partial", "full"]


class Grab(Callback):
    """Keeps the loop, and what it looks like after every step."""

    def __init__(self) -> None:
        self.loop = None
        self.seen: list[tuple[int, int, int]] = []
        self.alerts: list[str] = []

    def on_fit_begin(self, loop) -> None:
        self.loop = loop

    def on_step_end(self, loop, metrics) -> None:
        done = next(iter(loop.optimizer.state.values()), {}).get("step", torch.tensor(0))
        self.seen.append((int(done), loop.scheduler.last_epoch, loop.ema.num_updates))

    def on_alert(self, loop, message: str) -> None:
        self.alerts.append(message)


def test_skipped_steps_advance_neither_schedule_nor_average() -> None:
    """A loss scale of 2^40 overflows float16; the scaler halves it until it fits."""

    class Half(Grab):
        def on_fit_begin(self, loop) -> None:
            super().on_fit_begin(loop)
            loop.precision = Precision(loop.distributed.device, amp=True, dtype=torch.float16)
            loop.precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)

    model, grab = tiny_model(), Half()
    before = [p.detach().clone() for p in model.head.parameters()]
    history = LoRAFinetune(rank=2, ema_decay=0.9, lr=1e-3).fit(model, batches(model), epochs=20, callbacks=[grab])
    assert all(optimizer == schedule == average for optimizer, schedule, average in grab.seen)
    taken = grab.seen[-1][0]
    assert 0 < taken < len(grab.seen) == 60
    assert grab.seen[0][0] == 0
    assert math.isfinite(history[-1]["train_loss"])
    assert any(not torch.equal(a, b) for a, b in zip(before, model.head.parameters(), strict=True))


def test_loss_is_accumulated_in_float32_under_bfloat16() -> None:
    class Low(Grab):
        def on_fit_begin(self, loop) -> None:
            loop.precision = Precision(loop.distributed.device, amp=True, dtype=torch.bfloat16)

    torch.manual_seed(0)
    exact, low = tiny_model(), tiny_model()
    low.load_state_dict(exact.state_dict())
    settings = {"lr": 0.0, "amp": False}
    wanted = HeadOnlyFinetune(**settings).fit(exact, batches(exact), batches(exact), epochs=1)[0]
    found = HeadOnlyFinetune(**settings).fit(low, batches(low), batches(low), epochs=1, callbacks=[Low()])[0]
    # bfloat16 has 8 bits: the states differ, the sums over them must not add to that.
    assert found["train_loss"] == pytest.approx(wanted["train_loss"], rel=2e-2)
    assert found["train_loss"] == pytest.approx(found["val_loss"], rel=1e-5)


@pytest.mark.parametrize("num_batches", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("accumulation", [1, 2, 4, 8])
def test_the_schedule_sees_the_steps_that_happen(num_batches: int, accumulation: int) -> None:
    model, grab = tiny_model(), Grab()
    one = batches(model, size=5)
    strategy = HeadOnlyFinetune(accumulation_steps=accumulation, amp=False, lr=1e-3, min_lr=1e-5)
    strategy.fit(model, one * num_batches, epochs=3, callbacks=[grab])
    assert (
        grab.loop.progress.total_steps
        == len(grab.seen)
        == grab.seen[-1][1]
        == 3 * math.ceil(num_batches / accumulation)
    )


def test_raw_weights_are_reported_beside_the_average() -> None:
    model, twin = tiny_model(), tiny_model()
    settings = {"lr": 1e-2, "amp": False, "scheduler": "constant"}
    averaged = HeadOnlyFinetune(ema_decay=0.99, validate_raw=True, **settings).fit(
        model, batches(model), batches(model), epochs=3, seed=0
    )
    plain = HeadOnlyFinetune(**settings).fit(twin, batches(twin), batches(twin), epochs=3, seed=0)
    assert [row["val_loss_raw"] for row in averaged] == [row["val_loss"] for row in plain]
    assert all(a["val_loss"] != b["val_loss"] for a, b in zip(averaged, plain, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_average_comes_out_again_when_validation_raises() -> None:
    class Broken(list):
        def __iter__(self):
            raise OSError("the disk is gone")

    model, twin, grab = tiny_model(), tiny_model(), Grab()
    with pytest.raises(OSError, match="the disk is gone"):
        HeadOnlyFinetune(ema_decay=0.9, amp=False, lr=1e-2).fit(
            model, batches(model), Broken([1]), epochs=1, callbacks=[grab]
        )
    HeadOnlyFinetune(amp=False, lr=1e-2).fit(twin, batches(twin), epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_average_is_of_what_trains_and_of_nothing_else() -> None:
    model, grab = tiny_model(), Grab()
    PartialFinetune(unfreeze_last_n=1, ema_decay=0.9, amp=False).fit(model, batches(model), epochs=1, callbacks=[grab])
    assert set(grab.loop.ema.shadow) == {n for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("make", ALL)
def test_frozen_parameters_have_no_gradient_and_no_optimiser_state(make) -> None:
    model, grab = tiny_model(), Grab()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    make(amp=False, lr=1e-2).fit(model, batches(model), epochs=1, callbacks=[grab])
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert {id(p) for p in grab.loop.optimizer.state} == trained
    frozen = {n: p for n, p in model.named_parameters() if not p.requires_grad}
    assert all(p.grad is None for p in frozen.values())
    assert all(torch.equal(p, before[n]) for n, p in frozen.items() if n in before)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("family", ["esm", "bert"])
def test_gradient_checkpointing_changes_memory_and_no_gradient(make, family: str) -> None:
    """Dropout included: what is computed again draws the same random numbers."""
    saved, weights = [], []
    for enabled in (False, True):
        torch.manual_seed(0)
        model = tiny_model(family=family, num_blocks=4)
        kept = [0]

        def pack(tensor: torch.Tensor, kept: list[int] = kept) -> torch.Tensor:
            kept[0] += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            make(amp=False, lr=1e-2).fit(
                model, batches(model, size=5), epochs=2, gradient_checkpointing=enabled, seed=1
            )
        saved.append(kept[0])
        weights.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    is_head_only = make is HeadOnlyFinetune
    assert saved[1] == saved[0] if is_head_only else saved[1] < saved[0]


def test_gradient_checkpointing_is_off_again_afterwards() -> None:
    model = tiny_model()
    FullFinetune(amp=False).fit(model, batches(model), epochs=1, gradient_checkpointing=True)
    assert not any(getattr(m, "gradient_checkpointing", False) for m in model.modules())


@pytest.mark.parametrize("make", ALL)
def test_one_seed_gives_one_history(make) -> None:
    runs = []
    for state in (1, 2):
        torch.manual_seed(state)  # whatever was drawn before
        model = tiny_model(family="bert", head=HeadSettings(dropout=0.2))
        runs.append(
            make(amp=False, lr=1e-2).fit(model, batches(model), batches(model), epochs=2, seed=7, deterministic=True)
        )
    assert [row | {"seconds": 0.0} for row in runs[0]] == [row | {"seconds": 0.0} for row in runs[1]]
    assert not torch.are_deterministic_algorithms_enabled()


def test_monitored_metric_chooses_best_and_its_name_is_checked(tmp_path: Path) -> None:
    model = tiny_model()
    history = HeadOnlyFinetune(monitor="val_spearman", amp=False, lr=3e-2).fit(
        model, batches(model), batches(model), epochs=6, checkpoint_dir=tmp_path
    )
    best = json.loads((tmp_path / "best" / "manifest.json").read_text())["epoch"]
    values = [row["val_spearman"] for row in history]
    assert values[best - 1] == max(values)
    with pytest.raises(SettingError, match="'monitor' is 'val_spearmann', did you mean 'val_spearman'"):
        HeadOnlyFinetune(monitor="val_spearmann", amp=False).fit(model, batches(model), epochs=1)
    with pytest.raises(SettingError, match="'monitor' is 'val_mcc'"):
        HeadOnlyFinetune(monitor="val_mcc", amp=False).fit(model, batches(model), epochs=1)


def test_nan_names_the_rows_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Poison(Callback):
        def on_step_end(self, loop, metrics) -> None:
            if loop.progress.step == 7:
                broken[1].targets[1] = float("inf")
                while "step 6" not in loop.writer.last_good:
                    time.sleep(0.01)

    model = tiny_model()
    broken = batches(model)
    expected = r"The loss became (inf|nan) in step 8 \(rows 1\)\. .* The last good checkpoint is last \(step 6\)\."
    with pytest.raises(ModelError, match=expected):
        HeadOnlyFinetune(amp=False).fit(model, broken, epochs=4, checkpoint_dir=tmp_path, callbacks=[Poison()])
    assert json.loads((tmp_path / "last" / "manifest.json").read_text())["step"] == 6


def test_a_detached_stem_stops_the_run_with_the_list() -> None:
    """What reentrant checkpointing over a frozen prefix does silently: the loss no longer sees what should train."""
    model = tiny_model()
    model.adapter.get_trunk_blocks()[2].register_forward_pre_hook(
        lambda module, args: tuple(a.detach() if isinstance(a, torch.Tensor) else a for a in args)
    )
    with pytest.raises(ModelError, match=r"\d+ parameters should train but get no gradient \(adapter.backbone.embed"):
        FullFinetune(amp=False).fit(model, batches(model), epochs=1)


DISK_FULL = """
import resource, sys, time
from pathlib import Path
from molfun.errors import RunError
from molfun.tracking.base import BaseTracker
from molfun.training import Callback, FullFinetune
from tests.tiny import tiny_model
from tests.training.test_fit import batches

class FillUp(Callback):
    def on_epoch_end(self, loop, metrics):
        if loop.progress.epoch == 2:
            while not all((Path(sys.argv[1]) / name / "manifest.json").exists() for name in ("last", "best")):
                time.sleep(0.01)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))  # the kernel refuses more bytes
        if loop.progress.epoch == {free_again}:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    def on_alert(self, loop, message):
        print("ALERT", message)

model = tiny_model()
try:
    history = FullFinetune(amp=False).fit(
        model, batches(model), batches(model), epochs=5, checkpoint_dir=Path(sys.argv[1]), callbacks=[FillUp()]
    )
    print("EPOCHS", len(history))
except RunError as error:
    print("ERROR", error)
"""


@pytest.mark.parametrize("free_again", [4, 99])
def test_a_full_disk_costs_no_training_and_no_older_checkpoint(free_again: int, tmp_path: Path) -> None:
    code = DISK_FULL.replace("{free_again}", str(free_again))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert "ALERT Checkpoint" in done.stdout, done.stderr
    assert "could not be written: file too large. The one before stays, training goes on" in done.stdout
    manifest = json.loads((tmp_path / "last" / "manifest.json").read_text())
    if free_again == 4:
        assert "EPOCHS 5" in done.stdout
        assert manifest["epoch"] == 5
    else:
        assert "ERROR The last checkpoint could not be written" in done.stdout
        assert "Free some room and resume the run from" in done.stdout
        assert manifest["epoch"] == 1
    assert not list(tmp_path.glob(".*"))


def test_a_checkpoint_never_holds_a_later_step_than_it_says(tmp_path: Path) -> None:
    """Training goes on while a thread writes: the copy must be of one instant."""
    taken: dict[int, torch.Tensor] = {}

    class Copy(Callback):
        def on_step_end(self, loop, metrics) -> None:
            taken[loop.progress.step] = loop.model.head.norm.weight.detach().clone()

        def on_checkpoint(self, loop, name: str, path: Path) -> None:
            from safetensors.torch import load_file

            try:
                step, weights = step_of(path), load_file(path / "weights.safetensors")
                is_whole = step_of(path) == step
            except FileNotFoundError:
                is_whole = False
            if is_whole:  # else the next one took its place in between
                assert torch.equal(weights["head.norm.weight"], taken[step])
                checked.append(step)

    def step_of(path: Path) -> int:
        return int(json.loads((path / "manifest.json").read_text())["step"])

    checked: list[int] = []
    model = tiny_model()
    HeadOnlyFinetune(amp=False, lr=1e-2).fit(
        model, batches(model), epochs=8, checkpoint_dir=tmp_path, save_every_steps=1, callbacks=[Copy()]
    )
    assert checked[-1] == 24


def test_saving_by_the_clock(tmp_path: Path) -> None:
    class Count(Callback):
        def on_checkpoint(self, loop, name: str, path: Path) -> None:
            steps.add(json.loads((path / "manifest.json").read_text())["step"])

        def on_step_end(self, loop, metrics) -> None:
            time.sleep(0.05)

    steps: set[int] = set()
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(
        model,
        batches(model, size=1),
        epochs=2,
        checkpoint_dir=tmp_path,
        save_every_minutes=0.1 / 60,
        callbacks=[Count()],
    )
    assert steps - {5, 10}, "nothing was saved inside an epoch"


def test_balanced_class_weights_follow_the_training_targets() -> None:
    """Lengths 22, 10, 25, 4, 15 are classes 1, 1, 1, 1, 0 of 3: weights 5/(2*4) and 5/2; the loss of a constant
    prediction is the same with and without, as the mean weight over the rows is 1."""
    model, grab = tiny_model("classification"), Grab()
    HeadOnlyFinetune(amp=False, loss_fn="cross_entropy", class_weights="balanced", lr=0.0).fit(
        model, batches(model, "classification"), epochs=1, callbacks=[grab]
    )
    preds, targets = torch.zeros(5, 3), torch.tensor([len(s) % 3 for s in SEQUENCES])
    weighted = grab.loop.loss(preds, targets)
    assert weighted.tolist() == pytest.approx([math.log(3) * (5 / 8 if t == 1 else 5 / 2) for t in targets.tolist()])
    assert float(weighted.mean()) == pytest.approx(math.log(3))


def test_a_loss_of_pairs_refuses_batches_of_one_row() -> None:
    model = tiny_model()
    with pytest.raises(SettingError, match="'pearson' compares the rows of a batch and needs at least 2 of them"):
        HeadOnlyFinetune(amp=False, loss_fn="pearson").fit(model, batches(model, size=1), epochs=1)


def test_batch_with_dropout_in_a_head_uses_it_only_in_training() -> None:
    model = tiny_model(head=HeadSettings(dropout=0.5))
    row = HeadOnlyFinetune(lr=0.0, amp=False).fit(model, batches(model), batches(model), epochs=1, seed=0)[0]
    assert row["train_loss"] != pytest.approx(row["val_loss"], rel=1e-3)
    model.eval()
    batch = tiny_batch(model.adapter.alphabet)
    assert row["val_loss"] == pytest.approx(
        nn.functional.mse_loss(model(batch)["preds"], batch.targets).item(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss_fn": "cross_entropy"}, r"'cross_entropy' does not fit the task 'regression'; choose mse or"),
        ({"class_weights": "balanced"}, "'class_weights' is 'balanced', but regression has no classes; set it to none"),
    ],
)
def test_loss_and_task_must_fit(settings: dict[str, str], message: str) -> None:
    model = tiny_model()
    with pytest.raises(SettingError, match=message):
        HeadOnlyFinetune(amp=False, **settings).fit(model, batches(model), epochs=1)


def test_a_loss_that_validation_cannot_define_is_nan_and_never_best(tmp_path: Path) -> None:
    """1 - r over rows that are all equal would be 0, the best there is."""
    model = tiny_model()
    same = batches(model)
    for batch in same:
        batch.targets.fill_(1.5)
    history = HeadOnlyFinetune(amp=False, loss_fn="pearson").fit(
        model, batches(model, size=5), same, epochs=2, checkpoint_dir=tmp_path
    )
    assert all(math.isnan(row["val_loss"]) for row in history)
    assert not (tmp_path / "best").exists()


def test_a_gradient_that_always_overflows_ends_the_run_without_a_step() -> None:
    class Half(Grab):
        def on_fit_begin(self, loop) -> None:
            super().on_fit_begin(loop)
            loop.precision = Precision(loop.distributed.device, amp=True, dtype=torch.float16)

    model, grab = tiny_model(), Half()
    before = [p.detach().clone() for p in model.parameters()]
    next(model.head.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(ModelError, match="The gradient became inf in step 40"):
        HeadOnlyFinetune(ema_decay=0.9).fit(model, batches(model), epochs=99, callbacks=[grab])
    assert grab.seen[-1] == (0, 0, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_tracker_that_fails_costs_no_training() -> None:
    class Broken(BaseTracker):
        def log_metrics(self, metrics, step: int) -> None:
            raise ConnectionError("the service is down")

    model = tiny_model()
    assert len(HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=3, tracker=Broken())) == 3


def test_a_window_without_a_label_moves_nothing() -> None:
    model, grab = tiny_model(), Grab()
    some = batches(model)
    some[0].target_mask.fill_(False)
    history = HeadOnlyFinetune(amp=False, lr=1e-2).fit(model, some, epochs=1, callbacks=[grab])
    assert [seen[0] for seen in grab.seen] == [0, 1, 2]
    assert math.isfinite(history[0]["train_loss"])


def test_batches_too_small_for_a_loss_of_pairs_do_not_count() -> None:
    """Two batches of 2 and one of 1: the mean is over 4 rows."""
    model = tiny_model()
    row = HeadOnlyFinetune(amp=False, lr=0.0, loss_fn="pearson").fit(model, batches(model), epochs=1)[0]
    both = HeadOnlyFinetune(amp=False, lr=0.0, loss_fn="pearson").fit(model, batches(model)[:2], epochs=1)[0]
    assert row["train_loss"] == pytest.approx(both["train_loss"], rel=1e-6)


def test_a_class_that_training_lacks_counts_in_validation() -> None:
    model, grab = tiny_model("classification"), Grab()
    HeadOnlyFinetune(amp=False, loss_fn="cross_entropy", class_weights="balanced", lr=0.0).fit(
        model, batches(model, "classification"), epochs=1, callbacks=[grab]
    )
    assert grab.loop.loss(torch.zeros(1, 3), torch.tensor([2])).item() == pytest.approx(math.log(3))


def test_groups_that_leave_something_out_are_named() -> None:
    class Forgetful(FullFinetune):
        def param_groups(self, model):
            return [{"name": "head", "lr": 1e-3, "params": list(model.head.parameters())}]

    model = tiny_model()
    with pytest.raises(ModelError, match=r"leaves out \d+ \(adapter.backbone.embeddings.* add them to a group"):
        Forgetful(amp=False).fit(model, batches(model), epochs=1)


def test_describe_is_of_the_model_that_was_set_up_last() -> None:
    small, large = tiny_model(), tiny_model(num_chains=2)
    strategy = HeadOnlyFinetune()
    strategy.setup(small)
    counted = strategy.describe()["num_trainable"]
    strategy.setup(large)
    assert strategy.describe()["num_trainable"] > counted
    strategy.setup(small)
    assert strategy.describe()["num_trainable"] == counted


def test_a_strategy_does_not_keep_a_model_in_memory() -> None:
    model, strategy = tiny_model(), HeadOnlyFinetune(amp=False, ema_decay=0.9)
    strategy.fit(model, batches(model), epochs=1)
    trunk = weakref.ref(next(model.adapter.parameters()))
    head = weakref.ref(next(model.head.parameters()))
    del model
    gc.collect()
    assert trunk() is None
    assert head() is None

from __future__ import annotations

import json
import math
import shutil
import time

import pytest
import torch
from torch.utils.data import DataLoader

from molfun.data.batches import Collate, SequenceRows
from molfun.errors import RunError
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.checkpoint import load_weights, read_manifest
from molfun.training.curves import lr_at
from tests.tiny import tiny_batch, tiny_model
from tests.training.test_fit import batches

STRATEGIES = {
    "head_only": lambda: HeadOnlyFinetune(lr=1e-2, amp=False, ema_decay=0.5),
    "lora": lambda: LoRAFinetune(rank=4, lr=1e-2, amp=False, ema_decay=0.5),
    "partial": lambda: PartialFinetune(unfreeze_last_n=1, lr=1e-2, amp=False, ema_decay=0.5),
    "full": lambda: FullFinetune(lr=1e-2, amp=False, ema_decay=0.5),
}


def untimed(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return a history without what the clock wrote."""
    return [row | {"seconds": 0.0} for row in history]


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
    assert untimed(history) == untimed(expected)
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


@pytest.mark.parametrize("kind", STRATEGIES)
def test_best_holds_the_average_for_use_and_everything_to_go_on(kind: str, tmp_path) -> None:
    """The raw weights lie beside the average, so a resume from `best` is as exact as one from `last`."""
    whole, part, rest = tiny_model(), tiny_model(), tiny_model()
    expected = STRATEGIES[kind]().fit(whole, batches(whole), batches(whole), epochs=4, seed=1)
    STRATEGIES[kind]().fit(
        part, batches(part), batches(part), epochs=4, checkpoint_dir=tmp_path, callbacks=[StopAfterTwoEpochs()], seed=1
    )
    history = STRATEGIES[kind]().fit(
        rest, batches(rest), batches(rest), epochs=4, resume_from=tmp_path / "best", seed=1
    )
    assert untimed(history) == untimed(expected)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), rest.parameters(), strict=True))


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


class StopAt(Callback):
    """Ends a fit after one of its steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, loop, metrics) -> None:
        if loop.progress.step == self.step:
            loop.request_stop("test")


class Curve(Callback):
    """Keeps every step."""

    def __init__(self) -> None:
        self.steps: dict[int, dict[str, float]] = {}

    def on_step_end(self, loop, metrics) -> None:
        assert loop.progress.step not in self.steps
        self.steps[loop.progress.step] = {k: v for k, v in metrics.items() if k != "tokens_per_second"}


def shuffled_loader(model, num_rows: int = 23) -> DataLoader:
    """Return a loader that torch itself shuffles out of the global random numbers."""
    rows = SequenceRows(
        [["ACDEFGHIKL"[: 3 + i % 7] * 2 for i in range(num_rows)]], encoder=model.adapter.alphabet, max_residues=99,
        targets=[float(i) for i in range(num_rows)],
    )  # fmt: skip
    return DataLoader(rows, batch_size=3, shuffle=True, collate_fn=Collate(model.adapter.alphabet, "regression"))


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("stop_at", [1, 4, 5, 8, 9])
def test_resume_inside_an_epoch_has_the_bits_of_an_unbroken_run(kind: str, stop_at: int, tmp_path) -> None:
    """8 batches of torch's own shuffle are 4 windows of 2 an epoch; BERT's dropout draws random numbers too."""
    torch.manual_seed(0)
    models = [tiny_model(family="bert", num_blocks=2) for _ in range(3)]
    curves = [Curve(), Curve(), Curve()]

    def fit(which: int, *callbacks: Callback, **how: object) -> list[dict[str, float]]:
        strategy, model = STRATEGIES[kind](), models[which]
        strategy.settings = strategy.settings.model_copy(update={"accumulation_steps": 2, "validate_raw": True})
        loader = shuffled_loader(model)
        return strategy.fit(model, loader, loader, epochs=3, callbacks=[curves[which], *callbacks], seed=4, **how)

    expected = fit(0)
    fit(1, StopAt(stop_at), checkpoint_dir=tmp_path)
    history = fit(2, checkpoint_dir=tmp_path, resume_from="auto")
    assert untimed(history) == untimed(expected)
    assert curves[1].steps | curves[2].steps == curves[0].steps
    assert sorted(curves[2].steps) == list(range(stop_at + 1, 13))
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[2].parameters(), strict=True))


def saved(tmp_path, epochs: int = 2, **settings) -> None:
    """Leave the checkpoints of a fit, `previous` too, as a process that was killed would."""
    model = tiny_model()

    class Die(Callback):
        def on_epoch_end(self, loop, metrics) -> None:
            # The writer skips a `last` that a newer one overtakes; here each epoch's is wanted on disk.
            while loop.progress.epoch > 1 and loop.writer.last_good != f"last (step {loop.progress.step - 3})":
                time.sleep(0.01)
            if loop.progress.epoch == epochs + 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HeadOnlyFinetune(amp=False, **settings).fit(
            model, batches(model), batches(model), epochs=9, checkpoint_dir=tmp_path, callbacks=[Die()]
        )


def test_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, caplog) -> None:
    saved(tmp_path, ema_decay=0.5)
    for name in ("last", "best"):
        path = tmp_path / name / "training.pt"
        path.write_bytes(path.read_bytes()[:-7])
    model = tiny_model()
    history = HeadOnlyFinetune(amp=False, ema_decay=0.5).fit(
        model, batches(model), batches(model), epochs=9, checkpoint_dir=tmp_path, resume_from="auto"
    )
    assert len(history) == 9
    messages = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert any("last is damaged: training.pt is missing or changed" in message for message in messages)


def test_every_checkpoint_damaged_is_an_error_that_names_them_all(tmp_path) -> None:
    """Starting afresh would overwrite what somebody may still mend."""
    saved(tmp_path)
    for manifest in tmp_path.glob("*/manifest.json"):
        manifest.write_text("{")
    model = tiny_model()
    with pytest.raises(RunError, match=r"None of the checkpoints in .*last is no checkpoint.*Move them away to start"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, checkpoint_dir=tmp_path, resume_from="auto")


def test_newer_format_is_not_taken_for_damage(tmp_path) -> None:
    saved(tmp_path)
    path = tmp_path / "last" / "manifest.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))
    model = tiny_model()
    with pytest.raises(RunError, match="is in format 3, this version of Molfun reads up to 2; update Molfun"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=9, checkpoint_dir=tmp_path, resume_from="auto")


def test_a_whole_checkpoint_that_was_not_yet_in_place_is_used(tmp_path) -> None:
    saved(tmp_path)
    (tmp_path / "last").rename(tmp_path / ".last.writing")
    for name in ("best", "previous"):
        shutil.rmtree(tmp_path / name)
    model, curve = tiny_model(), Curve()
    HeadOnlyFinetune(amp=False).fit(
        model, batches(model), epochs=9, checkpoint_dir=tmp_path, resume_from="auto", callbacks=[curve]
    )
    assert min(curve.steps) == 7


def test_damaged_checkpoint_never_takes_the_place_of_the_one_before(tmp_path) -> None:
    saved(tmp_path)
    (tmp_path / "last" / "training.pt").write_bytes(b"")
    shutil.rmtree(tmp_path / "best")
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=9, checkpoint_dir=tmp_path, resume_from="auto")
    assert [path.name for path in (tmp_path / "replaced-1").iterdir()] == ["last"]


def test_a_fresh_fit_moves_the_checkpoints_of_an_earlier_one_away(tmp_path) -> None:
    """Else a later "auto" would go on from the longer, older fit."""
    saved(tmp_path, lr=1e-2)
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, checkpoint_dir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last", "replaced-1"]
    assert sorted(p.name for p in (tmp_path / "replaced-1").iterdir()) == ["best", "last", "previous"]


def test_a_branch_that_was_left_is_moved_away(tmp_path) -> None:
    model = tiny_model()
    fit = HeadOnlyFinetune(amp=False).fit
    fit(model, batches(model), epochs=4, checkpoint_dir=tmp_path, save_every=1)
    fit(tiny_model(), batches(model), epochs=3, checkpoint_dir=tmp_path, resume_from=tmp_path / "epoch_2")
    assert read_manifest(tmp_path / "last")["epoch"] == 3
    assert sorted(p.name for p in (tmp_path / "replaced-1").iterdir()) == ["epoch_3", "epoch_4", "last"]


def test_checkpoint_of_another_frozen_trunk_is_refused(tmp_path) -> None:
    saved(tmp_path)
    model = tiny_model()
    with torch.no_grad():
        model.adapter.get_trunk_blocks()[0].attention.self.query.weight[0, 0] += 1e-3
    strategy = HeadOnlyFinetune(amp=False)
    with pytest.raises(RunError, match="was trained on another frozen trunk than this one: the weights differ"):
        strategy.fit(model, batches(model), epochs=9, resume_from=tmp_path / "last")
    with pytest.raises(RunError, match="was trained on another frozen trunk"):
        load_weights(model, tmp_path / "last")


def test_checkpoint_of_another_task_is_refused(tmp_path) -> None:
    saved(tmp_path)
    model = tiny_model("classification")
    HeadOnlyFinetune(amp=False).setup(model)
    with pytest.raises(RunError, match="does not fit this model: task is 'regression' there and 'classification' here"):
        load_weights(model, tmp_path / "last")


def rows_loader(model, num_rows: int, batch_size: int, generator: torch.Generator | None = None) -> DataLoader:
    """Return a shuffled loader with random numbers of its own, or of everybody's."""
    loader = shuffled_loader(model, num_rows)
    return DataLoader(
        loader.dataset, batch_size=batch_size, shuffle=True, collate_fn=loader.collate_fn, generator=generator
    )


@pytest.mark.parametrize(("num_rows", "batch_size"), [(24, 3), (45, 6)])
def test_other_rows_are_refused_even_where_the_steps_are_as_many(num_rows: int, batch_size: int, tmp_path) -> None:
    model = tiny_model()
    fit = HeadOnlyFinetune(amp=False).fit
    fit(model, rows_loader(model, 23, 3), epochs=1, checkpoint_dir=tmp_path)
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(RunError, match=rf"23 rows an epoch and 3 rows a step, this run has {num_rows} rows"):
        fit(model, rows_loader(model, num_rows, batch_size), epochs=2, checkpoint_dir=tmp_path, resume_from="auto")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_rows_a_step_may_be_made_up_in_another_way(tmp_path) -> None:
    """6 rows a step as 6, then as 2 x 3: the same within float32."""
    whole, part, rest = (tiny_model() for _ in range(3))
    expected = HeadOnlyFinetune(amp=False, lr=1e-2).fit(whole, rows_loader(whole, 23, 6), epochs=3, seed=0)
    settings = {"epochs": 3, "seed": 0, "checkpoint_dir": tmp_path}
    HeadOnlyFinetune(amp=False, lr=1e-2).fit(part, rows_loader(part, 23, 6), callbacks=[StopAt(6)], **settings)
    history = HeadOnlyFinetune(amp=False, lr=1e-2, accumulation_steps=2).fit(
        rest, rows_loader(rest, 23, 3), resume_from="auto", **settings
    )
    assert [row["train_loss"] for row in history] == pytest.approx([row["train_loss"] for row in expected], rel=1e-5)


@pytest.mark.parametrize("stop_at", [3, 4, 8])
def test_resume_is_exact_where_the_loader_has_random_numbers_of_its_own(stop_at: int, tmp_path) -> None:
    """4 steps an epoch: inside one, and at its edge."""
    models = [tiny_model() for _ in range(3)]

    def fit(which: int, *callbacks: Callback, **how: object) -> list[dict[str, float]]:
        model = models[which]
        loaders = [rows_loader(model, 23, 6, torch.Generator().manual_seed(n)) for n in (5, 6)]
        return HeadOnlyFinetune(amp=False, lr=1e-2).fit(model, *loaders, epochs=3, callbacks=callbacks, seed=4, **how)

    expected = fit(0)
    fit(1, StopAt(stop_at), checkpoint_dir=tmp_path)
    assert untimed(fit(2, checkpoint_dir=tmp_path, resume_from="auto")) == untimed(expected)


def test_validating_changes_nothing_that_is_trained() -> None:
    """A loader draws from the global random numbers at every pass."""
    runs = []
    for validate_raw in (False, True):
        model = tiny_model(family="bert", num_blocks=2)
        strategy = FullFinetune(amp=False, lr=1e-2, ema_decay=0.5, validate_raw=validate_raw)
        loader = rows_loader(model, 23, 6)
        runs.append([row["val_loss"] for row in strategy.fit(model, loader, loader, epochs=3, seed=0)])
    model = tiny_model(family="bert", num_blocks=2)
    unseen = FullFinetune(amp=False, lr=1e-2, ema_decay=0.5).fit(model, rows_loader(model, 23, 6), epochs=3, seed=0)
    assert runs[0] == runs[1]
    assert len(unseen) == 3


@pytest.mark.parametrize("name", ["last", "best"])
def test_a_process_killed_between_two_renames_loses_nothing(name: str, tmp_path) -> None:
    saved(tmp_path)
    epoch = read_manifest(tmp_path / name)["epoch"]
    aside = "previous" if name == "last" else ".best.older"
    if name == "last":
        shutil.rmtree(tmp_path / "previous")
    (tmp_path / name).rename(tmp_path / aside)
    (tmp_path / f".{name}.writing").mkdir()
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(
        model, batches(model), batches(model), epochs=epoch, checkpoint_dir=tmp_path, resume_from="auto"
    )
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("replaced")) == ["best", "last"]


def test_resume_with_other_settings_names_each_difference(tmp_path) -> None:
    saved(tmp_path)
    model = tiny_model()
    strategy = HeadOnlyFinetune(amp=False, lr=5e-3, weight_decay=0.5, early_stopping_patience=3)
    expected = r"other settings: lr is 0.0001 there and 0.005 here, weight_decay is 0.01 there and 0.5 here"
    with pytest.raises(RunError, match=expected):
        strategy.fit(model, batches(model), epochs=9, resume_from=tmp_path / "last")


def test_checkpoint_of_a_newer_version_is_refused(tmp_path) -> None:
    saved(tmp_path)
    path = tmp_path / "last" / "manifest.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(RunError, match="is in format 3, this version of Molfun reads up to 2; update Molfun"):
        read_manifest(tmp_path / "last")


def test_a_refused_checkpoint_leaves_the_model_as_it_was(tmp_path) -> None:
    saved(tmp_path, lr=1e-2)
    model = tiny_model()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(RunError, match="other settings"):
        HeadOnlyFinetune(amp=False, lr=2e-2).fit(model, batches(model), epochs=9, resume_from=tmp_path / "last")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_auto_without_a_folder_is_an_error() -> None:
    model = tiny_model()
    with pytest.raises(RunError, match="looks in checkpoint_dir, which is not given"):
        HeadOnlyFinetune(amp=False).fit(model, batches(model), epochs=1, resume_from="auto")


def test_more_epochs_go_on_along_the_curve_of_the_longer_run(tmp_path) -> None:
    """The stated rule: steps to come have the learning rates that the longer run would have had from the start."""
    short, long = tiny_model(), Curve()
    HeadOnlyFinetune(amp=False, lr=1e-2).fit(short, batches(short), epochs=2, checkpoint_dir=tmp_path)
    model = tiny_model()
    history = HeadOnlyFinetune(amp=False, lr=1e-2).fit(
        model, batches(model), epochs=5, checkpoint_dir=tmp_path, resume_from="auto", callbacks=[long]
    )
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    expected = {step: lr_at(step, peak=1e-2, total_steps=15, min_lr=1e-6) for step in range(7, 16)}
    assert {step: row["lr/head"] for step, row in long.steps.items()} == pytest.approx(expected)


@pytest.mark.parametrize(("keep", "left"), [(0, [1, 2, 3, 4, 5]), (2, [4, 5])])
def test_retention_keeps_the_newest_epochs(keep: int, left: list[int], tmp_path) -> None:
    model = tiny_model()
    HeadOnlyFinetune(amp=False).fit(
        model, batches(model), epochs=5, checkpoint_dir=tmp_path, save_every=1, keep_checkpoints=keep
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [*(f"epoch_{epoch}" for epoch in left), "last"]


def test_running_statistics_of_a_head_are_kept(tmp_path) -> None:
    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.out = torch.nn.BatchNorm1d(32), torch.nn.Linear(32, 1)

        def forward(self, trunk):
            return self.out(self.norm(trunk.hidden[0].mean(1))).squeeze(-1)

    model, other = tiny_model(), tiny_model()
    model.head, other.head = Head(), Head()
    HeadOnlyFinetune(amp=False).fit(model, batches(model)[:2], epochs=3, checkpoint_dir=tmp_path)
    HeadOnlyFinetune(amp=False).setup(other)
    load_weights(other, tmp_path / "last")
    assert torch.equal(other.head.norm.running_mean, model.head.norm.running_mean)
    assert other.head.norm.running_mean.abs().sum() > 0


def test_nothing_in_a_checkpoint_needs_unpickling(tmp_path) -> None:
    saved(tmp_path, ema_decay=0.5)
    names = {path.name for path in (tmp_path / "best").rglob("*") if path.is_file()}
    assert names == {"weights.safetensors", "raw.safetensors", "training.pt", "manifest.json"}
    assert torch.load(tmp_path / "best" / "training.pt", weights_only=True)["progress"]["epoch"] == 2

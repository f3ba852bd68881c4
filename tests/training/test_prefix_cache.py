"""Frozen states are computed once: the same losses, over families, tasks and strategies, after kills and damage."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from molfun.data.batches import Collate, EpochSampler, SequenceRows
from molfun.data.settings import Task
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from molfun.runs.preflight import forecast_seconds
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.training.callbacks import Callback
from molfun.training.prefix_cache import Boundary, find_boundary
from molfun.training.rehearsal import Rehearsal
from molfun.training.state_store import StateStore, is_in_use, remove_store
from tests.tiny import tiny_model

SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY"[i % 7 : 8 + i % 11] * (1 + i % 2) for i in range(23)]
CLOSE = {"rel": 2e-5, "abs": 1e-6}


def rows(model: MolfunStructureModel, task: Task = "regression", *, num_chains: int = 1, shuffle: bool = True) -> Any:
    """Return batches of unequal lengths, the last one smaller."""
    chains = [SEQUENCES, SEQUENCES[::-1]][:num_chains]
    targets: Any = {
        "regression": [float(s.count("G") + 0.1 * len(s)) for s in SEQUENCES],
        "classification": [len(s) % 3 for s in SEQUENCES],
        "per_residue": [[ord(letter) % 3 for letter in s] for s in SEQUENCES],
    }[task]
    found = SequenceRows(chains, encoder=model.adapter.alphabet, max_residues=99, targets=targets)
    order = EpochSampler(len(found), shuffle=shuffle, seed=1)
    return DataLoader(found, batch_size=4, collate_fn=Collate(model.adapter.alphabet, task), sampler=order)


def upper_lora(**about: Any) -> LoRAFinetune:
    """LoRA in the last of four blocks only."""
    return LoRAFinetune(lr=1e-2, rank=4, amp=False, target_modules=[r".*layer\.3\..*query"], **about)


STRATEGIES: dict[str, Any] = {
    "head_only": partial(HeadOnlyFinetune, lr=1e-2, amp=False),
    "partial": partial(PartialFinetune, lr=1e-2, amp=False, unfreeze_last_n=2, ema_decay=0.9),
    "lora": upper_lora,
}
CLASSES = {"loss_fn": "cross_entropy"}


def fit(
    strategy: FinetuneStrategy, folder: Path | None, task: Task = "regression", *, num_chains: int = 1, epochs: int = 3,
    **about: Any,
) -> list[dict[str, float]]:  # fmt: skip
    """Fit a small model; with dropout in what trains."""
    torch.manual_seed(5)
    model = tiny_model(task, num_chains=num_chains, num_blocks=4, **about)
    train, val = (rows(model, task, num_chains=num_chains, shuffle=shuffle) for shuffle in (True, False))
    history = strategy.fit(model, train, val, epochs=epochs, seed=7, prefix_cache=folder)
    assert model.prefix is None
    return history


def assert_same(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert {k: v for k, v in ours.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in theirs.items() if k != "seconds"}, nan_ok=True, **CLOSE
        )


@pytest.mark.parametrize("family", ["esm", "bert"])
@pytest.mark.parametrize("kind", STRATEGIES)
def test_losses_are_those_without_a_cache(kind: str, family: str, tmp_path: Path) -> None:
    expected = fit(STRATEGIES[kind](), None, family=family)
    assert_same(fit(STRATEGIES[kind](), tmp_path, family=family), expected)
    assert_same(fit(STRATEGIES[kind](), tmp_path, family=family), expected)  # nothing is left to compute
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("family", ["esmc", "t5"])
def test_other_families_keep_what_they_can(family: str, tmp_path: Path) -> None:
    for kind in ("head_only", "partial"):
        expected = fit(STRATEGIES[kind](), None, family=family)
        assert_same(fit(STRATEGIES[kind](), tmp_path, family=family), expected)
    # T5's first block computes what all others need, so that only the whole trunk can be kept.
    assert len(list(tmp_path.iterdir())) == (1 if family == "t5" else 2)


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
@pytest.mark.parametrize("num_chains", [1, 2])
def test_every_pooling_and_several_chains(pooling: Any, num_chains: int, tmp_path: Path) -> None:
    head = HeadSettings(pooling=pooling, dropout=0.2, hidden_size=8)
    expected = fit(STRATEGIES["head_only"](**CLASSES), None, "classification", num_chains=num_chains, head=head)
    strategy = STRATEGIES["head_only"](**CLASSES)
    assert_same(fit(strategy, tmp_path, "classification", num_chains=num_chains, head=head), expected)
    (store,) = tmp_path.iterdir()
    tokens = sum(len(s) + 2 for s in set(SEQUENCES))
    width = (store / "states.f32").stat().st_size // 4 // (tokens if pooling == "attention" else len(set(SEQUENCES)))
    assert width == tiny_model().adapter.hidden_size


@pytest.mark.parametrize("kind", STRATEGIES)
def test_labels_of_residues(kind: str, tmp_path: Path) -> None:
    expected = fit(STRATEGIES[kind](**CLASSES), None, "per_residue")
    assert_same(fit(STRATEGIES[kind](**CLASSES), tmp_path, "per_residue"), expected)


def boundary(strategy: FinetuneStrategy, **about: Any) -> Boundary | None:
    model = tiny_model(num_blocks=4, **about)
    strategy.setup(model)
    return find_boundary(model)


def test_the_boundary_is_read_off_what_trains() -> None:
    assert boundary(HeadOnlyFinetune()) == Boundary(4, True, "mean")
    assert boundary(HeadOnlyFinetune(), head=HeadSettings(pooling="attention")) == Boundary(4, True)
    assert boundary(PartialFinetune(unfreeze_last_n=1)) == Boundary(3)
    assert boundary(upper_lora()) == Boundary(3)
    assert boundary(LoRAFinetune()) is None
    assert boundary(FullFinetune()) is None
    assert boundary(PartialFinetune(unfreeze_last_n=2), family="t5") is None
    # By hand, without any strategy's name.
    model = tiny_model(num_blocks=4)
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    model.adapter.get_trunk_blocks()[2].requires_grad_(True)
    assert find_boundary(model) == Boundary(2)


def count_forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows that go through the first block of a trunk."""
    seen: list[int] = []
    real = tiny_model

    def watched(*args: Any, **about: Any) -> MolfunStructureModel:
        model = real(*args, **about)
        first: nn.Module = model.adapter.get_trunk_blocks()[0]
        first.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
        return model

    monkeypatch.setitem(globals(), "tiny_model", watched)
    return seen


def test_each_sequence_is_computed_once_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count_forwards(monkeypatch)
    fit(STRATEGIES["partial"](), tmp_path, epochs=4)
    assert sum(seen) == len(set(SEQUENCES))
    fit(STRATEGIES["partial"](), tmp_path, epochs=4)
    fit(STRATEGIES["lora"](), tmp_path, epochs=1)  # another depth
    assert sum(seen) == 2 * len(set(SEQUENCES))


def test_other_weights_have_another_store(tmp_path: Path) -> None:
    fit(STRATEGIES["head_only"](), tmp_path, epochs=1)
    torch.manual_seed(99)
    model = tiny_model(num_blocks=4)
    with torch.no_grad():
        next(model.adapter.get_trunk_blocks()[3].parameters()).add_(1e-3)
    STRATEGIES["head_only"]().fit(model, rows(model), epochs=1, prefix_cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_resume_with_a_cache_is_exact(tmp_path: Path) -> None:
    def run(epochs: int, place: str, **more: Any) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
        torch.manual_seed(5)
        model = tiny_model(num_blocks=4)
        history = STRATEGIES["partial"](scheduler="constant", warmup_steps=0).fit(
            model, rows(model), rows(model, shuffle=False), epochs=epochs, seed=7, prefix_cache=tmp_path / "cache",
            checkpoint_dir=tmp_path / place, **more,
        )  # fmt: skip
        return history, model.state_dict()

    run(4, "warm")  # all states are kept from here on, so that both read the same bits
    whole, expected = run(4, "whole")
    run(2, "parts")
    rest, found = run(4, "parts", resume_from=tmp_path / "parts" / "last")
    assert rest[-1]["train_loss"] == whole[-1]["train_loss"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def states(seed: int, rows: int, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def key(number: int) -> bytes:
    return number.to_bytes(16, "little")


def test_a_store_gives_back_what_it_got(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    wanted = {key(i): states(i, 1 + i % 5) for i in range(20)}
    store.add(wanted)
    other = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    for number in range(20):
        np.testing.assert_array_equal(store.find(key(number)), wanted[key(number)])
        np.testing.assert_array_equal(other.find(key(number)), wanted[key(number)])
    assert store.find(key(99)) is None
    other.add({key(99): states(99, 3)})
    store.look_again()
    np.testing.assert_array_equal(store.find(key(99)), states(99, 3))


@pytest.mark.parametrize("cut", [1, 31, 32])
@pytest.mark.parametrize("name", ["index", "states.f32"])
def test_half_written_sequences_are_not_read(name: str, cut: int, tmp_path: Path) -> None:
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    store.add({key(0): states(0, 4)})
    store.add({key(1): states(1, 4)})
    path = tmp_path / "a" / name
    path.write_bytes(path.read_bytes()[:-cut])
    again = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    np.testing.assert_array_equal(again.find(key(0)), states(0, 4))
    found = again.find(key(1))
    assert found is None
    again.add({key(1): states(1, 4), key(2): states(2, 3)})
    last = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    for number, size in ((0, 4), (1, 4), (2, 3)):
        np.testing.assert_array_equal(last.find(key(number)), states(number, size))


def test_damaged_states_are_not_believed(tmp_path: Path) -> None:
    StateStore(tmp_path / "a", 8, max_bytes=10**9).add({key(0): states(0, 4), key(1): states(1, 4)})
    path = tmp_path / "a" / "states.f32"
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    assert store.find(key(0)) is None
    np.testing.assert_array_equal(store.find(key(1)), states(1, 4))


def test_states_that_cannot_be_opened_are_not_known(tmp_path: Path) -> None:
    StateStore(tmp_path / "a", 8, max_bytes=10**9).add({key(0): states(0, 4)})
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    (tmp_path / "a" / "states.f32").unlink()
    (tmp_path / "a" / "states.f32").mkdir()
    assert store.find(key(0)) is None


def fill(folder: Path, first: int) -> None:
    """Add sequences that other processes add as well."""
    store = StateStore(folder, 8, max_bytes=10**9)
    for number in range(first, first + 60):
        store.add({key(number): states(number, 1 + number % 5)})


def test_several_processes_write_together(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=fill, args=(tmp_path / "a", first)) for first in (0, 20, 40)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    assert len(store) == 100
    for number in range(100):
        np.testing.assert_array_equal(store.find(key(number)), states(number, 1 + number % 5))
    assert (tmp_path / "a" / "states.f32").stat().st_size == store.num_bytes


def test_a_killed_writer_loses_nothing_that_was_written(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\nfrom pathlib import Path\n"
        "from tests.training.test_prefix_cache import StateStore, key, states\n"
        "store = StateStore(Path(sys.argv[1]), 8, max_bytes=10**9)\nprint('on', flush=True)\n"
        "for number in range(10**6): store.add({key(number): states(number, 500)})\n"
    )
    root = str(Path(__file__).parents[2])
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a"), root], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    assert len(store) > 0
    for number in range(len(store)):
        np.testing.assert_array_equal(store.find(key(number)), states(number, 500))


def test_stores_that_nobody_used_for_long_make_room(tmp_path: Path) -> None:
    for place, name in enumerate(("old", "older", "new")):
        store = StateStore(tmp_path / name, 8, max_bytes=10**9)
        store.add({key(0): states(0, 100)})
        moment = 1_000_000_000 + {"older": 0, "old": 1, "new": 2}[name] * 1000
        os.utime(tmp_path / name / "used", (moment, moment))
        assert place < 3
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    StateStore(tmp_path / "mine", 8, max_bytes=size + 10).add({key(7): states(7, 50)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "new", "old"]


def test_a_full_cache_stops_growing_and_training_goes_on(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "a", 8, max_bytes=2_000)
    store.add({key(0): states(0, 50)})
    store.add({key(1): states(1, 50)})
    assert store.is_full
    assert store.find(key(0)) is not None
    assert store.find(key(1)) is None
    expected = fit(STRATEGIES["partial"](), None)
    torch.manual_seed(5)
    model = tiny_model(num_blocks=4)
    found = STRATEGIES["partial"]().fit(
        model, rows(model), rows(model, shuffle=False), epochs=3, seed=7, prefix_cache=tmp_path / "few",
        prefix_cache_gb=5e-6,
    )  # fmt: skip
    assert_same(found, expected)


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = fit(STRATEGIES["head_only"](), None)
    assert_same(fit(STRATEGIES["head_only"](), tmp_path / "file"), expected)


def test_the_rehearsal_tells_what_is_done_once(tmp_path: Path) -> None:
    found: list[Rehearsal] = []

    class Watch(Callback):
        def on_rehearsal(self, loop: Any, rehearsal: Rehearsal) -> None:
            found.append(rehearsal)

    for _ in range(2):
        model = tiny_model(num_blocks=4)
        batch = next(iter(rows(model, shuffle=False)))
        STRATEGIES["head_only"]().fit(
            model, rows(model), epochs=1, prefix_cache=tmp_path, rehearse_batch=batch, callbacks=[Watch()]
        )
    cold, warm = found
    assert 0 < cold.once_seconds < cold.seconds
    assert cold.reads_kept
    assert warm.once_seconds == 0.0
    # 100 tokens took a second for what is done once and 0.1 for the rest; 1,000 residues, 50 epochs.
    told = Rehearsal(1.1, 0, 4, 30, 100, 0, once_seconds=1.0, reads_kept=True)
    assert forecast_seconds(told, {"train": 1000, "val": 0}, epochs=50) == pytest.approx(10 + 50 * 1.0)


def test_a_store_that_is_open_is_removed_by_nobody(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "a", 8, max_bytes=10**9)
    store.add({key(0): states(0, 100)})
    assert is_in_use(tmp_path / "a")
    assert not remove_store(tmp_path / "a")
    other = StateStore(tmp_path / "b", 8, max_bytes=4_000)
    other.add({key(1): states(1, 50)})
    assert other.is_full
    np.testing.assert_array_equal(store.find(key(0)), states(0, 100))
    del store
    assert not is_in_use(tmp_path / "a")
    assert remove_store(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_store_says_what_it_holds(tmp_path: Path) -> None:
    fit(STRATEGIES["partial"](), tmp_path, epochs=1)
    (folder,) = tmp_path.iterdir()
    about = json.loads((folder / "about.json").read_text())
    assert (about["card"], about["depth"], about["whole"], about["pooling"]) == ("esm2_8m", 2, False, "")

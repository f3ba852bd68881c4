"""What the forecast says of kept states is what lies on the disk afterwards; stores are listed and removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from molfun.cli import app
from molfun.data.batches import make_loader
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.evaluation.predict import predict_table
from molfun.models.precision import Precision
from molfun.runs.cleaning import CleaningRules, clean, plan_cleaning
from molfun.runs.frozen import KeptForecast, forecast_kept, free_store, list_stores
from molfun.runs.loading import build_run_model
from molfun.runs.plan import plan_run
from molfun.runs.spec import RunSpec
from molfun.training.build import build_strategy
from molfun.training.prefix_cache import frozen_prefix
from molfun.training.preview import preview_parameters
from molfun.training.state_store import RECORD, StateStore

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
HIDDEN = 320  # of ESM-2 8M, which has 6 blocks
KINDS: dict[str, dict[str, Any]] = {
    "head_only": {},
    "head_only of residues": {"model.head.pooling": "attention"},
    "partial": {"strategy.unfreeze_last_n": 2},
}


def save(home: Path, *, num_chains: int = 1) -> Dataset:
    """Save 40 rows of which every tenth has a sequence of another one."""
    rows = [{"a": RESIDUES[i % 18] * (20 + i % 36), "b": RESIDUES[::-1][: 5 + i % 9], "y": float(i)} for i in range(40)]
    columns = ColumnSettings(sequence=["a", "b"][:num_chains], target="y", task="regression")
    return save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(), name="Tiny", about={})


def plan(home: Path, dataset: Dataset, kind: str, **changes: Any) -> RunSpec:
    values = {"data": {"dataset": dataset.id}, "model": {"name": "esm2_8m", "weights": "random"}}
    told = {"strategy.amp": False, **KINDS.get(kind, {}), **changes}
    return plan_run(home, values, strategy=kind.split()[0], changes=told)[0]


def ask(home: Path, spec: RunSpec, dataset: Dataset) -> KeptForecast | None:
    about = {"task": dataset.task, "num_outputs": 1, "num_chains": dataset.num_chains}
    answer = json.loads(json.dumps(preview_parameters({"spec": spec.model_dump(mode="json"), **about})))
    return forecast_kept(home, spec, dataset, answer)


def train(home: Path, spec: RunSpec, dataset: Dataset, *, weights: str = "random") -> None:
    """Do what a worker does, all parts included."""
    torch.manual_seed(0)
    model = build_run_model(spec, dataset)
    model.adapter.weights = weights
    strategy = build_strategy(spec.strategy.model_dump())
    loaders = [
        make_loader(dataset, part, encoder=model.adapter.alphabet, max_residues=1022, batch_size=8, shuffle=False,
                    seed=0) for part in ("train", "val", "test")
    ]  # fmt: skip
    folder = home / "cache" / "frozen"
    strategy.fit(model, loaders[0], loaders[1], epochs=1, prefix_cache=folder)
    precision = Precision(torch.device("cpu"), amp=False)
    with frozen_prefix(model, precision, folder, max_gigabytes=1.0):
        predict_table(model, loaders[2], precision)


@pytest.mark.parametrize("num_chains", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_forecast_is_the_size_on_the_disk(kind: str, num_chains: int, home: Path) -> None:
    dataset = save(home, num_chains=num_chains)
    spec = plan(home, dataset, kind)
    expected = ask(home, spec, dataset)
    assert expected is not None
    train(home, spec, dataset)
    (store,) = list_stores(home)
    files = {path.name: path.stat().st_size for path in store.path.iterdir()}
    assert expected.num_bytes == files["states.f32"] + files["index"]
    assert (expected.num_sequences, expected.num_kept, expected.num_known) == (store.num_sequences,) * 2 + (0,)
    assert files["index"] == store.num_sequences * RECORD.size
    assert files["states.f32"] % (HIDDEN * 4) == 0
    part = "first 4 of 6 blocks, of every residue" if kind == "partial" else "all of the trunk, "
    assert part in expected.line
    assert "computed once, read ever after" in expected.line
    # Other weights may be drawn next time, so that nothing is promised of them.
    assert ask(home, spec, dataset) == expected


def test_what_is_there_already_is_known_without_weights(home: Path) -> None:
    dataset = save(home)
    spec = plan(home, dataset, "head_only")
    train(home, spec, dataset, weights="pretrained")
    pretrained = spec.changed({"model.weights": "pretrained"})
    found = ask(home, pretrained, dataset)
    assert found is not None
    assert found.num_known == found.num_sequences
    assert found.line == (
        f"Frozen states: already kept of all {found.num_sequences} sequences (all of the trunk, one vector a sequence)."
    )
    partial = ask(home, pretrained.changed({"model.head.pooling": "cls"}), dataset)
    assert partial is not None
    assert partial.num_known == 0


def test_what_does_not_fit_is_said(home: Path) -> None:
    dataset = save(home)
    spec = plan(home, dataset, "head_only")
    whole = ask(home, spec, dataset)
    assert whole is not None
    half = ask(home, spec.changed({"training.keep_frozen_gb": whole.num_bytes / 2e9}), dataset)
    assert half is not None
    assert half.num_kept == whole.num_sequences // 2
    assert f"do not fit; {half.num_kept} of {whole.num_sequences} sequences will be kept" in half.line
    assert replace(whole, num_known=3).line.endswith(f"; 3 of {whole.num_sequences} sequences are there already.")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("lora", {}), ("full", {}), ("head_only", {"training.keep_frozen": False}),
        ("head_only", {"training.keep_frozen_gb": 0}), ("head_only", {"training.crop_size": 10}),
        ("head_only", {"training.num_processes": 2, "training.distributed": "fsdp"}),
    ],
)  # fmt: skip
def test_nothing_is_forecast_where_nothing_is_kept(kind: str, changes: dict[str, Any], home: Path) -> None:
    dataset = save(home)
    assert ask(home, plan(home, dataset, kind).changed(changes), dataset) is None


@pytest.fixture
def make_store(home: Path) -> Callable[[str], StateStore]:
    """Return a function that makes a store of one sequence."""

    def make(name: str) -> StateStore:
        store = StateStore(home / "cache" / "frozen" / name, 8, max_bytes=10**9)
        about = {"card": "esm2_8m", "weights": "pretrained", "whole": False, "depth": 4, "pooling": ""}
        store.describe(about)
        store.add({b"0" * 16: torch.zeros(5, 8).numpy()})
        return store

    return make


def test_stores_are_listed_and_go_only_when_nobody_has_them_open(
    home: Path, make_store: Callable[[str], StateStore]
) -> None:
    store = make_store("a")
    (found,) = list_stores(home)
    assert (found.title, found.num_sequences, found.is_open) == (
        "ESM-2 8 M, pretrained weights: first 4 of 6 blocks, of every residue", 1, True,
    )  # fmt: skip
    rules = CleaningRules(frozen_after_days=0, cache_after_days=0)
    assert plan_cleaning(home, rules) == []
    assert free_store(found.path) == 0
    del store
    plan = plan_cleaning(home, rules)
    assert [piece.path for piece in plan] == [found.path]
    assert plan_cleaning(home, CleaningRules()) == []
    said = CliRunner().invoke(app, ["disk"]).output
    assert "(1 sequence)" in " ".join(said.split())
    open_again = make_store("a")
    assert clean(home, plan) == 0
    del open_again
    assert clean(home, plan) > 160
    assert list_stores(home) == []


def test_the_command_line_says_what_is_kept(home: Path) -> None:
    dataset = save(home)
    (home / "run.yaml").write_text(plan(home, dataset, "head_only").to_yaml())
    said = CliRunner().invoke(app, ["parameters", str(home / "run.yaml")]).output
    assert "Frozen states:" in said
    told = json.loads(CliRunner().invoke(app, ["parameters", str(home / "run.yaml"), "--json"]).output)["kept"]
    assert told["num_sequences"] == told["num_kept"] > 0

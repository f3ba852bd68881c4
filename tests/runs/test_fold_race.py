"""A race over folds is planned whole, with the same settings on every fold, and is found again by its tag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from molfun.cli import app
from molfun.data.dataset import list_datasets, load_dataset
from molfun.errors import DataError, MolfunError, SettingError
from molfun.runs.certainty import read_validation
from molfun.runs.cross_validation import find_cross_validations, pool
from molfun.runs.fold_race import plan_fold_race
from molfun.runs.loading import load, load_together
from molfun.runs.race import enter
from molfun.runs.status import run_status
from molfun.runs.store import RUN_ID, RunStore
from tests.real_runs import few_rows, kill_all, wait_for_end

TINY = {"model.name": "esm2_8m", "model.weights": "random", "training.num_threads": "1"}


@pytest.fixture
def values(tmp_path: Path) -> dict[str, object]:
    """Return a spec that names a table of 40 rows."""
    return {"data": {"table": str(few_rows(tmp_path / "few.csv"))}}


def test_every_fold_has_the_same_strategies_settings_and_seeds(home: Path, values: dict[str, object]) -> None:
    entries = plan_fold_race(
        home, values, "one-ab12-cv", num_folds=3, repeats=2, changes=TINY, kinds=["head_only", "lora"], num_seeds=2
    )
    assert len(entries) == 3 * 2 * 2 * 2
    assert [entry.id for entry in entries[3:5]] == ["one-ab12-cv-r1f1-lora-s1", "one-ab12-cv-r1f2-head-only-s0"]
    assert all(RUN_ID.fullmatch(entry.id) for entry in entries)
    assert {entry.tag for entry in entries} == {"cv-ab12"}
    assert entries[-1].spec.name == "few, repeat 2, fold 3 of 3, LoRA, ESM-2 8 M, seed 1"
    ways = {entry.spec.model_copy(update={"data": None, "name": ""}).model_dump_json() for entry in entries}
    assert len(ways) == 4
    splits = [load_dataset(home / "datasets", entry.spec.data.dataset).split for entry in entries[::4]]
    assert [(split.seed, split.fold) for split in splits] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert RunStore(home).list() == []


def test_a_saved_dataset_and_its_table_have_the_same_folds(home: Path, values: dict[str, object]) -> None:
    changes = {**TINY, "data.split.seed": "3"}
    entries = plan_fold_race(home, values, "a-cv", num_folds=2, changes=changes, kinds=["lora"])
    told = {"data": {"dataset": entries[1].spec.data.dataset}}
    again = plan_fold_race(home, told, "a-cv", num_folds=2, changes=TINY, kinds=["lora"])
    assert [(entry.id, entry.spec) for entry in again] == [(entry.id, entry.spec) for entry in entries]


def test_the_folds_of_an_example_are_not_those_of_its_column(home: Path) -> None:
    changes = {"data.split.kind": "stratified", "model.weights": "random"}
    entries = plan_fold_race(
        home, {"data": {"example": "v_genes"}}, "v-cv", num_folds=2, kinds=["head_only"], changes=changes
    )
    assert [entry.spec.name.split(", ")[1] for entry in entries] == ["fold 1 of 2", "fold 2 of 2"]
    with pytest.raises(DataError, match="'A column says' has no folds; choose one of random"):
        plan_fold_race(home, {"data": {"example": "v_genes"}}, "v-cv", num_folds=2)


@pytest.mark.parametrize(
    ("asked", "changes", "message"),
    [
        ({"num_folds": 5, "repeats": 3}, {}, "would have 60 runs; 56 is the most"),
        ({"num_folds": 5, "kinds": ["lora"], "grid": {"strategy.rank": ["2"] * 12}}, {}, "would have 60 runs"),
        ({"num_folds": 1}, {}, "expected 2 or more folds"),
        ({"num_folds": 3, "kinds": ["lorra"]}, {}, "did you mean 'lora'"),
        ({"num_folds": 2}, {"model.start_from": "other"}, "may have trained on rows which other folds test"),
        ({"num_folds": 2}, {"data.split.kind": "group"}, "needs a group column and there is none"),
        ({"num_folds": 2}, {"data.dataset": "x"}, "got data.dataset and data.table; give exactly one"),
    ],
)
def test_what_cannot_be_is_refused(
    home: Path, values: dict[str, object], asked: dict[str, object], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(MolfunError, match=message):
        plan_fold_race(home, values, "r-cv", changes={**TINY, **changes}, **asked)  # type: ignore[arg-type]
    assert RunStore(home).list() == []


def test_nothing_is_saved_for_a_race_that_is_too_large(home: Path, values: dict[str, object]) -> None:
    with pytest.raises(SettingError, match="would have 400 runs"):
        plan_fold_race(home, values, "r-cv", num_folds=100, changes=TINY)
    assert list_datasets(home / "datasets") == []


@pytest.mark.slow
def test_folds_that_were_trained_are_pooled_and_predict_together(
    home: Path, values: dict[str, object], tmp_path: Path
) -> None:
    changes = {**TINY, "training.epochs": "1", "strategy.amp": "false"}
    entries = plan_fold_race(home, values, "real-cv", num_folds=2, changes=changes, kinds=["head_only"])
    folders = [enter(home, entry) for entry in entries]
    assert [enter(home, entry).path for entry in entries] == [folder.path for folder in folders]
    try:
        for folder in folders:
            wait_for_end(folder)
            assert run_status(folder).status == "finished", folder.log_tail()
    finally:
        for folder in folders:
            kill_all(folder)
    (arm,) = pool(find_cross_validations(folders)[0])
    assert arm.pooled is not None
    assert sorted(arm.pooled.rows) == list(range(2, 42))
    for folder in folders:
        rows = load_dataset(home / "datasets", folder.spec.data.dataset).part("val")
        found = read_validation(folder)
        assert found is not None
        assert found["row"].tolist() == rows["row"].tolist()
        assert found["target"].tolist() == pytest.approx(rows["target"].tolist())
        single = load(folder.id).predict(rows["chain_1"].tolist())
        assert found["prediction"].tolist() == pytest.approx(single["prediction"].tolist(), abs=1e-5)
    new = tmp_path / "new.csv"
    new.write_text("sequence\nMKTAYIAKQR\nMKTAYIAKQK\n")
    command = ["predict", folders[0].id, str(new), "-o", str(tmp_path / "out.csv"), "--with", folders[1].id]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    together = pd.read_csv(tmp_path / "out.csv")
    each = np.array([load(folder.id).predict(["MKTAYIAKQR", "MKTAYIAKQK"])["prediction"] for folder in folders])
    assert together["prediction"].tolist() == pytest.approx(each.mean(axis=0).tolist(), abs=1e-5)
    assert together["spread"].tolist() == pytest.approx(each.std(axis=0, ddof=1).tolist(), abs=1e-5)
    # Intervals of all folds come from the rows that each left out.
    ensemble, learned = load_together(folders[0].id, [folders[1].id], coverage=0.8)
    assert learned is None
    bounds = ensemble.predict(["MKTAYIAKQR"]).iloc[0]
    assert bounds["low"] < bounds["prediction"] < bounds["high"]
    (folders[1].predictions / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"Intervals need .*validation rows"):
        load_together(folders[0].id, [folders[1].id], coverage=0.8)


def test_folds_of_a_saved_dataset_keep_its_kind_of_split(home: Path, values: dict[str, object]) -> None:
    entries = plan_fold_race(home, values, "a-cv", num_folds=2, changes=TINY, kinds=["lora"])
    saved = {"data": {"dataset": entries[0].spec.data.dataset}}
    with pytest.raises(SettingError, match=r"was saved with data.split.kind = 'random', but 'identity' is asked for"):
        plan_fold_race(home, saved, "b-cv", num_folds=2, changes={**TINY, "data.split.kind": "identity"})

"""Folds are found by what they are, pooled row by row, and nothing that is missing is hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score

from molfun.runs.cross_validation import (
    CrossValidation,
    arms_of,
    difference,
    find_cross_validations,
    pool,
    pool_baselines,
    pooled_score,
    siblings_of,
    spread,
)
from molfun.runs.pooled import find_pooled, lead, meaning, missing, pooled_table
from molfun.runs.store import RunStore
from tests.runs.fold_folders import CLASSES, NUM_ROWS, write_folds


def only(found: list[CrossValidation]) -> CrossValidation:
    (one,) = found
    return one


def test_every_row_counts_once_in_the_pooled_score(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5})
    (arm,) = pool(only(find_cross_validations(folders)))
    tables = [pd.read_parquet(folder.predictions / "test.parquet") for folder in folders]
    rows = pd.concat(tables)
    assert arm.pooled is not None
    assert sorted(arm.pooled.rows) == list(range(1, NUM_ROWS + 1))
    assert arm.pooled.value == pytest.approx(spearmanr(rows["target"], rows["prediction"]).statistic)
    scores = [spearmanr(table["target"], table["prediction"]).statistic for table in tables]
    assert spread(arm) == pytest.approx((np.mean(scores), np.std(scores, ddof=1)))
    assert (arm.title, arm.num_expected, arm.missing) == ("LoRA", 3, ())


def test_rounds_are_repeats_and_seeds_and_their_score_is_a_mean(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5}, repeats=2, seeds=(0, 1))
    (arm,) = pool(only(find_cross_validations(folders)))
    assert len(arm.rounds) == 4
    assert (len(arm.scores), arm.num_expected) == (12, 12)
    each = [spearmanr(table["target"], table["prediction"]).statistic for table in arm.rounds]
    assert arm.pooled is not None
    assert arm.pooled.value == pytest.approx(np.mean(each))
    interval, singles = arm.pooled.interval(), [pooled_score([table], "spearman") for table in arm.rounds]
    assert interval is not None
    assert interval.low < arm.pooled.value < interval.high
    assert arm.pooled.samples.std() < np.mean([one.samples.std() for one in singles if one is not None])


def test_classes_are_pooled_into_one_confusion(home: Path) -> None:
    (arm,) = pool(only(find_cross_validations(write_folds(home, {"lora": 0.3}, columns=CLASSES))))
    (table,) = arm.rounds
    assert arm.pooled is not None
    assert arm.pooled.value == pytest.approx(balanced_accuracy_score(table["target"], table["prediction"]))


def test_what_is_missing_is_said_and_what_is_there_is_pooled(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5, "full": 0.5}, without=[("lora", 2)])
    found = find_pooled(only(find_cross_validations(folders)))
    assert missing(found) == ["LoRA lacks 1 of 3 test scores: fold 2 (failed)."]
    lora, full = found.arms
    assert lora.pooled is not None
    assert len(lora.pooled.rows) == 40
    paired = difference(lora, full, "spearman")
    assert paired is not None
    assert paired.num_rows == 40
    assert "not all of the others predicted the same rows" in lead(found)
    partial = find_cross_validations(folders[:2])
    assert missing(find_pooled(only(partial)))[1] == "Full lacks 2 of 3 test scores: fold 2 (no run), fold 3 (no run)."


def test_a_round_with_a_missing_fold_does_not_count_beside_whole_ones(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5}, seeds=(0, 1))
    (folders[1].predictions / "test.parquet").unlink()
    (arm,) = pool(only(find_cross_validations(folders)))
    assert len(arm.rounds) == 1
    assert arm.missing == ("fold 1 of split seed 0, seed 1 (no test score)",)
    assert arm.pooled is not None
    assert len(arm.pooled.rows) == NUM_ROWS


def test_the_mean_of_the_training_rows_has_no_pooled_rank_correlation(home: Path) -> None:
    cross = only(find_cross_validations(write_folds(home, {"lora": 0.5})))
    baselines = {arm.title: arm for arm in pool_baselines(cross)}
    assert baselines["mean"].pooled is None
    (table,) = baselines["mean"].rounds
    assert spearmanr(table["target"], table["prediction"]).statistic < -0.05  # what it would have been
    assert baselines["one_hot"].pooled is not None
    assert spread(baselines["one_hot"])[0] == pytest.approx(0.3)


def test_the_better_arm_is_named_with_what_is_sure(home: Path) -> None:
    found = find_pooled(only(find_cross_validations(write_folds(home, {"lora": 0.2, "full": 3.0}))))
    assert lead(found).startswith("LoRA scores highest: Spearman correlation 0.9")
    assert "ahead of all others in 100% of 2,000 resamples of the rows, more than chance." in lead(found)
    assert "“one-hot residues”, and LoRA is clearly ahead (+0." in lead(found)
    table = pooled_table(found).set_index("title")
    assert table.index.tolist() == ["LoRA", "Full", "Mean of training", "One-hot residues"]
    assert table.loc["LoRA", "to_best"] is None
    assert table.loc["Full", "to_best"].high < 0
    assert table.loc["LoRA", "low"] < table.loc["LoRA", "pooled"] < table.loc["LoRA", "high"]
    assert "in the unit of the target" in meaning(found)


def test_other_tables_and_single_splits_are_no_folds_of_it(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5, "full": 0.5})
    spec = folders[0].spec
    single = spec.data.split.model_copy(update={"num_folds": 0}) if spec.data.split else None
    alone = RunStore(home).create(spec.model_copy(update={"data": spec.data.model_copy(update={"split": single})}))
    broken = RunStore(home).create(spec)
    broken.spec_path.write_text("x: [")
    found = find_cross_validations([alone, *folders, broken])
    assert [run.folder for run in only(found).runs] == folders
    assert set(arms_of([alone, *folders]).values()) == {"LoRA", "Full"}
    assert siblings_of(folders[0], [alone, *folders]) == folders[::2]
    assert siblings_of(alone, folders) == []


def test_settings_tell_arms_apart(home: Path) -> None:
    folders = write_folds(home, {"lora": 0.5})
    more = [
        RunStore(home).create(folder.spec.changed({"strategy.rank": 4}), run_id=f"rank-{number}")
        for number, folder in enumerate(folders)
    ]
    assert only(find_cross_validations([*folders, *more])).arms == ["rank 8", "rank 4"]


def test_arms_without_any_prediction_are_said(home: Path) -> None:
    found = find_pooled(
        only(find_cross_validations(write_folds(home, {"lora": 1.0}, without=[("lora", f) for f in (1, 2, 3)])))
    )
    assert (lead(found), len(pooled_table(found))) == ("", 1)
    assert missing(found) == ["LoRA lacks 3 of 3 test scores: fold 1 (failed), fold 2 (failed), fold 3 (failed)."]

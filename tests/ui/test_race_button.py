"""What a race or cross-validation of the form would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.data.dataset import Dataset, list_datasets
from molfun.ui.forms import label_of
from molfun.ui.race_button import Wanted, varied_settings
from tests.drawn_pages import button, dataset, draw, words
from tests.runs.fold_folders import write_folds
from tests.test_app import GOOD, table, upload

__all__ = ["dataset"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(["head_only", "lora"]), 2),
        (Wanted(["head_only", "lora"], num_seeds=3, grid={"strategy.rank": ["2", "4"]}), 9),
        (Wanted(["lora"], num_folds=5, repeats=3), 15),
        (Wanted(["lora", "full"], num_seeds=2, num_folds=5), 20),
        (Wanted([], num_folds=5), 0),
    ],
)
def test_runs_are_counted_before_they_are_asked_for(wanted: Wanted, expected: int) -> None:
    assert wanted.num_runs == expected


def test_what_strategies_and_seeds_are_for_is_not_varied() -> None:
    assert {"strategy.rank", "training.epochs"} <= set(varied_settings())
    assert not {"strategy.kind", "training.seed"} & set(varied_settings())


def test_no_two_settings_that_vary_read_the_same() -> None:
    labels = [label_of(info) for info in varied_settings().values()]
    assert len(set(labels)) == len(labels)


def test_only_data_that_are_a_fold_offer_all_of_them(home: Path, dataset: Dataset) -> None:
    folds = write_folds(home, {"lora": 1.0})
    labels = [item.label for item in draw("new_run", dataset=folds[0].spec.data.dataset).button]
    assert "Cross-validate in 3 folds" in labels
    labels = [item.label for item in draw("new_run", dataset=dataset.id).button]
    assert [label for label in labels if "ross-validate" in label] == ["Race or cross-validate…"]


def test_all_folds_of_a_table_are_saved_at_once(home: Path) -> None:
    app = upload("mine.csv", table(GOOD))
    assert not [item for item in app.button if item.label.startswith("Save all")]
    next(item for item in app.number_input if item.label == "Folds").set_value(3).run()
    button(app, "Save all 3 folds").click().run()
    assert not app.exception
    assert "Together they test each of the 30 rows once." in words(app)
    assert "Cross-validate" in [item.label for item in app.button]
    assert sorted(entry["name"] for entry in list_datasets(home / "datasets")) == [
        f"mine, fold {fold} of 3" for fold in (1, 2, 3)
    ]

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.data.settings import ColumnSettings
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.store import RunStore
from molfun.training.settings import HeadOnlySettings
from molfun.ui.panels import kept_epoch, kept_note
from molfun.ui.run_curves import judged_by

EPOCHS = pd.DataFrame(
    {
        "epoch": [1, 2, 3, 4],
        "val_loss": [0.9, 0.3, 0.4, np.nan],
        "val_spearman": [0.1, 0.2, 0.6, 0.6],
        "val_mae": [4.0, 5.0, np.nan, 2.0],
    }
)


@pytest.mark.parametrize(("monitor", "epoch"), [("val_loss", 2), ("val_spearman", 3), ("val_mae", 4)])
def test_kept_epoch_follows_the_monitored_metric_and_its_direction(monitor: str, epoch: int) -> None:
    assert kept_epoch(EPOCHS, monitor)["epoch"] == epoch


@pytest.mark.parametrize("epochs", [pd.DataFrame(), EPOCHS[["epoch"]], EPOCHS.tail(1), EPOCHS.head(0)])
def test_no_epoch_is_kept_before_one_was_judged(epochs: pd.DataFrame) -> None:
    assert kept_epoch(epochs, "val_loss") == {}


def test_kept_note_tells_which_epoch_is_kept() -> None:
    assert kept_note("val_loss") == "The lowest so far; the weights of its epoch are kept."
    assert "epoch with the highest Spearman correlation so far" in kept_note("val_spearman")
    assert "epoch with the lowest RMSE so far" in kept_note("val_rmse")


def test_judged_by_reads_the_spec(home: Path) -> None:
    columns = ColumnSettings(task="classification")
    strategy = HeadOnlySettings(monitor="val_mcc")
    spec = RunSpec(data=DataSource(dataset="d", columns=columns), strategy=strategy)
    assert judged_by(RunStore(home).create(spec, run_id="new")) == ("balanced_accuracy", "val_mcc")


@pytest.mark.parametrize("text", ["", "{", "strategy: {kind: lora}\n", "from_a_newer_version: 1\n"])
def test_judged_by_takes_specs_that_are_old_or_torn(home: Path, text: str) -> None:
    folder = RunStore(home).create(RunSpec(data=DataSource(dataset="d")), run_id="old")
    folder.spec_path.write_text(text)
    assert judged_by(folder) == ("spearman", "val_loss")

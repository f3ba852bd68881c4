"""Promised and reached coverage on the page of a finished run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder
from tests.drawn_pages import dataset, draw, make_run, words, write_results

__all__ = ["dataset", "make_run"]


@pytest.fixture
def run(make_run: Callable[..., RunFolder], dataset: Dataset) -> RunFolder:
    """Return a finished run with 400 test rows, a tenth of which is far off."""
    folder = make_run("good", "finished")
    write_results(folder, dataset)
    rows(400, 1).to_parquet(folder.predictions / "test.parquet")
    return folder


def rows(num: int, seed: int) -> pd.DataFrame:
    off = np.random.default_rng(seed).normal(size=num)
    return pd.DataFrame(
        {"row": np.arange(num), "target": np.arange(num) * 0.1, "prediction": np.arange(num) * 0.1 + off}
    )


def opened(folder: RunFolder) -> tuple[str, list[pd.DataFrame]]:
    """Return what the page says with its scoreboard open, and its tables."""
    app = draw("live", run=folder.id)
    app.session_state["scores.open"] = True
    app.run()
    assert not app.exception
    return words(app), [frame.value for frame in app.dataframe]


def test_promises_are_counted_on_the_test_rows(run: RunFolder) -> None:
    rows(300, 2).to_parquet(run.predictions / "val.parquet")
    said, tables = opened(run)
    assert "Intervals learned from 300 validation rows keep what they promise on the test rows" in said
    (table,) = (table for table in tables if "Promised" in table)
    assert table["Promised"].tolist() == ["80%", "90%", "95%"]
    assert table["Inside"].str.contains(" of 400)", regex=False).all()
    # An interval that holds 95 % of standard normal errors is 2 x 1.96 wide.
    assert [float(width) for width in table["Width"]] == pytest.approx([2.56, 3.29, 3.92], abs=0.35)


def test_what_cannot_be_promised_is_said(run: RunFolder) -> None:
    assert "There are no predictions of the validation rows" in opened(run)[0]
    rows(9, 2).to_parquet(run.predictions / "val.parquet")
    said, tables = opened(run)
    assert "Intervals need 20 validation rows for a coverage of 80%, and there are 9" in said.replace("\\", "")
    assert not any("Promised" in table for table in tables)
    rows(40, 2).astype({"target": str}).assign(target="x").to_parquet(run.predictions / "val.parquet")
    assert "do not fit those of the test rows" in opened(run)[0]

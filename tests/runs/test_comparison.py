"""The settings in which runs differ."""

from __future__ import annotations

from molfun.runs.comparison import differing_settings
from molfun.runs.spec import RunSpec


def test_settings_that_differ_and_only_those() -> None:
    base = RunSpec.parse({"name": "one", "strategy": {"kind": "lora", "rank": 8}})
    table = differing_settings(
        {
            "A": base,
            "B": base.changed({"strategy.rank": 16, "name": "other"}),
            "C": RunSpec().changed({"training.epochs": 3}),
        }
    )
    assert table.loc["strategy.rank"].tolist() == ["8", "16", ""]
    assert table.loc["training.epochs"].tolist() == ["10", "10", "3"]
    assert table.loc["strategy.kind"].tolist() == ["lora", "lora", "head_only"]
    assert "name" not in table.index
    assert "strategy.lr" not in table.index
    assert differing_settings({"A": base, "B": base}).empty

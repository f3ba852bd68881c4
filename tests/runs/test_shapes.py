"""Values of the wrong kind count as absent, whichever file of a run folder they stand in."""

from __future__ import annotations

from typing import Any

import pytest

from molfun.runs import shapes
from molfun.runs.shapes import fitting

KEPT = {"baselines": {"b": {"r2": None}}}


@pytest.mark.parametrize(
    ("checks", "values", "kept"),
    [
        (shapes.STATE, {"step": 1, "epoch": True, "epochs": -1, "pid": "7", "cause": 5}, {"step": 1}),
        (shapes.STATE, {"created": 1e300, "started": 1.5, "ended": -1, "pid": None}, {"started": 1.5, "pid": None}),
        (shapes.STATE, {"host": "../../x", "boot_id": "b", "tomorrow": {}}, {"boot_id": "b", "tomorrow": {}}),
        (shapes.STATE, {"best": {"metric": "mae", "value": "low"}}, {"best": {"metric": "mae"}}),
        (shapes.STATE, {"best": None, "cause": "a\x1b[31m\nb"}, {"cause": "a?[31m\nb"}),
        (shapes.LAUNCH, {"launcher": "slurm", "job": "--all"}, {"launcher": "slurm"}),
        (shapes.LAUNCH, {"job": "123_4.batch", "submitted": "now"}, {"job": "123_4.batch"}),
        (shapes.AMENDED, {"tags": ["a", 1, None, []], "name": None}, {"tags": ["a"], "name": None}),
        (shapes.AMENDED, {"tags": "a", "epochs": 1.5, "notes": ["x"]}, {}),
        (shapes.SCOREBOARD, {"test": {"rows": 3}, "baselines": {"a": None, "b": {"r2": None}}}, KEPT),
        (shapes.SCOREBOARD, {"test": {"metrics": {"r2": None, "x": []}}}, {"test": {"metrics": {"r2": None}}}),
        (shapes.PREFLIGHT, {"seconds": True, "rows": 1, "residues": float("1e308")}, {"rows": 1}),
    ],
)  # fmt: skip
def test_fitting_keeps_what_is_of_its_kind(
    checks: dict[str, Any], values: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert fitting(values, checks) == kept


def test_long_text_is_cut() -> None:
    assert len(fitting({"notes": "x" * 20_000}, shapes.AMENDED)["notes"]) == shapes.MAX_TEXT_CHARACTERS

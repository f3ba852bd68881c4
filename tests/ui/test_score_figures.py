"""Pictures of scores: groups with intervals, residuals, calibration; and the order of groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from molfun.evaluation.scoreboard import threshold_curves
from molfun.ui.row_panels import chosen_row
from molfun.ui.score_figures import (
    calibration_figure,
    group_figure,
    length_figure,
    precision_figure,
    residual_figure,
    roc_figure,
    wrong_figure,
)
from molfun.ui.score_panels import _length_groups, _place


def test_groups_have_their_intervals_and_those_without_score_are_left_out() -> None:
    groups = pd.DataFrame(
        {"group": ["a", "b"], "rows": [40, 3], "value": [0.5, np.nan], "low": [0.4, np.nan], "high": [0.8, np.nan]}
    )
    figure = group_figure(groups, "spearman")
    (dots,) = figure.data
    assert list(dots.y) == ["a"]
    assert np.allclose([*dots.error_x.array, *dots.error_x.arrayminus], [0.3, 0.1])
    assert figure.layout.title.text == "Spearman correlation by group"


def test_residuals_are_predicted_minus_true() -> None:
    rows = pd.DataFrame({"row": [2, 3, 4], "target": [1.0, 2.0, None], "prediction": [1.5, 1.0, 2.0]})
    dots = residual_figure(rows).data[0]
    assert list(dots.y) == [0.5, -1.0]
    assert list(dots.customdata) == [2, 3]


def test_many_residuals_are_an_even_sample() -> None:
    rows = pd.DataFrame({"row": range(10_000), "target": 1.0, "prediction": 2.0})
    assert 2_000 < len(residual_figure(rows).data[0].x) <= 3_000


def test_errors_by_length_have_no_sign() -> None:
    rows = pd.DataFrame({"row": [2, 3, 4], "target": [1.0, 2.0, None], "prediction": [1.5, 1.0, 2.0]})
    dots = length_figure(rows, [10, 20, 30]).data[0]
    assert (list(dots.x), list(dots.y), list(dots.customdata)) == ([10, 20], [0.5, 1.0], [2, 3])


def test_wrong_residues_are_drawn_by_length_without_rows_that_have_no_label() -> None:
    residues = pd.DataFrame({"row": [2, 3], "residues": [4, 0], "right": [3, 0], "wrong_share": [0.25, np.nan]})
    dots = wrong_figure(residues, [10, 20]).data[0]
    assert (list(dots.x), list(dots.y), list(dots.customdata)) == ([10], [0.25], [2])


def test_roc_and_precision_draw_a_line_for_each_class() -> None:
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    curves = {f"c{i}": curve for i, curve in threshold_curves(np.arange(50) % 3, shares).items()}
    assert [line.name for line in roc_figure(curves).data] == ["Chance", "c0", "c1", "c2"]
    first = precision_figure(curves).data[0]
    assert first.x[-1] == 1.0
    assert np.isfinite(first.y).all()


@pytest.mark.parametrize(
    ("event", "row"),
    [
        ({"selection": {"points": [{"customdata": 7}]}}, 7),
        ({"selection": {"points": [{"customdata": [7]}]}}, 7),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"x": 1}]}}, None),
        (None, None),
    ],
)
def test_chosen_row_is_that_of_the_last_dot(event: Any, row: int | None) -> None:
    assert chosen_row(event) == row


def test_calibration_has_the_diagonal_and_sizes_by_rows() -> None:
    table = pd.DataFrame({"confidence": [0.5, 0.9], "accuracy": [0.4, 0.95], "rows": [25, 100]})
    diagonal, dots = calibration_figure(table).data
    assert list(diagonal.x) == list(diagonal.y) == [0, 1]
    assert list(dots.marker.size) == [16.0, 24.0]


def test_lengths_are_quarters_and_groups_stand_in_order() -> None:
    groups = _length_groups(np.arange(10, 110))
    assert len(set(groups)) == 4
    assert groups[0] == "10 to 34 residues"
    assert groups[-1].endswith("to 109 residues")
    assert set(_length_groups(np.full(5, 56))) == {"56 residues"}
    names = ["up to 40 %", "100 %", "95 to 100 %", "50 to 80 %"]
    assert sorted(names, key=_place) == ["100 %", "95 to 100 %", "50 to 80 %", "up to 40 %"]
    assert sorted(["1,200 to 2,000 residues", "90 to 1,200 residues"], key=_place)[0] == "90 to 1,200 residues"

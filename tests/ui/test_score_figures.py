"""Pictures of scores: groups with intervals, residuals, calibration; and the order of groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from molfun.ui.score_figures import calibration_figure, group_figure, residual_figure
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

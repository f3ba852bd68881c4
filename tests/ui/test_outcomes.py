from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.runs.resampling import Interval
from molfun.ui import outcomes
from molfun.ui.verdict import verdict


def test_confusion_table_counts_true_against_predicted() -> None:
    predictions = pd.DataFrame({"row": [2, 3, 4, 5], "target": [0, 0, 1, 2], "prediction": [0, 1, 1, 2]})
    table = outcomes.confusion_table(predictions, ["a", "b", "c"])
    assert table.to_numpy().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_confusion_table_takes_class_names_too() -> None:
    predictions = pd.DataFrame({"target": ["mouse", "human"], "prediction": ["human", "human"]})
    table = outcomes.confusion_table(predictions, ["human", "mouse", "rhesus"])
    assert table.loc["mouse", "human"] == 1
    assert table.to_numpy().sum() == 2


def test_confusion_figure_colours_shares_of_the_true_class() -> None:
    table = pd.DataFrame([[3, 1], [0, 2]], index=["a", "b"], columns=["a", "b"])
    assert outcomes.confusion_figure(table).data[0].z.tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_confusion_figure_says_what_is_counted() -> None:
    table = pd.DataFrame([[3, 1], [0, 2]], index=["H", "E"], columns=["H", "E"])
    assert " residues, " in outcomes.confusion_figure(table, what="residues").data[0].hovertemplate


def test_predicted_figure_names_rows_and_leaves_out_missing_targets() -> None:
    predictions = pd.DataFrame({"row": [2, 3, 4], "target": [1.0, np.nan, 3.0], "prediction": [1.5, 2.0, 2.5]})
    dots = outcomes.predicted_figure(predictions).data[1]
    assert list(dots.customdata) == [2, 4]


def test_predicted_figure_colours_crowds_and_draws_the_line_with_its_interval() -> None:
    dice = np.random.default_rng(0)
    target = dice.normal(size=5_000)
    rows = pd.DataFrame({"row": range(5_000), "target": target, "prediction": 0.5 * target + dice.normal(size=5_000)})
    perfect, dots, band, line = outcomes.predicted_figure(rows).data
    assert len(dots.x) < 3_001
    assert 0 < min(dots.marker.color) < 0.1 < 0.9 < max(dots.marker.color) <= 1
    slope = (line.y[-1] - line.y[0]) / (line.x[-1] - line.x[0])
    assert slope == pytest.approx(0.5, abs=0.06)
    assert band.y[len(line.x) // 2] > line.y[len(line.x) // 2]
    assert list(perfect.x) == list(perfect.y)


def test_predicted_figure_of_nothing_is_empty() -> None:
    assert len(outcomes.predicted_figure(pd.DataFrame({"row": [], "target": [], "prediction": []})).data) == 0


BOARD = {
    "primary": "spearman",
    "weights": "pretrained",
    "test": {"rows": 160, "metrics": {"spearman": 0.7, "rmse": 1.0}},
    "baselines": {"mean": {"spearman": None, "rmse": 1.4}, "one_hot": {"spearman": 0.8, "rmse": 0.9}},
}


def test_scores_figure_leaves_out_undefined_scores() -> None:
    bars = outcomes.scores_figure("spearman", 0.7, BOARD["baselines"], weights="pretrained").data[0]
    assert list(bars.y) == ["This run", "One-hot residues"]


def test_scores_figure_says_random_weights() -> None:
    assert list(outcomes.scores_figure("r2", -0.1, {}, weights="random").data[0].y) == ["This run (random weights)"]


def test_scores_table_has_a_row_for_the_run_and_each_baseline() -> None:
    table = outcomes.scores_table(BOARD)
    assert list(table.index) == ["This run", "Mean of training", "One-hot residues"]
    assert table.loc["This run", "Spearman correlation"] == pytest.approx(0.7)


def test_verdict_says_when_a_baseline_wins() -> None:
    said = verdict(BOARD)
    assert "Spearman correlation 0.700" in said
    assert "“one-hot residues” is as good or better (0.800)" in said


def test_scores_figure_draws_intervals_as_whiskers() -> None:
    figure = outcomes.scores_figure(
        "spearman", 0.7, BOARD["baselines"], weights="pretrained", intervals={"run": (0.5, 0.8), "one_hot": (0.75, 0.9)}
    )
    bars, words = figure.data
    assert list(bars.error_x.array) == pytest.approx([0.1, 0.1])
    assert list(bars.error_x.arrayminus) == pytest.approx([0.2, 0.05])
    assert list(words.x) == [0.8, 0.9]


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.1, 0.3, "is clear on these rows"), (-0.1, 0.3, "do not settle which")]
)
def test_verdict_says_whether_the_difference_is_clear(low: float, high: float, said: str) -> None:
    words = verdict(BOARD, Interval(0.2, low, high, 160))
    assert said in words
    assert f"{low:+.3f} to {high:+.3f}" in words


def test_verdict_names_the_best_baseline_when_the_run_wins() -> None:
    board = BOARD | {"test": {"rows": 160, "metrics": {"spearman": 0.9}}}
    assert "The best simple baseline, “one-hot residues”, reaches 0.800." in verdict(board)

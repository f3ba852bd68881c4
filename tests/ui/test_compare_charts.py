"""Curves of several runs, looked at as data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.runs.resampling import Interval
from molfun.ui import compare_charts
from molfun.ui.compare_charts import Curves, look, pareto
from molfun.ui.run_curves import StepCurves
from molfun.ui.series import smooth


def curves(title: str, *, num_steps: int = 100, scale: float = 1.0, place: int = 0) -> Curves:
    """Return a run of 10 steps an epoch, 2 seconds a step, 16 rows a step."""
    step = np.arange(1, num_steps + 1)
    loss = scale * np.exp(-step / 50.0)
    steps = pd.DataFrame({"step": step, "loss": loss, "epoch": step / 10, "t": 1000.0 + 2 * step})
    ends = np.arange(1, num_steps // 10 + 1)
    epochs = pd.DataFrame({"epoch": ends, "t": 1000.0 + 20 * ends, "val_loss": loss[9::10], "val_spearman": 0.5})
    return Curves(title, title, StepCurves(steps), epochs, 16, *look(place))


@pytest.mark.parametrize(
    ("axis", "first", "last"), [("step", 1, 100), ("epoch", 0.1, 10), ("rows", 16, 1600), ("minutes", 0, 198 / 60)]
)
def test_training_losses_stand_along_every_axis(axis: str, first: float, last: float) -> None:
    run = curves("A")
    (line,) = compare_charts.training_figure([run], axis=axis, smoothing=0.8, log_scale=False, is_clipped=False).data
    assert (line.x[0], line.x[-1]) == (pytest.approx(first, abs=1e-6), pytest.approx(last, rel=1e-6))
    assert np.allclose(line.y, smooth(run.steps.frame["loss"].to_numpy(), 0.8), rtol=1e-6)


@pytest.mark.parametrize(("axis", "last"), [("step", 100), ("epoch", 10), ("rows", 1600), ("minutes", 198 / 60)])
def test_validation_stands_at_the_ends_of_epochs(axis: str, last: float) -> None:
    (line,) = compare_charts.validation_figure([curves("A")], "val_loss", axis=axis, log_scale=False).data
    assert len(line.x) == 10
    assert line.x[-1] == pytest.approx(last, rel=1e-6)


def test_an_outlier_leaves_the_chart_only_where_that_is_asked() -> None:
    run = curves("A", num_steps=1000)
    run.steps.frame.loc[500, "loss"] = 1e6
    wide = compare_charts.training_figure([run], axis="step", smoothing=0, log_scale=False, is_clipped=False)
    close = compare_charts.training_figure([run], axis="step", smoothing=0, log_scale=False, is_clipped=True)
    assert wide.layout.yaxis.range is None
    assert close.layout.yaxis.range[1] < 2
    assert max(close.data[0].y) == pytest.approx(1e6)  # still there for who zooms out
    log = compare_charts.training_figure([run], axis="step", smoothing=0, log_scale=True, is_clipped=True)
    assert log.layout.yaxis.type == "log"
    assert log.layout.yaxis.range[1] < 1


def test_a_logarithmic_axis_has_the_range_of_what_is_above_zero() -> None:
    run = curves("A")
    run.steps.frame.loc[99, "loss"] = -3.0
    close = compare_charts.training_figure([run], axis="step", smoothing=0, log_scale=True, is_clipped=True)
    assert close.layout.yaxis.range == pytest.approx([np.log10(np.exp(-99 / 50)), 0.0], abs=0.1)


def test_runs_without_anything_to_draw_are_left_out() -> None:
    empty = Curves("B", "B", StepCurves(), pd.DataFrame(), 16, *look(1))
    for axis in compare_charts.AXES:
        figure = compare_charts.training_figure([empty], axis=axis, smoothing=0.5, log_scale=True, is_clipped=True)
        assert len(figure.data) == 0
        assert len(compare_charts.validation_figure([empty], "val_x", axis=axis, log_scale=False).data) == 0


def test_looks_differ_for_as_many_runs_as_can_be_compared() -> None:
    assert len({look(place) for place in range(28)}) == 28


def test_groups_are_drawn_as_mean_and_range() -> None:
    runs = [curves("A", scale=1.0), curves("B", scale=3.0), curves("C", num_steps=50)]
    groups = {"A": "LoRA", "B": "LoRA", "C": "Full"}
    low, high, mean, alone = compare_charts.validation_figure(
        runs, "val_loss", axis="step", log_scale=False, groups=groups
    ).data
    expected = np.exp(-np.arange(10, 101, 10) / 50.0)
    assert np.allclose(mean.y, 2 * expected, rtol=1e-5)
    assert np.allclose(low.y, expected, rtol=1e-5)
    assert np.allclose(high.y, 3 * expected, rtol=1e-5)
    assert high.fill == "tonexty"
    assert (mean.name, alone.name, len(alone.x)) == ("LoRA (mean of 2)", "Full", 5)


def test_a_mean_ends_where_the_first_of_its_runs_ends() -> None:
    lines = [(np.arange(1.0, 101), np.ones(100)), (np.arange(1.0, 51), np.full(50, 3.0))]
    x, y = compare_charts.on_one_grid(lines)
    assert (x[-1], y.shape) == (50, (2, 50))
    assert np.allclose(y.mean(axis=0), 2)
    assert compare_charts.on_one_grid([(np.array([np.nan]), np.array([1.0]))])[0].size == 0
    long = [(np.arange(1.0, 1e5), np.random.default_rng(0).normal(size=99_999))] * 2
    assert len(compare_charts.on_one_grid(long)[0]) == compare_charts.MAX_PLACES


def test_bars_and_dots_tell_scores() -> None:
    scores = {"A": Interval(0.5, 0.4, 0.58, 100), "B": Interval(0.6, 0.55, 0.66, 100)}
    colors = {"A": "#111111", "B": "#222222"}
    bars = compare_charts.scores_figure(scores, colors, title="Test").data
    assert [(bar.y[0], bar.x[0], bar.marker.color) for bar in bars] == [("A", 0.5, "#111111"), ("B", 0.6, "#222222")]
    assert bars[0].error_x.array[0] == pytest.approx(0.08)
    table = pd.DataFrame({"title": ["A", "B", "C"], "test": [0.5, 0.6, np.nan], "trainable": [10.0, 1000.0, 5.0]})
    dots = compare_charts.tradeoff_figure(table, colors, metric="spearman", against="trainable").data
    assert [(dot.x[0], dot.y[0], dot.marker.line.width) for dot in dots] == [(10.0, 0.5, 3), (1000.0, 0.6, 3)]


def test_nobody_beats_who_is_on_the_front() -> None:
    scores, costs = pd.Series([0.9, 0.8, 0.9, 0.5]), pd.Series([10, 5, 20, 5])
    assert pareto(scores, costs) == [0, 1]


def test_settings_are_axes_of_numbers_or_of_names() -> None:
    settings = pd.DataFrame(
        {"A": ["lora", "8", "0.001"], "B": ["full", "", "1e-05"], "C": ["full", "", "0.1"]},
        index=["strategy.kind", "strategy.rank", "strategy.lr_head"],
    )
    figure = compare_charts.parallel_figure(settings, {"A": 0.5, "B": 0.7, "C": float("nan")}, metric="Spearman")
    kind, rank, rate, score = figure.data[0].dimensions
    assert (list(kind.values), list(kind.ticktext)) == ([0, 1], ["lora", "full"])
    assert list(rank.ticktext) == ["8", "none"]
    assert list(rate.values) == [0.001, 1e-05]
    assert (score.label, list(score.values)) == ("Test Spearman", [0.5, 0.7])

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from molfun.ui import charts


def steps(num_steps: int = 40, steps_per_epoch: int = 10) -> pd.DataFrame:
    step = np.arange(1, num_steps + 1)
    rates = {"lr/head": step * 1e-4, "lr/lora": step * 1e-5}
    return pd.DataFrame({"step": step, "loss": 1.0 / step, "epoch": step / steps_per_epoch, **rates})


def epochs(num_epochs: int = 4) -> pd.DataFrame:
    epoch = np.arange(1.0, num_epochs + 1)
    return pd.DataFrame({"epoch": epoch, "val_loss": 1 / epoch, "val_spearman": [0.1, 0.7, 0.6, 0.5, 0.4][:num_epochs]})


def trace(figure: go.Figure, name: str) -> go.Scatter:
    return next(item for item in figure.data if item.name == name)


def test_what_averaging_gains_is_shaded() -> None:
    epochs = pd.DataFrame({"epoch": [1, 2], "val_loss": [0.5, 0.4], "val_loss_raw": [0.6, 0.5]})
    steps = pd.DataFrame({"step": [1, 2], "loss": [1.0, 0.9], "epoch": [1, 2]})
    lines = {line.name: line for line in charts.loss_figure(steps, epochs, smoothing=0).data}
    assert lines["Validation (raw weights)"].fill == "tonexty"
    assert list(lines).index("Validation (raw weights)") == list(lines).index("Validation") + 1
    assert lines["Validation"].fill is None
    plain = charts.loss_figure(steps, epochs[["epoch", "val_loss"]], smoothing=0).data
    assert all(line.fill is None for line in plain)


def test_gradients_and_speed_are_drawn_or_said_to_be_missing() -> None:
    steps = pd.DataFrame({"step": [1, 2, 3], "grad_norm": [4.0, 0.5, 0.2], "tokens_per_second": [10.0, 20.0, 30.0]})
    norm, bound = charts.gradient_figure(steps, bound=1.0).data
    assert norm.y.tolist() == pytest.approx([4.0, 0.5, 0.2])
    assert (bound.x.tolist(), bound.y.tolist(), bound.name) == ([1, 3], [1, 1], "Cut at 1")
    assert len(charts.gradient_figure(steps, bound=0.0).data) == 1
    assert charts.speed_figure(steps).data[0].y.tolist() == [10, 20, 30]
    for figure in (charts.gradient_figure(steps[["step"]], bound=1.0), charts.speed_figure(steps[["step"]])):
        assert figure.layout.annotations[0].text == "Not recorded"


def test_loss_figure_puts_validation_where_each_epoch_ended() -> None:
    figure = charts.loss_figure(steps(), epochs(), smoothing=0.6)
    assert [item.name for item in figure.data] == ["Training", "Smoothed", "Validation"]
    assert list(trace(figure, "Validation").x) == [10, 20, 30, 40]


def test_loss_figure_without_smoothing_shows_the_raw_curve_alone() -> None:
    figure = charts.loss_figure(steps(), epochs(0), smoothing=0.0)
    assert [item.name for item in figure.data] == ["Training"]


def test_loss_figure_shows_the_raw_weights_as_a_thinner_dashed_curve() -> None:
    rows = epochs().assign(val_loss_raw=[2.0, 1.5, 1.0, 0.5])
    figure = charts.loss_figure(steps(), rows, smoothing=0.0)
    assert [item.name for item in figure.data] == ["Training", "Validation", "Validation (raw weights)"]
    kept, raw = trace(figure, "Validation"), trace(figure, "Validation (raw weights)")
    assert (list(raw.x), list(raw.y)) == ([10, 20, 30, 40], [2.0, 1.5, 1.0, 0.5])
    assert (kept.line.dash, raw.line.dash) == (None, "dash")
    assert raw.line.width < kept.line.width
    assert raw.line.color == kept.line.color


def test_loss_figure_shows_raw_weights_only_where_they_were_validated() -> None:
    rows = epochs().assign(val_loss_raw=[np.nan, np.nan, 1.0, 0.5])
    assert list(trace(charts.loss_figure(steps(), rows, smoothing=0.0), "Validation (raw weights)").x) == [30, 40]
    never = charts.loss_figure(steps(), rows.assign(val_loss_raw=np.nan), smoothing=0.0)
    assert [item.name for item in never.data] == ["Training", "Validation"]


def test_loss_figure_smooths_before_it_thins() -> None:
    long = steps(50_000, 1000)
    smoothed = trace(charts.loss_figure(long, epochs(0), smoothing=0.9), "Smoothed")
    assert len(smoothed.x) <= 1000
    # The debiased average of 1/t from t = 1: at the second step (0.9 * 1 + 1/2) / 1.9.
    at_two = smoothed.y[list(smoothed.x).index(2.0)] if 2.0 in list(smoothed.x) else (0.9 + 0.5) / 1.9
    assert at_two == pytest.approx((0.9 + 0.5) / 1.9, rel=1e-5)


def test_loss_figure_can_be_logarithmic() -> None:
    assert charts.loss_figure(steps(), epochs(), smoothing=0.0, log_scale=True).layout.yaxis.type == "log"


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"step": [], "loss": []})])
def test_figures_of_an_empty_run_have_no_curves(frame: pd.DataFrame) -> None:
    assert len(charts.loss_figure(frame, frame, smoothing=0.8).data) == 0
    assert len(charts.metric_figure(frame, "spearman").data) == 0
    assert len(charts.learning_rate_figure(frame).data) == 0


def test_metric_figure_marks_the_epoch_with_the_lowest_validation_loss() -> None:
    rows = epochs().assign(val_loss=[0.9, 0.4, 0.3, 0.5])
    kept = trace(charts.metric_figure(rows, "spearman"), "Kept: epoch 3, 0.600")
    assert (list(kept.x), list(kept.y)) == ([3.0], [0.6])


@pytest.mark.parametrize(
    ("monitor", "name"),
    [
        ("val_loss", "Kept: epoch 3, 0.600"),
        ("val_spearman", "Kept: epoch 2, 0.700"),  # the higher the better
        ("val_rmse", "Kept: epoch 4, 0.500"),  # the lower the better, the first of two equal ones
    ],
)
def test_metric_figure_marks_the_epoch_that_the_run_keeps(monitor: str, name: str) -> None:
    rows = epochs(5).assign(val_loss=[0.9, 0.4, 0.3, 0.5, np.nan], val_rmse=[4.0, 3.0, 2.0, 1.0, 1.0])
    figure = charts.metric_figure(rows, "spearman", monitor=monitor)
    assert [item.name for item in figure.data] == ["Each epoch", name]


def test_metric_figure_marks_nothing_where_the_monitored_metric_is_not_recorded() -> None:
    figure = charts.metric_figure(epochs(), "spearman", monitor="val_from_the_future")
    assert [item.name for item in figure.data] == ["Each epoch"]


def test_learning_rate_figure_has_one_curve_a_group() -> None:
    figure = charts.learning_rate_figure(steps())
    assert [item.name for item in figure.data] == ["head", "lora"]
    assert trace(figure, "lora").y[-1] == pytest.approx(4e-4)


def test_learning_rates_far_apart_share_a_logarithmic_axis() -> None:
    near, far = steps(), steps().assign(**{"lr/head": 1.0})
    assert charts.learning_rate_figure(near).layout.yaxis.type is None
    assert charts.learning_rate_figure(far).layout.yaxis.type == "log"


PARTS = [
    {"name": "embedder", "total": 100, "trainable": 0, "lr": None},
    {"name": "block_1", "total": 50, "trainable": 0, "lr": None},
    {"name": "block_2", "total": 50, "trainable": 0, "lr": None},
    {"name": "block_3", "total": 50, "trainable": 50, "lr": 1e-4},
    {"name": "block_4", "total": 50, "trainable": 50, "lr": 2e-4},
    {"name": "head", "total": 3, "trainable": 3, "lr": 1e-3},
]


def test_collapse_blocks_joins_neighbours_that_train_alike() -> None:
    joined = charts.collapse_blocks(PARTS)
    assert [part["title"] for part in joined] == ["Embedder", "Blocks 1–2", "Blocks 3–4", "Head"]
    assert [part["total"] for part in joined] == [100, 100, 100, 3]
    assert joined[2]["rates"] == [1e-4, 2e-4]


def test_breakdown_figure_tells_trained_and_frozen_numbers() -> None:
    figure = charts.breakdown_figure(charts.collapse_blocks(PARTS))
    trains = next(item for item in figure.data if item.name == "Trains")
    assert list(trains.hovertext) == ["0 trains", "0 trains", "100 trains", "3 trains"]
    assert [value > 0 for value in trains.x] == [False, False, True, True]

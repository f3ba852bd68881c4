"""Figures and tables of one run for its evidence: curves, scores, predictions, what trains. No streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from molfun.data.settings import PRIMARY_METRIC
from molfun.evaluation.names import baseline_title, metric_inline, metric_title
from molfun.evaluation.residues import flatten_residues
from molfun.evaluation.scoreboard import calibration_table, threshold_curves
from molfun.runs.bundle import Evidence
from molfun.runs.certainty import read_predictions
from molfun.runs.evidence_scores import classes_of
from molfun.runs.folder import RunFolder
from molfun.ui import charts, outcomes, score_figures, structure_scores, text
from molfun.ui.distributions import band_figure
from molfun.ui.markers import read_markers
from molfun.ui.run_curves import USUAL_SMOOTHING, read_curves

Figures = dict[str, go.Figure]


def curve_figures(evidence: Evidence) -> Figures:
    """Return loss, validation and learning rates over the run, by what they show; thinned, and {} before a step."""
    folder, facts = evidence.folder, evidence.facts
    steps, epochs = read_curves(folder)
    if not len(steps):
        return {}
    markers = read_markers(folder)
    loss = charts.add_markers(charts.loss_figure(steps, epochs, smoothing=USUAL_SMOOTHING), markers)
    found = {f"Loss of every step, smoothed ({USUAL_SMOOTHING:g}), and of the validation rows after every epoch": loss}
    metric = PRIMARY_METRIC.get((facts["data"] or {}).get("task") or "")
    if metric and f"val_{metric}" in epochs:
        monitor = facts["settings"]["strategy"]["monitor"]
        figure = charts.metric_figure(epochs, metric, monitor=monitor)
        found[f"{metric_title(metric)} of the validation rows after every epoch"] = figure
    rates = charts.add_markers(charts.learning_rate_figure(steps), markers)
    return {**found, "Learning rate of each group": rates}


def score_figure(facts: Mapping[str, Any]) -> Figures:
    """Return the test score beside the baselines', {} where there is none."""
    scores = facts["scores"]
    if scores["rows"] is None:
        return {}
    primary, own = scores["primary"], scores["metrics"]
    intervals = {"run": own.get(primary) or {}, **scores["baselines"]}
    ends = {name: (about["low"], about["high"]) for name, about in intervals.items() if about.get("low") is not None}
    figure = outcomes.scores_figure(
        primary, (own.get(primary) or {}).get("value"),
        {name: about["metrics"] for name, about in scores["baselines"].items()},
        weights=str((facts["model"] or {}).get("weights", "")), intervals=ends,
    )  # fmt: skip
    return {f"Test {metric_inline(primary)} beside simple baselines, with 95 % intervals where they are known": figure}


def score_table(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return every metric of the run with its interval."""
    scores = facts["scores"]
    return pd.DataFrame([
        {
            "Metric": metric_title(name), "This run": text.number(about["value"]), "95 % interval": _ends(about),
            "Resamples": about.get("resamples", ""), "Better is": about.get("better", ""),
        }
        for name, about in (scores["metrics"] if scores["rows"] is not None else {}).items()
    ])  # fmt: skip


def baseline_table(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return the metrics of the baselines on the same rows, a row each."""
    scores = facts["scores"]
    if scores["rows"] is None:
        return pd.DataFrame()
    known = {name for about in scores["baselines"].values() for name in about["metrics"]}
    names = [name for name in scores["metrics"] if name in known]
    return pd.DataFrame([
        {"Baseline": baseline_title(title),
         **{metric_title(name): text.number(about["metrics"].get(name)) for name in names}}
        for title, about in scores["baselines"].items()
    ])  # fmt: skip


def _ends(about: Mapping[str, Any]) -> str:
    return "" if about.get("low") is None else f"{text.number(about['low'])} to {text.number(about['high'])}"


def prediction_figures(evidence: Evidence) -> Figures:
    """Return what was predicted of the test rows against what is true; {} where it is not known."""
    predictions, task = read_predictions(evidence.folder), (evidence.facts["data"] or {}).get("task")
    if predictions is None or predictions.empty:
        return {}
    try:
        if task in ("classification", "per_residue"):
            classes = classes_of(evidence.dataset, predictions, task)
            flat = flatten_residues(predictions, classes) if task == "per_residue" else predictions
            return _of_classes(flat, classes, "residues" if task == "per_residue" else "rows")
        if task == "structure":
            return _of_structures(predictions)
        return _of_numbers(predictions) if task == "regression" else {}
    except (TypeError, ValueError):  # somebody else's table under that name
        return {}


def _of_numbers(predictions: pd.DataFrame) -> Figures:
    return {
        "Predicted against true values of the test rows": outcomes.predicted_figure(predictions),
        "Predicted minus true value": score_figures.residual_figure(predictions),
    }


def _of_structures(predictions: pd.DataFrame) -> Figures:
    targets = structure_scores.score_numbers(predictions)
    if targets.empty:
        return {}
    return {
        "Scores of the test targets": structure_scores.target_figure(targets),
        "lDDT of the test targets against the one that the model expects": structure_scores.confidence_figure(targets),
    }


def _of_classes(predictions: pd.DataFrame, classes: list[str], what: str) -> Figures:
    table = outcomes.confusion_table(predictions, classes)
    found = {f"Test {what} by true and predicted class": outcomes.confusion_figure(table, what=what)}
    names = [f"p_{name}" for name in classes]
    if not set(names) <= set(predictions.columns):
        return found
    known = predictions[predictions["target"].isin(classes)]
    targets = known["target"].map({name: i for i, name in enumerate(classes)}).to_numpy(dtype=np.int64)
    shares = known[names].to_numpy(dtype=float)
    curves = {classes[i]: curve for i, curve in threshold_curves(targets, shares).items()}
    if curves:
        found[f"ROC of each class on the test {what}"] = score_figures.roc_figure(curves)
        found[f"Precision and recall of each class on the test {what}"] = score_figures.precision_figure(curves)
    calibration = score_figures.calibration_figure(calibration_table(targets, shares))
    return {**found, "Probability of the predicted class, and how often it is right": calibration}


def leak_figure(facts: Mapping[str, Any]) -> Figures:
    """Return how alike test rows are to training rows, {} where that is not known."""
    leaks = (facts["data"] or {}).get("leaks")
    if not leaks or not leaks["compared_rows"]:
        return {}
    return {"Test rows by their identity to the nearest training row": band_figure(leaks["bands"])}


def part_figure(facts: Mapping[str, Any]) -> Figures:
    """Return which parts of the model train, {} where that is not recorded."""
    parts = (facts["model"] or {}).get("parts")
    if not parts:
        return {}
    figure = charts.breakdown_figure(charts.collapse_blocks(parts))
    return {"Parameters of each part, trained and frozen; lengths are square roots": figure}


def part_table(facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return parameters and peak learning rate of each part."""
    return pd.DataFrame([
        {
            "Part": part["title"], "Parameters": text.count(part["total"]), "Trained": text.count(part["trainable"]),
            "Learning rate": " to ".join(dict.fromkeys(map(text.learning_rate, part["rates"][:1] + part["rates"][-1:])))
            or "frozen",
        }
        for part in charts.collapse_blocks((facts["model"] or {}).get("parts") or [])
    ])  # fmt: skip


def act_table(folder: RunFolder) -> pd.DataFrame:
    """Return what was done to a run while it trained, a row a mark of its curves."""
    return pd.DataFrame([{"Step": f"{mark.step:,}", "What": mark.label} for mark in read_markers(folder)])

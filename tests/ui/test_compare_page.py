"""The page Compare, drawn without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder, RunStore
from molfun.ui.compared import View
from molfun.ui.evidence_bundle import evidence_html
from tests.drawn_pages import dataset, draw, make_run, words, write_metrics, write_results

__all__ = ["dataset", "make_run"]


@pytest.fixture
def pair(make_run: Callable[..., RunFolder], dataset: Dataset) -> list[RunFolder]:
    """Return two finished runs, the second one much worse."""
    folders = [make_run(name, "finished") for name in ("good", "bad")]
    for number, folder in enumerate(folders):
        write_results(folder, dataset)
        rows = np.arange(60)
        noise = (0.1, 40.0)[number] * np.random.default_rng(number).normal(size=60)
        table = pd.DataFrame({"row": rows, "target": rows.astype(float), "prediction": rows + noise})
        table.to_parquet(folder.predictions / "test.parquet")
        board = folder.read_scoreboard()
        board["test"]["metrics"]["spearman"] = (0.99, 0.4)[number]
        folder.write_scoreboard(board)
        folder.write_parameters({"trainable": (1000, 10)[number], "total": 5000})
    return folders


def test_without_runs_the_page_says_what_to_do(home: Path) -> None:
    assert "Two runs with curves are needed" in words(draw("compare"))


def test_runs_of_the_address_are_compared(pair: list[RunFolder]) -> None:
    app = draw("compare", runs="good,bad,gone", x="minutes", smoothing="0.5", log="1", baseline="bad")
    said = words(app)
    assert (
        "**Run good** scores highest (0.990), and does so in 100% of 2,000 resamples of the test rows: more than"
        in said
    )
    (scores,) = (table.value for table in app.dataframe)
    assert scores["Run"].tolist() == ["Run good", "Run bad"]
    assert scores["Trains"].tolist() == [1000, 10]
    assert scores["Difference"][0].startswith("+0.")
    assert "may be chance" not in scores["Difference"][0]
    assert scores["Difference"][1] == "baseline"
    assert app.query_params["runs"] == "good,bad"
    assert (app.query_params["x"], app.query_params["log"], app.query_params["smoothing"]) == ("minutes", "1", "0.5")
    assert "clip" not in app.query_params
    assert "These runs have the same settings." in said


def test_a_lead_that_may_be_chance_is_called_so(pair: list[RunFolder]) -> None:
    good = pd.read_parquet(pair[0].predictions / "test.parquet")
    good.assign(prediction=good["prediction"] + np.random.default_rng(5).normal(size=60) * 0.1).to_parquet(
        pair[1].predictions / "test.parquet"
    )
    said = words(draw("compare", runs="good,bad"))
    assert "its lead over Run bad may be chance. Of these, **Run bad** trains the fewest parameters." in said


def test_a_run_without_a_score_does_not_keep_the_others_from_being_ranked(
    pair: list[RunFolder], make_run: Callable[..., RunFolder]
) -> None:
    make_run("fresh", "failed").spec_path.write_text("x: [")
    assert "**Run good** scores highest" in words(draw("compare", runs="fresh,good,bad"))


@pytest.mark.parametrize("value", ["", "x", "nan", "-1", "<b>", "good,good,good", "9" * 300])
def test_whatever_stands_in_the_address_the_page_is_drawn(pair: list[RunFolder], value: str) -> None:
    names = ("runs", "x", "smoothing", "log", "clip", "metric", "baseline", "group")
    draw("compare", **dict.fromkeys(names, value))
    draw("compare", **{**dict.fromkeys(names, value), "runs": "good,bad"})


def test_what_a_damaged_run_lacks_is_left_out(pair: list[RunFolder]) -> None:
    (pair[1].predictions / "test.parquet").write_bytes(b"PAR1")
    pair[1].spec_path.write_text("x: [")
    pair[1].parameters_path.write_text("[]")
    app = draw("compare", runs="good,bad", baseline="good")
    assert "The settings of bad cannot be read." in words(app)
    assert app.dataframe[0].value["Difference"].tolist() == ["baseline", "not comparable"]


def test_seeds_are_one_group(pair: list[RunFolder], home: Path) -> None:
    store = RunStore(home)
    for seed, score in ((0, 0.4), (1, 0.6)):
        folder = store.create(pair[0].spec.changed({"training.seed": seed, "training.epochs": 3}), run_id=f"s{seed}")
        write_metrics(folder, 20)
        folder.write_state(status="finished", attempt=1, step=20)
        board = {"primary": "spearman", "test": {"metrics": {"spearman": score}, "rows": 9}, "baselines": {}}
        folder.write_scoreboard(board)
    app = draw("compare", runs="good,s0,s1", group="training.epochs")
    assert app.query_params["group"] == "training.epochs"
    groups = next(table.value for table in app.dataframe if "Group" in table.value)
    assert groups["Group"].tolist() == ["epochs 10", "epochs 3"]
    assert groups["Runs"].tolist() == [1, 2]
    assert groups["Mean"].tolist()[1] == pytest.approx(0.5)


def test_runs_that_differ_by_the_seed_alone_are_one_group(pair: list[RunFolder], home: Path) -> None:
    for epochs in (2, 4):
        for seed in (0, 1):
            changes = {"training.epochs": epochs, "training.seed": seed, "name": f"{epochs} {seed}"}
            folder = RunStore(home).create(pair[0].spec.changed(changes), run_id=f"e{epochs}s{seed}")
            write_metrics(folder, 20)
            board = {"primary": "spearman", "test": {"metrics": {"spearman": epochs / 10}, "rows": 9}, "baselines": {}}
            folder.write_scoreboard(board)
            folder.write_state(status="finished", attempt=1, step=20)
    app = draw("compare", runs="e2s0,e2s1,e4s0,e4s1", group="but_seed")
    groups = next(table.value for table in app.dataframe if "Group" in table.value)
    assert groups.set_index("Group")[["Runs", "Mean"]].to_dict("index") == {
        "epochs 2": {"Runs": 2, "Mean": pytest.approx(0.2)},
        "epochs 4": {"Runs": 2, "Mean": pytest.approx(0.4)},
    }
    assert draw("compare", runs="e2s0,e4s0", group="but_seed").query_params.get("group") is None


def test_a_comparison_is_one_page_that_opens_anywhere(pair: list[RunFolder]) -> None:
    view = View("step", "val_spearman", 0.8, log_scale=False, is_clipped=False)
    page = evidence_html(pair, view=view, baseline="bad")
    assert page.count("Plotly.newPlot(") == 5
    assert "Run good scores highest (0.990), and does so in 100% of 2,000 resamples of the test rows: more than" in page
    assert "Runs: good, bad." in page
    assert ">baseline</td>" in page
    outside = [
        tag for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page) if "src=" in tag or "href=" in tag
    ]
    assert outside == []


def test_ticked_runs_are_kept_or_left_out(pair: list[RunFolder]) -> None:
    for label, kept in (("Only the ticked", "bad"), ("Without the ticked", "good")):
        app = draw("compare", runs="good,bad")
        table = "compare.scores.good|bad"
        app.session_state[table] = {"selection": {"rows": [1], "columns": [], "cells": []}}
        app.run()
        button = next(button for button in app.button if button.label == label)
        button.click().run()
        assert not app.exception
        assert app.query_params["runs"] == kept


def test_the_most_memory_that_a_run_held_is_told(pair: list[RunFolder]) -> None:
    with pair[0].metrics_path.open("a") as file:
        for step, held in ((90, 1.5), (91, 2.5), (92, 2.0)):
            row = {"kind": "step", "segment": 0, "step": step, "t": 1.0, "loss": 0.1, "sys/memory": held}
            file.write(json.dumps(row) + "\n")
    peaks = draw("compare", runs="good,bad").dataframe[0].value["Peak memory (GB)"]
    assert peaks[0] == 2.5
    assert np.isnan(peaks[1])


def test_runs_of_different_columns_are_not_ranked(make_run: Callable[..., RunFolder], dataset: Dataset) -> None:
    for name, target in (("one", "value"), ("other", "kd")):
        folder = make_run(name, "finished")
        write_results(folder, dataset)
        folder.spec_path.write_text(folder.spec.changed({"data.columns.target": target}).to_yaml())
    app = draw("compare", runs="one,other")
    assert "These runs predict different columns (kd, value), so their scores cannot be compared." in words(app)
    assert "scores highest" not in words(app)

"""The page Predict with a scan: drawn from a job as its process leaves it, asked for, and refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from molfun.data import numbering
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.scan import scan_rows
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.runs.predictions import forecast_seconds
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.ui.pair_panels import chosen_pair
from tests.data.test_numbering import HEAVY, LIGHT
from tests.drawn_pages import dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]  # fixtures
JOB = "20260101-120000-abcd"
Make = Callable[..., RunFolder]


@pytest.fixture
def make(home: Path) -> Make:
    """Return a function that writes a finished run on variants of an antibody, without its weights."""
    st.cache_data.clear()  # the job of another test has the same id

    def run(
        task: Task = "regression", columns: tuple[str, ...] = ("heavy", "light"), name: str = "esm2_8m"
    ) -> RunFolder:
        rows = scan_rows(HEAVY, column="heavy", kept={"light": LIGHT}, positions=[5, 6])
        target = {"regression": "kd", "classification": "label", "per_residue": "heavy"}[task]
        table = rows.assign(kd=np.arange(39.0), label=["good", "<b>bad</b>", "good"] * 13)
        settings = ColumnSettings(sequence=list(columns), target=target, task=task)
        dataset = save_dataset(home / "datasets", table, settings, SplitSettings(), name="Antibody")
        spec = RunSpec.parse({"data": {"dataset": dataset.id}, "model": {"name": name, "weights": "random"}})
        folder = RunStore(home).create(spec, run_id="antibody")
        (folder.checkpoints / "best").mkdir(parents=True)
        folder.write_state(status="finished", started=time.time() - 60, ended=time.time())
        return folder

    return run


def leave_scan(folder: RunFolder, values: Callable[[pd.DataFrame], dict[str, Any]], **asked: Any) -> None:
    """Write a scan as its process leaves it."""
    rows = scan_rows(HEAVY, column="heavy", kept={"light": LIGHT}, **asked)
    path = folder.predictions / "jobs" / JOB
    path.mkdir(parents=True)
    rows.assign(**values(rows)).to_parquet(path / "result.parquet", index=False)
    about = {"kind": "scan", "name": "Scan", "wild_type": HEAVY, "column": "heavy", "kept": {"light": LIGHT}}
    (path / "job.json").write_text(json.dumps({**about, "first_number": 1, "total": len(rows)}))
    (path / "state.json").write_text(json.dumps({"status": "finished", "seconds": 10.0, "residues": 1000}))


def numbers(rows: pd.DataFrame) -> dict[str, Any]:
    """Return values of a regression, one of them missing."""
    values = np.random.default_rng(0).normal(size=len(rows))
    values[3] = np.nan
    return {"prediction": values, "problem": np.where(np.isnan(values), "too long", "")}


def test_a_scan_of_pairs_is_drawn_and_its_address_opens_one(make: Make) -> None:
    folder = make()
    leave_scan(folder, numbers, positions=range(95, 105), doubles=[99, 100, 102])
    app = draw("predict", run=folder.id, job=JOB, pair="100-102")
    assert "heavy; light is kept as it is." in words(app)
    assert app.session_state["scan.pair"] == "100-102"
    assert app.query_params["pair"] == "100-102"
    ranking = app.dataframe[-1].value
    assert ranking.columns.tolist() == [
        "mutation", "prediction", "change", "epistasis", "region", "measured", "part", "problem",
    ]  # fmt: skip
    assert len(ranking) == 200
    app.text_input(key="scan.search").set_value("W99 CDR-H3")
    app.number_input(key="scan.top").set_value(1000).run()
    assert len(app.dataframe[-1].value) == 19 + 2 * 361
    app.segmented_control(key="scan.size").set_value("single").run()
    assert app.dataframe[-1].value["mutation"].str.fullmatch("W99[A-Z]").all()


def test_the_class_of_the_wild_type_is_proposed(make: Make) -> None:
    folder = make("classification")

    def shares(rows: pd.DataFrame) -> dict[str, Any]:
        own = np.linspace(0.8, 0.1, len(rows))
        return {"prediction": "good", "p_good": own, "p_<b>bad</b>": 1 - own, "problem": ""}

    leave_scan(folder, shares, positions=[5, 6])
    app = draw("predict", run=folder.id, job=JOB)
    assert app.selectbox(key="scan.class").value == "good"
    assert "the probability of good 0.8, marked by dots" in words(app)
    ranking = app.dataframe[-1].value
    assert ranking.columns.tolist() == ["mutation", "p_good", "change", "region", "measured", "part"]
    assert set(ranking["part"]) <= {"Training", "Validation", "Test"}


def test_a_wild_type_without_a_prediction_says_why(make: Make) -> None:
    folder = make()
    leave_scan(folder, lambda rows: {"prediction": np.nan, "problem": "It has too many residues."}, positions=[5])
    said = words(draw("predict", run=folder.id)).splitlines()
    assert "The wild type cannot be predicted: It has too many residues." in said


def test_the_form_says_how_much_it_would_be(make: Make) -> None:
    folder = make()
    leave_scan(folder, numbers, positions=[5])
    app = draw("predict", run=folder.id)
    # 10 s for 1,000 residues, and both chains in every row.
    rows = 1 + 19 * len(HEAVY)
    assert forecast_seconds(folder, 3000, num_models=2) == 60.0
    assert f"{rows - 1:,} variants (limit 200,000); about " in words(app)
    app.segmented_control(key=f"scan.{folder.id}.heavy.residues").set_value("cdrs").run()
    assert "26-33, 51-58, 97-109" in words(app)
    assert f"{19 * (8 + 8 + 13):,} variants" in words(app)
    app.text_input(key=f"scan.{folder.id}.heavy.doubles").set_value("99, 100").run()
    assert f"{19 * 29 + 361:,} variants, 361 of them pairs" in words(app)
    app.text_input(key=f"scan.{folder.id}.heavy.doubles").set_value("99, 1000").run()
    assert "There is no residue 1000; the wild type has 1 to 120." in words(app)
    assert app.button(key="predict.scan").disabled
    app.segmented_control(key=f"scan.{folder.id}.chain").set_value("light").run()
    assert app.text_area(key=f"scan.{folder.id}.light.wild_type").value == LIGHT
    assert f"{19 * len(LIGHT):,} variants" in words(app)


def test_labels_a_residue_are_refused_with_the_reason(make: Make) -> None:
    folder = make("per_residue", ("heavy",))
    app = draw("predict", run=folder.id)
    app.segmented_control(key="predict.kind").set_value("scan").run()
    assert "A scan needs one value a row; this model predicts something of every residue." in words(app)


@pytest.mark.parametrize(("name", "is_installed"), [("antiberty", False), ("antiberty", True), ("esm2_8m", False)])
def test_antibodies_are_told_how_cdrs_are_marked(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, is_installed: bool
) -> None:
    monkeypatch.setattr(numbering, "can_number", lambda: is_installed)
    folder = make(name=name)  # the data alone look like antibodies, too
    app = draw("predict", run=folder.id)
    app.segmented_control(key="predict.kind").set_value("scan").run()
    assert (numbering.INSTALL in words(app)) != is_installed


def test_other_proteins_are_told_nothing_of_antibodies(
    home: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, make_run: Make
) -> None:
    monkeypatch.setattr(numbering, "can_number", lambda: False)
    folder = make_run("plain", "finished")
    spec = folder.spec.model_copy(update={"model": folder.spec.model.model_copy(update={"name": "esm2_8m"})})
    other = RunStore(home).create(spec, run_id="other")
    (other.checkpoints / "best").mkdir(parents=True)
    app = draw("predict", run=other.id)
    app.segmented_control(key="predict.kind").set_value("scan").run()
    assert numbering.INSTALL not in words(app)


@pytest.mark.parametrize(
    ("data", "pair"),
    [
        ([24, 39, 1.5], "24-39"),
        ({"0": -1, "1": 5.0}, "-1-5"),
        ([24], None),
        (None, None),
        ("x", None),
        (["a", "b"], None),
    ],
)
def test_the_field_that_was_clicked_is_read(data: object, pair: str | None) -> None:
    assert chosen_pair({"selection": {"points": [{"customdata": [1, 2]}, {"customdata": data}]}}) == pair


@pytest.mark.parametrize("told", [None, {}, {"selection": {"points": []}}, {"selection": None}])
def test_no_click_opens_nothing(told: object) -> None:
    assert chosen_pair(told) is None

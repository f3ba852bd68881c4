"""The report of runs as one page, and the button that hands it on."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable

import pandas as pd
import pytest

from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder
from molfun.ui.evidence_bundle import evidence_html, evidence_zip
from tests.drawn_pages import dataset, draw, make_run, write_checkpoint, write_results
from tests.ui.test_html_page import outside

__all__ = ["dataset", "make_run"]

SECTIONS = ["Methods", "Data and split", "Curves", "Scores", "What trained", "Settings", "Environment", "Files"]


@pytest.fixture
def pair(make_run: Callable[..., RunFolder], dataset: Dataset) -> list[RunFolder]:
    """Two finished runs."""
    folders = [make_run(name, "finished") for name in ("first", "second")]
    for folder in folders:
        write_results(folder, dataset)
        write_checkpoint(folder, "best", 10)
    return folders


def sections(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", page)


def alts(page: str) -> list[str]:
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def test_a_run_is_one_page_with_all_sections(pair: list[RunFolder], dataset: Dataset) -> None:
    page = evidence_html(pair[:1])
    assert sections(page) == SECTIONS
    assert outside(page) == []
    assert "Spearman correlation 0.710 on 8 test rows that training never saw." in page
    assert "the head alone was trained" in page
    assert dataset.about["sha256"] in page
    assert len(alts(page)) == page.count("Plotly.newPlot(") == 7


def test_a_page_without_scores_says_that_nothing_can_be_claimed(make_run: Callable[..., RunFolder]) -> None:
    page = evidence_html([make_run("some", "failed", cause="Out of memory.")])
    assert "nothing can be claimed of this run: it is failed. Out of memory." in page
    assert "There is no test score." in page


def test_classes_have_confusion_thresholds_and_calibration(pair: list[RunFolder]) -> None:
    columns = {"sequence": ["sequence"], "target": "value", "task": "classification"}
    folder = pair[0]
    spec = folder.spec.changed({"data.columns": columns, "data.dataset": "gone"})
    folder.spec_path.write_text(spec.to_yaml())
    table = pd.DataFrame({"row": range(6), "target": list("aabbab"), "prediction": list("aabbbb")})
    shares = [0.9, 0.8, 0.1, 0.2, 0.4, 0.3]
    table.assign(p_a=shares, p_b=[1 - share for share in shares]).to_parquet(folder.predictions / "test.parquet")
    found = alts(evidence_html([folder]))
    assert {"Test rows by true and predicted class", "ROC of each class on the test rows"} <= set(found)
    assert "Probability of the predicted class, and how often it is right" in found


def test_several_runs_are_one_page(pair: list[RunFolder]) -> None:
    page = evidence_html(pair)
    assert sections(page) == ["Methods", "Curves", "Scores", "Settings that differ", "Each run", "Files"]
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Run first", "Run second"] * 2
    assert "2 runs are reported together: “Run first” and “Run second”." in page
    assert "Their settings are the same." in page
    assert outside(page) == []


def test_the_zip_of_several_runs_has_a_folder_for_each(pair: list[RunFolder]) -> None:
    content = evidence_zip(pair)
    assert evidence_zip(pair) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert {"report.html", "methods.txt", "facts.json", "MANIFEST", "runs/first/split.csv"} <= set(names)
        assert [run["id"] for run in json.loads(archive.read("facts.json"))["runs"]] == ["first", "second"]
    with zipfile.ZipFile(io.BytesIO(evidence_zip(pair[:1]))) as archive:
        assert {"report.html", "spec.yaml", "predictions/test.csv", "checkpoints.json"} <= set(archive.namelist())


def test_damaged_runs_have_a_page_too(pair: list[RunFolder]) -> None:
    for path in pair[0].path.rglob("*"):
        if path.is_file():
            path.write_bytes(b"\xff{")
    assert "The settings cannot be read" in evidence_html(pair[:1])
    assert "Each run" in sections(evidence_html(pair))


@pytest.mark.parametrize(("status", "is_offered"), [("finished", True), ("failed", True), ("running", False)])
def test_a_run_that_ended_offers_its_evidence(
    make_run: Callable[..., RunFolder], status: str, *, is_offered: bool
) -> None:
    make_run("some", status)
    labels = [button.label for button in draw("live", run="some").get("download_button")]
    assert ({"Zip", "HTML"} <= set(labels)) is is_offered


def test_a_comparison_offers_its_evidence_once(pair: list[RunFolder]) -> None:
    labels = [button.label for button in draw("compare", runs="first,second").get("download_button")]
    assert sorted(labels) == ["Download the table", "HTML", "Zip"]

"""Structures on the page Predict: rows with their certainty, one of them in space, files to take away, damage."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from molfun.data.example_structures import example_protein
from molfun.runs.files import write_json
from molfun.runs.predictions import PredictionJob
from molfun.runs.store import RunFolder
from molfun.ui.folded_panels import structure_paths, zipped
from tests.drawn_pages import draw, words, write_checkpoint
from tests.folded_runs import predict, save_folded_run

JOB = "20261128-100000-abcd"


@pytest.fixture
def run(home: Path) -> RunFolder:
    folder, _ = save_folded_run(home)
    write_checkpoint(folder, "best", 4)
    return folder


@pytest.fixture
def job(run: RunFolder) -> PredictionJob:
    """Write a prediction of three rows, of which the second has a problem."""
    path = run.predictions / "jobs" / JOB
    path.mkdir(parents=True)
    job, names = PredictionJob(path), ("5pti", "", "2xcj")
    job.structures.mkdir()
    for number, name in enumerate(names, start=1):
        if name:
            predict(example_protein(name)).save(job.structures / f"row_{number}.npz")
    table = pd.DataFrame({
        "sequence": [example_protein(name).chains[0].sequence if name else "?" for name in names],
        "prediction": ["row_1.npz", None, "row_3.npz"], "plddt": [0.6, float("nan"), 0.8],
        "problem": ["", "Row 2: '?' is no residue.", ""],
    })  # fmt: skip
    table.to_parquet(job.result_path)
    write_json(path / "job.json", {"name": "Three", "kind": "table", "total": 3, "asked": 0.0})
    job.note(status="finished", done=3)
    return job


def open_page(run: RunFolder) -> AppTest:
    return draw("predict", run=run.id)


def element_keys(app: AppTest, kind: str) -> str:
    return " ".join(str(element.proto.id) for element in app.get(kind))


def test_rows_are_listed_and_the_first_structure_is_drawn(run: RunFolder, job: PredictionJob) -> None:
    app = open_page(run)
    said = words(app)
    assert "**2 of 3 rows** predicted" in said
    assert "1 row could not be predicted" in app.warning[0].value
    choice = app.selectbox(key=f"folded.{JOB}.row")
    assert choice.options == ["1 · RPDFCLEPPYTGPCKARIIRYFYN…", "3 · SNTISEKIVLMRKSEYLSRQQLAD…"]
    drawn = element_keys(app, "plotly_chart") + element_keys(app, "bidi_component")
    assert all(name in drawn for name in ("folded.space", "folded.contacts", "folded.track"))
    assert app.segmented_control(key="folded.coloring").options == ["pLDDT", "Chain"]
    assert all(name in element_keys(app, "download_button") for name in ("cif", "csv", "zip"))


def test_another_row_is_drawn(run: RunFolder, job: PredictionJob) -> None:
    app = open_page(run)
    app.selectbox(key=f"folded.{JOB}.row").set_value(3).run()
    assert not app.exception


@pytest.mark.parametrize("damage", ["empty", "gone", "link"])
def test_damaged_files_are_sentences(run: RunFolder, job: PredictionJob, tmp_path: Path, damage: str) -> None:
    path = job.structures / "row_1.npz"
    content = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "link":
        (tmp_path / "other.npz").write_bytes(content)
        path.symlink_to(tmp_path / "other.npz")
    app = open_page(run)
    said = "\n".join(item.value for item in app.warning)
    assert ("or is gone" if damage == "gone" else "no predicted structure that can be read") in said


def test_all_structures_are_zipped_and_damaged_ones_named(job: PredictionJob) -> None:
    found: Any = job.result()
    paths = structure_paths(job, found)
    assert [path.name for path in paths.values()] == ["row_1.npz", "row_3.npz"]
    paths[3].write_bytes(b"nothing")
    with zipfile.ZipFile(io.BytesIO(zipped(paths))) as archive:
        assert archive.namelist() == ["row_1.cif", "left_out.txt"]
        assert archive.read("row_1.cif").startswith(b"data_predicted")
        assert b"row_3.npz is no predicted structure" in archive.read("left_out.txt")


def test_what_a_table_says_is_no_path(job: PredictionJob) -> None:
    found: Any = job.result()
    paths = structure_paths(job, found.assign(prediction=["../../spec.yaml", None, "/etc/passwd"]))
    assert [path.parent for path in paths.values()] == [job.structures] * 2


def test_a_scan_is_refused_with_its_reason(run: RunFolder) -> None:
    app = open_page(run)
    app.segmented_control(key="predict.kind").set_value("scan").run()
    assert "A scan needs one value a row" in app.info[0].value

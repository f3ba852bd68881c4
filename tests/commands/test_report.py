"""`molfun report`: one file, or one sentence that says why not."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from molfun.cli import app
from molfun.data.dataset import Dataset
from molfun.runs.store import RunFolder
from tests.drawn_pages import dataset, make_run, write_results

__all__ = ["dataset", "make_run"]


def test_a_report_is_written_as_page_and_as_zip(
    make_run: Callable[..., RunFolder], dataset: Dataset, tmp_path: Path
) -> None:
    write_results(make_run("done", "finished"), dataset)
    page, bundle = tmp_path / "out.html", tmp_path / "out.zip"
    assert CliRunner().invoke(app, ["report", "done", "-o", str(page)]).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    done = CliRunner().invoke(app, ["report", "done", "done", "-o", str(bundle), "--with-data"])
    assert f"written to {bundle}" in done.output
    with zipfile.ZipFile(bundle) as archive:
        assert {"report.html", "data.csv", "split.csv"} <= set(archive.namelist())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope", "-o", "{room}/a.zip"], "No run has the id 'nope'"),
        (["nope", "-o", "{room}/a.txt"], "expected a name that ends in .zip or .html"),
        (["nope", "-o", "{room}/there.zip"], "nothing is written over"),
        (["nope", "-o", "{room}/no/a.zip"], "There is no folder"),
    ],
)
def test_what_cannot_be_written_is_said(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_text("")
    done = CliRunner().invoke(app, ["report", *(word.format(room=tmp_path) for word in arguments)])
    assert sentence in str(done.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.zip"]
    assert (tmp_path / "there.zip").read_text() == ""

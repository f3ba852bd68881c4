"""Structures on the page of a run: scores of each target, one of them in space; what is damaged is a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molfun.runs.certainty import read_baselines
from molfun.runs.store import RunFolder
from molfun.ui.evidence_bundle import evidence_html
from molfun.ui.structure_scores import confidence_figure, size_figure, target_figure, target_table
from tests.drawn_pages import draw, words
from tests.folded_runs import save_folded_run


@pytest.fixture
def run(home: Path) -> RunFolder:
    folder, _ = save_folded_run(home)
    return folder


def titles(app) -> list[str]:
    return [element.proto.id for kind in ("plotly_chart", "bidi_component") for element in app.get(kind)]


def test_a_run_shows_its_targets_and_the_best_of_them_in_space(run: RunFolder) -> None:
    app = draw("live", run=run.id)
    said = words(app)
    table = pd.read_parquet(run.predictions / "test.parquet").sort_values("lddt")
    assert app.selectbox(key="targets.row").value == table["row"].iloc[-1]
    assert f"**{table['name'].iloc[-1]}**" in said
    assert "RMSD" in said
    assert not app.warning
    keys = " ".join(titles(app))
    assert all(name in keys for name in ("result.confidence", "targets.scores", "target.space", "target.track"))


def test_the_best_target_is_one_that_has_a_score(run: RunFolder) -> None:
    path = run.predictions / "test.parquet"
    table = pd.read_parquet(path).sort_values("lddt", ignore_index=True)
    table.loc[0, "lddt"] = np.nan
    table.to_parquet(path)
    assert draw("live", run=run.id).selectbox(key="targets.row").value == table["row"].iloc[-1]


def test_targets_of_one_name_are_told_apart(run: RunFolder) -> None:
    path = run.predictions / "test.parquet"
    table = pd.read_parquet(path).assign(name="twin")
    table.to_parquet(path)
    app = draw("live", run=run.id)
    worst = int(table.sort_values("lddt")["row"].iloc[0])
    assert sorted(app.selectbox(key="targets.row").options) == sorted(f"twin, row {row}" for row in table["row"])
    app.selectbox(key="targets.row").set_value(worst).run()
    assert app.selectbox(key="targets.row").value == worst


def test_another_target_and_another_colour_are_drawn(run: RunFolder) -> None:
    app = draw("live", run=run.id)
    worst = pd.read_parquet(run.predictions / "test.parquet").sort_values("lddt").iloc[0]
    app.selectbox(key="targets.row").set_value(int(worst["row"]))
    app.segmented_control(key="target.coloring").set_value("error").run()
    assert not app.exception
    assert f"**{worst['name']}**: {worst['num_residues']} residues" in words(app)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no predicted structure that can be read"),
        (b"PK\x03\x04 and then nothing", "is no predicted structure that can be read"),
        (None, "This structure was not kept, or is gone"),
    ],
)
def test_a_damaged_or_absent_structure_is_a_sentence(run: RunFolder, content: bytes | None, sentence: str) -> None:
    for path in run.structures.iterdir():
        path.unlink() if content is None else path.write_bytes(content)
    app = draw("live", run=run.id)
    assert sentence in "\n".join(element.value for element in app.warning)
    assert "Targets" in words(app)


def test_another_protein_under_the_name_is_a_sentence(run: RunFolder) -> None:
    first, second = sorted(run.structures.iterdir())
    shutil.copy(first, second)
    app = draw("live", run=run.id)
    row = int(second.stem.removeprefix("row_"))
    app.selectbox(key="targets.row").set_value(row).run()
    assert "has other residues" in app.warning[0].value


def test_without_its_data_the_prediction_stands_alone(run: RunFolder, home: Path) -> None:
    shutil.rmtree(home / "datasets")
    app = draw("live", run=run.id)
    assert not app.exception
    assert app.segmented_control(key="target.coloring").options == ["pLDDT", "Chain"]


def test_damaged_measured_structures_are_a_sentence(run: RunFolder, home: Path) -> None:
    (path,) = (home / "datasets").glob("*/structures/positions.npy")
    content = bytearray(path.read_bytes())
    content[-4:] = b"\x00\x00\x80\x3f"
    content[1000:1004] = b"\x00\x00\x80\x3f"
    path.write_bytes(bytes(content[:-2000]))
    app = draw("live", run=run.id)
    assert not app.exception


@pytest.mark.parametrize("change", ["text", "no_rows", "no_scores", "nan"])
def test_tables_of_others_draw_what_they_can(run: RunFolder, change: str) -> None:
    path = run.predictions / "test.parquet"
    table = pd.read_parquet(path)
    table = {
        "text": table.assign(row=["a", "b"], lddt="high"), "no_rows": table.iloc[:0],
        "no_scores": table.drop(columns=["num_residues", "rmsd"]), "nan": table.assign(lddt=np.nan, plddt=np.nan),
    }[change]  # fmt: skip
    table.to_parquet(path)
    assert not draw("live", run=run.id).exception


def test_the_model_before_training_is_the_only_baseline(run: RunFolder) -> None:
    table = read_baselines(run)
    assert table is not None
    assert list(table.columns) == ["row", "before_training", "target"]


def test_evidence_has_the_scores_of_targets(run: RunFolder) -> None:
    page = evidence_html([run])
    assert "Scores of the test targets" in page
    assert "lDDT of the test targets against the one that the model expects" in page


def test_figures_of_scores_carry_the_row_of_each_target() -> None:
    table = pd.DataFrame({
        "row": [3, 8, 9], "name": ["a", "b", "c"], "num_residues": [10, 20, 30], "plddt": [0.5, 0.7, np.nan],
        "lddt": [0.4, 0.9, 0.2], "tm_score": [0.3, 0.8, 0.1],
    })  # fmt: skip
    assert [row for row, _ in target_figure(table).data[0].customdata] == [8, 3, 9]
    assert [row for row, _ in confidence_figure(table).data[-1].customdata] == [3, 8]
    assert list(size_figure(table).data[0].x) == [10, 20, 30]
    assert target_table(table)["Target"].tolist() == ["c", "a", "b"]


def test_many_targets_are_dots_without_names() -> None:
    size = 5_000
    table = pd.DataFrame({"row": range(size), "name": "x", "num_residues": 50, "plddt": 0.5, "lddt": 0.5})
    assert not target_figure(table).layout.yaxis.showticklabels
    assert len(confidence_figure(table).data[-1].x) <= 3_000

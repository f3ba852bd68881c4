"""A finished run used again: the same answers as in its own evaluation, from Python and from the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import molfun
from molfun.cli import app
from molfun.data.dataset import load_dataset
from molfun.errors import DataError, MolfunError, RunError
from molfun.runs.new_rows import prepare_rows
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from tests.real_runs import Start, starting, wait_for_end

RUNNER = CliRunner()


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Start]:
    yield from starting(home, tmp_path)


def finished(folder: RunFolder) -> RunFolder:
    wait_for_end(folder)
    assert run_status(folder).status == "finished", folder.log_tail()
    return folder


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [("lora", {"strategy__ema_decay": 0.9}), ("partial", {"strategy__unfreeze_last_n": 1}), ("head_only", {})],
)
def test_a_run_predicts_what_its_evaluation_found(
    strategy: str, changes: dict[str, float], start: Start, home: Path
) -> None:
    folder = finished(start(strategy=strategy, training__epochs=2, **changes))
    dataset = load_dataset(home / "datasets", folder.spec.data.dataset)
    test = dataset.part("test")
    expected = pd.read_parquet(folder.predictions / "test.parquet").set_index("row")["prediction"]
    predictor = molfun.load(folder.id)
    found = predictor.predict(test["chain_1"].tolist())
    assert np.allclose(found["prediction"], expected.loc[test["row"]], rtol=0, atol=1e-5)
    # In a process of its own, by the run's folder; and weights that were trained further are others.
    code = (
        "import sys, molfun; from pathlib import Path\n"
        "print(*molfun.load(Path(sys.argv[1])).predict(sys.argv[2:])['prediction'], sep=',')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder.path), *test["chain_1"]], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert np.allclose([float(value) for value in done.stdout.split(",")], found["prediction"], rtol=0, atol=1e-5)


def test_the_command_predicts_a_table_and_says_what_it_could_not(start: Start, home: Path, tmp_path: Path) -> None:
    folder = finished(start(strategy="head_only", training__epochs=1))
    table, output = tmp_path / "new.csv", tmp_path / "out.csv"
    table.write_text("name,protein,prediction\na,MKTAYIAKQRGSW,old\nb,MK1AY,old\nc,TAYIAKQRGSWAA,old\n")
    done = RUNNER.invoke(app, ["predict", folder.id, str(table), "-o", str(output), "--device", "cpu"])
    assert done.exit_code == 0, done.output + repr(done.exception)
    said = done.output.replace("\n", " ").replace("  ", " ")
    assert re.search(rf"2 of 3 rows predicted with best weights, epoch \d+, [a-zA-Z() ]+; written to {output}", said)
    assert "Row 3: " in done.output
    found = pd.read_csv(output)
    assert found.columns.tolist() == [
        "name",
        "protein",
        "prediction (of the table)",
        "sequence",
        "prediction",
        "problem",
    ]
    assert found["prediction"].notna().tolist() == [True, False, True]
    assert found["problem"].notna().tolist() == [False, True, False]
    several = ["predict", folder.id, str(table), "-o", str(tmp_path / "several.csv"), "--with", f"{folder.id}/last"]
    done = RUNNER.invoke(app, several)
    assert done.exit_code == 0, done.output + repr(done.exception)
    # Both checkpoints of a run of one epoch are the same, so there is no spread.
    assert np.allclose(pd.read_csv(tmp_path / "several.csv")["spread"].dropna(), 0)
    few = RUNNER.invoke(app, ["predict", folder.id, str(table), "-o", str(tmp_path / "z.csv"), "--coverage", "0.9"])
    assert "Intervals need 20 validation rows for a coverage of 90%, and there are 4" in str(few.exception)
    again = RUNNER.invoke(app, ["predict", folder.id, str(table), "-o", str(output)])
    assert "exists; nothing is written over" in str(again.exception)
    for wrong, message in ((f"{folder.id}/epoch_9", "has no checkpoint epoch_9"), ("nothing", "nothing")):
        failed = RUNNER.invoke(app, ["predict", wrong, str(table), "-o", str(tmp_path / "x.csv")])
        assert isinstance(failed.exception, MolfunError)
        assert message in str(failed.exception)
    assert not (tmp_path / "x.csv").exists()
    with pytest.raises(RunError, match="is no run folder"):
        molfun.load(tmp_path)


def test_a_lora_run_is_scanned_and_taken_away(start: Start, home: Path, tmp_path: Path) -> None:
    folder = finished(start(strategy="lora", training__epochs=1))
    done = RUNNER.invoke(app, ["scan", folder.id, "MKTAY", "-o", str(tmp_path / "scan.csv"), "--first", "5"])
    assert done.exit_code == 0, done.output + repr(done.exception)
    scan = pd.read_csv(tmp_path / "scan.csv")
    assert len(scan) == 1 + 19 * 5
    assert scan["prediction"].is_monotonic_decreasing
    assert scan.loc[scan["mutation"] == "WT", "change"].tolist() == [0.0]
    done = RUNNER.invoke(app, ["export", folder.id, "-o", str(tmp_path / "merged")])
    assert done.exit_code == 0, done.output + repr(done.exception)
    card = (tmp_path / "merged" / "README.md").read_text()
    assert f"# {folder.title}" in card
    assert "| spearman |" in card
    assert "32 train" in card or "28 train" in card
    variant = scan.iloc[0]
    code = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    script = str(tmp_path / "merged" / "predict.py")
    said = subprocess.run([sys.executable, "-c", code, script, str(variant["sequence"])], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert float(said.stdout) == pytest.approx(variant["prediction"], abs=1e-5)
    for form, reason in (("adapter", "drawn at random"), ("zip", "--format is 'zip'")):
        wrong = RUNNER.invoke(app, ["export", folder.id, "-o", str(tmp_path / "y"), "--format", form])
        assert reason in str(wrong.exception)


def test_new_rows_are_made_as_the_training_rows_were(home: Path) -> None:
    from molfun.data.dataset import save_dataset
    from molfun.data.recipe import apply_recipe, parse_recipe
    from molfun.data.settings import ColumnSettings, SplitSettings
    from molfun.runs.spec import RunSpec
    from molfun.runs.store import RunStore
    from tests.data.test_mutations import WILD_TYPE

    recipe = [
        {"kind": "mutations", "column": "mutant", "wild_type": WILD_TYPE, "first_number": 1},
        {"kind": "drop", "columns": ["sequence", "y"], "why": "missing"},
    ]
    texts = [f"{a}{i}A" for i, a in enumerate(WILD_TYPE, start=1) if a != "A"]
    frame = pd.DataFrame({"mutant": [*texts, "Z9A"], "y": np.arange(len(texts) + 1.0)})
    cleaned, _ = apply_recipe(frame, parse_recipe(recipe))
    dataset = save_dataset(
        home / "datasets", cleaned, ColumnSettings(sequence=["sequence"], target="y"), SplitSettings(), name="scan",
        about={"recipe": recipe},
    )  # fmt: skip
    spec = RunSpec.parse({"data": {"dataset": dataset.id}, "model": {"name": "esm2_8m", "weights": "random"}})
    RunStore(home).create(spec, run_id="scan")
    rows = prepare_rows(home, "scan", pd.DataFrame({"mutant": ["M1A:Q2A", "Q1A", "WT"]}))
    assert rows["sequence"].tolist() == ["AA" + WILD_TYPE[2:], None, WILD_TYPE]
    given = prepare_rows(home, "scan", pd.DataFrame({"mutant": ["x"], "sequence": ["ACDEF"]}))
    assert given["sequence"].tolist() == ["ACDEF"]
    assert prepare_rows(home, "scan", pd.DataFrame({"protein": [WILD_TYPE]}))["sequence"].tolist() == [WILD_TYPE]
    with pytest.raises(DataError, match="has no column 'sequence', which the model reads; its columns are: a, b"):
        prepare_rows(home, "scan", pd.DataFrame({"a": [1], "b": [2]}))

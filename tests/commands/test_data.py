"""`molfun data check` and `molfun data clean`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from molfun.cli import app
from molfun.errors import DataError, MolfunError
from tests.data.test_mutations import WILD_TYPE

RUNNER = CliRunner()


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Return a table of mutations with a wrong one and a bound among its values."""
    lines = ["mutant,score"]
    lines += [f"{a}{i}{b},{i / 10}" for i, a in enumerate(WILD_TYPE, start=24) for b in "DS" if a != b]
    path = tmp_path / "scan.csv"
    path.write_text("\n".join([*lines, "A24G,0.5", "M24A,<0.1"]))
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return the recipe that builds its sequences and leaves out what does not fit."""
    steps = [
        {"kind": "mutations", "column": "mutant", "wild_type": WILD_TYPE, "first_number": 24},
        {"kind": "drop", "columns": ["sequence"], "why": "missing"},
        {"kind": "numbers", "column": "score", "read": "bounds"},
    ]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"steps": steps}))
    return path


def test_check_says_what_is_wrong_and_ends_with_2(scan: Path) -> None:
    done = RUNNER.invoke(app, ["data", "check", str(scan)])
    assert done.exit_code == 2
    assert "No sequence column is chosen" in done.output


def test_check_of_a_cleaned_table_tells_how_fair_its_test_is(scan: Path, recipe: Path) -> None:
    options = ["--recipe", str(recipe), "--split", "position", "--json"]
    done = RUNNER.invoke(app, ["data", "check", str(scan), *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report["fine"] is True
    assert report["columns"]["sequence"] == ["sequence"]
    assert report["leaks"]["bands"]["95 to 100 %"] == report["leaks"]["test_rows"] == report["parts"]["test"]
    assert report["lengths"]["longest"] == len(WILD_TYPE)
    assert sum(report["parts"].values()) == report["rows"]


def test_check_by_identity_says_what_to_do_instead(scan: Path, recipe: Path) -> None:
    done = RUNNER.invoke(
        app, ["data", "check", str(scan), "--recipe", str(recipe), "--split", "identity", "--set", "max_identity=0.3"]
    )
    assert done.exit_code == 2
    assert "At 30% identity the" in done.output
    assert "split variants of one protein by mutated position" in done.output.replace("\n", " ")


def test_clean_writes_a_new_table_and_keeps_the_old_one(scan: Path, recipe: Path, tmp_path: Path) -> None:
    before, output = scan.read_bytes(), tmp_path / "clean.csv"
    done = RUNNER.invoke(app, ["data", "clean", str(scan), "--recipe", str(recipe), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "Leave out rows with nothing in 'sequence': 1 row\n" in done.output
    cleaned = pd.read_csv(output)
    assert scan.read_bytes() == before
    assert cleaned["score"].dtype == float
    assert cleaned["sequence"].iloc[0] == "D" + WILD_TYPE[1:]
    again = RUNNER.invoke(app, ["data", "clean", str(scan), "--recipe", str(recipe), "-o", str(output)])
    assert isinstance(again.exception, DataError)
    assert "exists; nothing is written over" in str(again.exception)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("steps: 5", "A recipe is a list"),
        ("- a", "The recipe wrong.yaml holds no settings"),
        ("steps: [{kind: run}]", "Step 0 of the recipe"),
    ],
)
def test_a_wrong_recipe_is_refused(scan: Path, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    done = RUNNER.invoke(app, ["data", "clean", str(scan), "--recipe", str(path), "-o", str(tmp_path / "x.csv")])
    assert isinstance(done.exception, MolfunError)
    assert message in str(done.exception)
    assert not (tmp_path / "x.csv").exists()

"""`molfun data check` and `molfun data clean`, as a person types them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from molfun.cli import app
from molfun.errors import DataError, MolfunError
from tests.data.test_identity import related
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


def test_check_by_identity_says_whether_all_pairs_were_compared(tmp_path: Path) -> None:
    path = tmp_path / "families.csv"
    pd.DataFrame({"sequence": related(60, 0, families=12), "y": [i / 7 for i in range(60)]}).to_csv(path, index=False)
    done = RUNNER.invoke(app, ["data", "check", str(path), "--split", "identity", "--set", "max_identity=0.6"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert re.search(r"All [\d,]+ pairs of different sequences were compared: no two rows of different parts", said)
    assert check(str(path), "--split", "random")[1]["leaks"]["promise"] == ""


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


def check(*options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of a check, and its report."""
    done = RUNNER.invoke(app, ["data", "check", *options, "--json"])
    assert done.exception is None or done.exit_code == 2, done.exception
    return done.exit_code, json.loads(done.output)


def test_mutations_are_built_from_a_wild_type_in_a_fasta_file_and_misfits_have_their_row(
    scan: Path, tmp_path: Path
) -> None:
    (tmp_path / "wt.fasta").write_text(f">wt\n{WILD_TYPE}\n")
    code, report = check(str(scan), "--wild-type", str(tmp_path / "wt.fasta"), "--split", "random")
    assert code == 2
    assert report["columns"]["sequence"] == ["sequence"]
    assert [(p["row"], p["value"]) for p in report["problems"] if "expects A" in p["message"]] == [
        (report["rows"], "A24G")
    ]
    assert report["lengths"]["shortest"] == report["lengths"]["longest"] == len(WILD_TYPE)


@pytest.mark.parametrize("form", ["two columns", "one column"])
def test_two_chains_have_a_wild_type_each(tmp_path: Path, form: str) -> None:
    heavy, light = WILD_TYPE[:20], WILD_TYPE[20:40]
    pairs = [(f"{a}{i}G", f"{b}{i}P") for i, (a, b) in enumerate(zip(heavy, light, strict=True), start=1)]
    if form == "two columns":
        lines = ["heavy_mut,light_mut,kd", *(f"{a},{b},{i}.5" for i, (a, b) in enumerate(pairs))]
        names = ["heavy_mut", "light_mut"]
    else:
        lines = ["mutation,kd", *(f"H:{a};L:{b},{i}.5" for i, (a, b) in enumerate(pairs))]
        names = ["mutation:H", "mutation:L"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    wild = [
        option for name, seq in zip(names, (heavy, light), strict=True) for option in ("--wild-type", f"{name}={seq}")
    ]
    code, report = check(str(tmp_path / "t.csv"), *wild, "--split", "random", "--save-recipe", str(tmp_path / "r.yaml"))
    assert code == 0, report["problems"]
    assert report["columns"]["sequence"] == [f"{name.replace(':', '_')}_sequence" for name in names]
    done = RUNNER.invoke(
        app,
        ["data", "clean", str(tmp_path / "t.csv"), "--recipe", str(tmp_path / "r.yaml"), "-o", str(tmp_path / "o.csv")],
    )
    assert done.exit_code == 0, done.output
    cleaned = pd.read_csv(tmp_path / "o.csv")[report["columns"]["sequence"]]
    assert cleaned.iloc[0].tolist() == [f"G{heavy[1:]}", f"P{light[1:]}"]


def test_a_wild_type_of_several_chains_has_to_say_which(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("mutation,y\n" + "A:M1G,1\nB:M1K,2\n" * 6)
    done = RUNNER.invoke(app, ["data", "check", str(tmp_path / "t.csv"), "--wild-type", WILD_TYPE])
    assert isinstance(done.exception, DataError)
    assert "name the chains A, B; say which" in str(done.exception)


def test_a_file_of_two_wild_types_is_refused(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "two.fasta").write_text(f">a\n{WILD_TYPE}\n>b\n{WILD_TYPE}\n")
    done = RUNNER.invoke(app, ["data", "check", str(scan), "--wild-type", str(tmp_path / "two.fasta")])
    assert isinstance(done.exception, DataError)
    assert "holds 2 sequences, but one wild type is expected" in str(done.exception)


def test_every_remedy_is_saved_as_a_recipe_that_makes_the_table_fine(tmp_path: Path) -> None:
    rows = [f"HIS-{WILD_TYPE[i : i + 20]}*,{i + 1} {'nM' if i % 3 else 'uM'}" for i in range(14)]
    (tmp_path / "t.csv").write_text("\n".join(["sequence,IC50", *rows, "", "Mean,5"]))
    code, _ = check(str(tmp_path / "t.csv"), "--save-recipe", str(tmp_path / "r.yaml"), "--split", "random")
    assert code == 2
    code, report = check(str(tmp_path / "t.csv"), "--recipe", str(tmp_path / "r.yaml"), "--split", "random")
    assert code == 0, report["problems"]
    assert (report["rows"], report["lengths"]["longest"], report["target"]["highest"]) == (14, 20, 13_000.0)
    assert report["target"]["lowest"] == 2.0  # nM, which most rows have
    assert sum(item["rows"] for item in report["lengths"]["histogram"]) == 14


def test_the_terminal_draws_lengths_and_classes_and_names_the_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Read me"])
    for title in ("first", "second"):
        sheet = book.create_sheet(title)
        for row in [["sequence", "label"], *([WILD_TYPE[: 10 + i], "yes" if i % 4 else "no"] for i in range(20))]:
            sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    done = RUNNER.invoke(app, ["data", "check", str(tmp_path / "t.xlsx"), "--sheet", "second"])
    assert "sheet 'second'; also filled: 'Sheet', 'first' (--sheet chooses)" in done.output
    assert "yes ██████████████████████████████ 15" in done.output
    assert "10–11 ██████████████████████████████ 2" in done.output


def test_labels_of_residues_come_from_a_second_fasta_file(tmp_path: Path) -> None:
    seqs = [WILD_TYPE[i : i + 20] for i in range(20)]
    (tmp_path / "s.fasta").write_text("".join(f">p{i}\n{seq}\n" for i, seq in enumerate(seqs)))
    (tmp_path / "l.fasta").write_text("".join(f">p{i}\n00011{'?' * 5}{'1' * 10}\n" for i in range(20)))
    code, report = check(str(tmp_path / "s.fasta"), "--values", str(tmp_path / "l.fasta"), "--split", "random")
    assert code == 0, report["problems"]
    assert (report["columns"]["target"], report["columns"]["task"]) == ("labels", "per_residue")
    assert report["target"] == {"classes": {"1": 240, "0": 60}, "without_label": 100}


def test_a_wild_type_may_be_longer_than_a_name_of_a_file(tmp_path: Path) -> None:
    wild_type = WILD_TYPE * (300 // len(WILD_TYPE) + 1)
    rows = [f"{letter}{number}G,{number}" for number, letter in enumerate(wild_type[:40], 1) if letter != "G"]
    (tmp_path / "t.csv").write_text("\n".join(["mutant,score", *rows]))
    code, report = check(str(tmp_path / "t.csv"), "--wild-type", wild_type, "--split", "random")
    assert code == 0, report["problems"]
    assert report["lengths"]["longest"] == len(wild_type) > 255


def test_a_wild_type_in_a_table_without_sequences_is_refused(scan: Path) -> None:
    done = RUNNER.invoke(app, ["data", "check", str(scan), "--wild-type", str(scan)])
    assert "has no column 'sequence', but mutant, score; give the wild type as FASTA" in str(done.exception)

"""`molfun data check` on structures: files, chains, notes, values without a structure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from molfun.cli import app
from molfun.data.example_structures import FOLDER


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def test_a_folder_is_reported_with_its_chains() -> None:
    done = check(FOLDER, "--rows", "chain", "--split", "identity")
    assert done.exit_code == 0, done.output
    assert "12 structures, 0 files left out; chains: A in 10, B in 1, D in 1" in done.output
    assert "1.0 to 1.8 angstrom; deposited 1984-10-05 to 1999-01-08" in done.output
    assert "sequences: sequence; target: structure (structure)" in done.output


def test_bad_files_and_lonely_rows_are_named(tmp_path: Path) -> None:
    for name in ("1hvr.pdb.gz", "5pti.cif.gz"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / "bad.pdb").write_text("ATOM")
    (tmp_path / "values.tsv").write_text("name\tkd\n1HVR\t1.5\n9xyz\t2.5\n")
    done = check(tmp_path, "--values", tmp_path / "values.tsv", "--json")
    assert done.exit_code == 2
    found = json.loads(done.output)["structures"]
    assert (found["structures"], found["chains"], found["residues"]) == (1, {"A": 1, "B": 1}, 198)
    assert [name for name, _ in found["skipped"]] == ["bad.pdb"]
    assert (found["unmatched_rows"], found["unmatched_files"]) == ([3], ["5pti"])
    text = check(tmp_path, "--values", tmp_path / "values.tsv").output
    assert "rows of the values without a structure: 3" in text
    assert "structures without a row of values: 5pti" in text


@pytest.mark.parametrize("rows", ["row", ""])
def test_rows_are_of_files_or_chains(rows: str) -> None:
    done = check(FOLDER, "--rows", rows)
    assert done.exit_code != 0

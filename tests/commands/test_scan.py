"""`molfun scan`: two chains and classes with a real run, and what is refused before any model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from molfun.cli import app
from molfun.data.dataset import save_dataset
from molfun.data.fasta import read_fasta
from molfun.data.scan import RESIDUES
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.errors import MolfunError
from molfun.runs.plan import plan_run
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import submit_run
from tests.data.test_numbering import HEAVY, LIGHT
from tests.real_runs import kill_all, wait_for_end

Scan = Callable[..., str]


def scan(*arguments: object) -> str:
    """Return what the command prints."""
    done = CliRunner().invoke(app, ["scan", *map(str, arguments)])
    assert done.exit_code == 0 or isinstance(done.exception, MolfunError), done.output + repr(done.exception)
    return done.output or str(done.exception)


def pairs_of_chains() -> pd.DataFrame:
    """Return variants of an antibody at residue 5 of its heavy chain, in two classes."""
    rows = [(HEAVY[:4] + new + HEAVY[5:], LIGHT, "=bad" if new in "AVLIMFWY" else "good") for new in RESIDUES * 2]
    return pd.DataFrame(rows, columns=["heavy", "light", "label"])


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Iterator[RunFolder]:
    """Return a finished run of a random model on two chains and two classes."""
    pairs_of_chains().to_csv(tmp_path / "pairs.csv", index=False)
    columns = {"sequence": ["heavy", "light"], "target": "label", "task": "classification"}
    values = {"data": {"table": str(tmp_path / "pairs.csv"), "columns": columns}}
    told = {"training.batch_size": 8, "training.num_threads": 1, "training.epochs": 1, "strategy.amp": False}
    model = {"name": "esm2_8m", "weights": "random"}
    folder = submit_run(home, plan_run(home, {**values, "model": model}, strategy="head_only", changes=told)[0])
    wait_for_end(folder)
    assert run_status(folder).status == "finished", folder.log_tail()
    yield folder
    kill_all(folder)


@pytest.fixture
def data_only(home: Path) -> Callable[[Task, list[str]], str]:
    """Return a function that writes the settings of a run without weights; it returns the run's id."""

    def make(task: Task, sequence: list[str]) -> str:
        table = pairs_of_chains().assign(kd=np.arange(40.0), each=pairs_of_chains()["heavy"])
        target = {"regression": "kd", "classification": "label", "per_residue": "each"}[task]
        columns = ColumnSettings(sequence=sequence, target=target, task=task)
        dataset = save_dataset(home / "datasets", table, columns, SplitSettings(), name=f"{task} {len(sequence)}")
        spec = RunSpec.parse({"data": {"dataset": dataset.id}, "model": {"name": "esm2_8m", "weights": "random"}})
        return RunStore(home).create(spec, run_id=f"{task}-{len(sequence)}".replace("_", "-")).id

    return make


@pytest.mark.slow
def test_one_of_two_chains_is_scanned_for_a_class(run: RunFolder, tmp_path: Path) -> None:
    fasta = tmp_path / "wild.fasta"
    fasta.write_text(f">h\n{HEAVY}\n>l\n{LIGHT}\n")
    files = ["-o", tmp_path / "out.csv", "--grid", tmp_path / "grid.csv", "--fasta", tmp_path / "top.fasta"]
    said = scan(run.id, fasta, *files, "--top", 3, "--positions", "5, 26", "--class", "=bad")
    assert "38 variants, the wild type at 0." in said
    assert "Numbers are the probability of =bad." in said
    table = pd.read_csv(tmp_path / "out.csv")
    assert table.columns.tolist() == [
        "mutation", "heavy", "light", "p_=bad", "change", "region", "measured", "part",
    ]  # fmt: skip
    assert set(table["light"]) == {LIGHT}
    assert table["p_=bad"].is_monotonic_decreasing
    assert (table["part"].fillna("") != "").sum() == 20  # the wild type and its 19 variants at residue 5
    assert set(table["measured"].dropna()) == {"'=bad", "good"}
    assert table.set_index("mutation").loc["G26A", "region"] == "CDR-H1"
    grid = pd.read_csv(tmp_path / "grid.csv")
    assert grid["position"].tolist() == [5, 26]
    assert "".join(grid["wild_type"]) == HEAVY[4] + "G"
    records = read_fasta((tmp_path / "top.fasta").read_text(), "top.fasta")
    assert records["sequence"].tolist()[0::2] == table["heavy"].head(3).tolist()
    assert records["sequence"].tolist()[1::2] == [LIGHT] * 3

    # The other chain, and the class that the wild type is given.
    said = scan(run.id, HEAVY, LIGHT, "-o", tmp_path / "light.parquet", "--chain", "light", "--positions", "27")
    light = pd.read_parquet(tmp_path / "light.parquet")
    assert (len(light), set(light["region"])) == (20, {"", "CDR-L1"})
    own = light.loc[light["mutation"] == "WT"].iloc[0]
    assert own[light.columns[3]] >= 0.5
    assert f"Numbers are the probability of {light.columns[3].removeprefix('p_')}." in said
    assert scan(run.id, fasta, "-o", tmp_path / "out.csv").startswith(f"{tmp_path / 'out.csv'} exists; nothing is")


@pytest.mark.parametrize(
    ("task", "columns", "arguments", "message"),
    [
        ("per_residue", ["heavy"], ["MK"], "this model predicts something of every residue"),
        ("regression", ["heavy", "light"], [HEAVY], r"reads 2 chains (heavy, light), and 1 sequences are given"),
        ("regression", ["heavy", "light"], [HEAVY, LIGHT, "--chain", "lite"], "--chain is 'lite'; expected heavy or"),
        ("regression", ["heavy"], ["MK" * 200, "--class", "good"], "expected none, because the model predicts a numb"),
        ("classification", ["heavy"], ["MK", "--class", "god"], "expected =bad, good, did you mean 'good'?"),
        ("regression", ["heavy"], ["MK", "--cdrs"], "--cdrs needs an antibody"),
        ("regression", ["heavy"], [HEAVY, "--cdrs", "--positions", "3"], "--positions and --cdrs are both given"),
        ("regression", ["heavy"], ["MK", "--positions", "3"], "There is no residue 3; the wild type has 1 to 2"),
        ("regression", ["heavy"], ["MK", "--pairs", "1,x"], "'x' is no position"),
    ],
)  # fmt: skip
def test_what_cannot_be_scanned_is_said_at_once(
    data_only: Callable[[Task, list[str]], str], tmp_path: Path, task: Task, columns: list[str], arguments: list[str],
    message: str,
) -> None:  # fmt: skip
    assert message in scan(data_only(task, columns), *arguments, "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_wild_type_in_a_table_without_that_column_is_said(
    data_only: Callable[[Task, list[str]], str], tmp_path: Path
) -> None:
    (tmp_path / "wild.csv").write_text("protein,note\nMKTAYIAKQR,wild type\n")
    said = scan(data_only("regression", ["heavy"]), tmp_path / "wild.csv", "-o", tmp_path / "out.csv")
    assert "has no column 'sequence', but protein, note" in said


def test_files_with_other_endings_are_refused(tmp_path: Path) -> None:
    assert "expected a name that ends in .fasta or .fa or .faa" in scan(
        "any", "MK", "-o", tmp_path / "out.csv", "--fasta", tmp_path / "top.csv"
    )

"""Whatever lies in a table's file: rows that can be checked, divided and saved, or one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import strategies as st

from molfun.data.checks import check_table
from molfun.data.dataset import save_dataset
from molfun.data.guess import guess_columns
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import guess_split
from molfun.data.tables import read_table
from tests.fuzz.cases import assert_sentence, fuzz, outcome
from tests.fuzz.tables import FILES, fasta_and_values

SETTINGS = {"letters": "ACDEFGHIKLMNPQRSTVWYX", "max_residues": 100}
TASKS = st.sampled_from(["", "", "regression", "classification", "per_residue"])


def use(frame: pd.DataFrame, root: Path, task: str) -> Any:
    """Do with a table what the page Data and `molfun fit` do: guess, check, divide, save."""
    columns = guess_columns(frame)
    columns = columns if not task else ColumnSettings.parse({**columns.model_dump(), "task": task})
    problems = check_table(frame, columns, **SETTINGS)
    for problem in problems:
        assert_sentence(problem.message)
    if any(problem.severity == "error" for problem in problems):
        return None
    dataset = save_dataset(root, frame, columns, guess_split(frame), name="fuzz")
    assert len(dataset.frame) == len(frame)
    return dataset


def read_and_use(folder: Path, name: str, content: bytes, task: str) -> None:
    path = folder / name
    path.write_bytes(content)
    outcome(lambda: use(read_table(path), folder / "datasets", task), folder)


@fuzz("tables: text", 350, content=FILES["csv"], task=TASKS)
def test_text(room: Path, content: bytes, task: str) -> None:
    read_and_use(room, "t.csv", content, task)


@fuzz("tables: FASTA", 300, content=FILES["fasta"], task=TASKS)
def test_fasta(room: Path, content: bytes, task: str) -> None:
    read_and_use(room, "t.fasta", content, task)


@fuzz("tables: Excel", 150, content=FILES["xlsx"], task=TASKS)
def test_excel(room: Path, content: bytes, task: str) -> None:
    read_and_use(room, "t.xlsx", content, task)


@fuzz("tables: Parquet", 250, content=FILES["parquet"], task=TASKS)
def test_parquet(room: Path, content: bytes, task: str) -> None:
    read_and_use(room, "t.parquet", content, task)


@fuzz("tables: FASTA with values", 150, both=fasta_and_values(), task=TASKS)
def test_values_beside_fasta(room: Path, both: tuple[bytes, bytes], task: str) -> None:
    (room / "t.fasta").write_bytes(both[0])
    (room / "v.csv").write_bytes(both[1])
    outcome(lambda: use(read_table(room / "t.fasta", values=room / "v.csv"), room / "datasets", task), room)


@pytest.mark.parametrize("split", ["random", "stratified", "column", "group"])
@fuzz("splits", 40, content=FILES["csv"], column=st.text(max_size=5), seed=st.integers(0, 2**70))
def test_split(room: Path, split: str, content: bytes, column: str, seed: int) -> None:
    (room / "t.csv").write_bytes(content)

    def act() -> None:
        frame = read_table(room / "t.csv")
        chosen = SplitSettings.parse({"kind": split, "column": column or frame.columns[0], "seed": seed})
        save_dataset(room / "datasets", frame, guess_columns(frame), chosen, name=column)

    outcome(act, room)

"""Whatever is taken for an id or names an upload: the thing itself or one sentence, and no file elsewhere."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from molfun.data.dataset import load_dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.tables import read_table
from molfun.runs.spec import RunSpec
from molfun.runs.store import RUN_ID, RunStore
from molfun.ui.sources import paste_source, upload_source
from tests.fuzz.cases import assert_shown, fuzz, outcome
from tests.fuzz.damage import damaged
from tests.fuzz.tables import FILES, RESIDUES

NASTY = (
    "", ".", "..", "/", "\\", "../..", "../runs/real", "real/../real", "real/", "/etc/passwd", "%2e%2e%2f", "..%00",
    "real\0", "real\n", "REAL", "réal", "ｒｅａｌ", "real\u202e", "x" * 300, "-", "--help", "con", "nul.csv", "a:b",
    "~",
    "~root", "$HOME", "`id`", "; ls", "<script>alert(1)</script>", "![x](http://x/y.png)", "[x](javascript:alert(1))",
    ":red[x]", "$x^2$", "\x1b[31m", "\ud800", "{{7*7}}", "%s%n", "*", "?", "[a-z]", "real*", ".hidden", "a" * 90 + "..",
    "\u0000", " ", "real ",
)  # fmt: skip
names = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=12), st.text(string.ascii_lowercase + "-./\\%~", max_size=16),
    st.tuples(st.sampled_from(NASTY), st.sampled_from(NASTY)).map("/".join),
)  # fmt: skip


@pytest.fixture
def real(room: Path) -> str:
    """Make a run and a dataset; return the dataset's id."""
    RunStore(room).create(RunSpec(name="Real"), run_id="real")
    rows = [f"{RESIDUES[i % 20] * 5}{RESIDUES[i % 7 :]},{i}.5" for i in range(20)]
    (room / "rows.csv").write_text("sequence,kd\n" + "\n".join(rows))
    columns = ColumnSettings(sequence=["sequence"], target="kd")
    return save_dataset(room / "datasets", read_table(room / "rows.csv"), columns, SplitSettings(), name="Real").id


@fuzz("run ids", 600, name=names)
def test_run_id(room: Path, real: str, name: str) -> None:
    found = outcome(lambda: RunStore(room).get(name), room)
    assert isinstance(found, str) or (found.id == "real" and found.path.parent == room / "runs")


@fuzz("run ids", 300, name=names)
def test_new_run_id(room: Path, real: str, name: str) -> None:
    found = outcome(lambda: RunStore(room).create(RunSpec(), run_id=name or None), room)
    assert isinstance(found, str) or RUN_ID.fullmatch(found.id)


@fuzz("dataset ids", 600, name=names)
def test_dataset_id(room: Path, real: str, name: str) -> None:
    found = outcome(lambda: load_dataset(room / "datasets", name), room)
    assert isinstance(found, str) or found.id == real


suffixes = st.sampled_from(
    ["", ".csv", ".CSV", ".tsv", ".xlsx", ".xls", ".xlsm", ".parquet", ".fasta", ".zip", ".pkl", "." + "x" * 300]
)
TABLE = b"sequence,kd\nACDEF,1\nGHIKL,2\n"


@fuzz("upload names", 400, name=names, suffix=suffixes, second=st.none() | names)
def test_upload_name(room: Path, name: str, suffix: str, second: str | None) -> None:
    values = None if second is None else (second + ".csv", b"id,kd\na,1\n")
    content = b">a\nACDEF\n" if suffix == ".fasta" else TABLE
    found = outcome(lambda: upload_source(name + suffix, content, values), room)
    if not isinstance(found, str):
        assert_shown(found.name)
        assert_shown(found.about["source"])
    assert [path.name for path in room.iterdir()] == []


@fuzz("uploads", 200, file=st.sampled_from([*FILES]).flatmap(lambda kind: st.tuples(st.just(kind), FILES[kind])))
def test_upload(room: Path, file: tuple[str, bytes]) -> None:
    kind, content = file
    outcome(lambda: upload_source(f"t.{kind}", content), room)
    assert list(room.iterdir()) == []


@fuzz(
    "pasted text",
    300,
    text=damaged(FILES["csv"] | FILES["fasta"]).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
def test_paste(room: Path, text: str) -> None:
    found: Any = outcome(lambda: paste_source(text), room)
    assert isinstance(found, str) or len(found.frame)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.ui.run_facts import preflight_line, where_line

FOUND = {
    "rows": 16, "residues": 512, "seconds": 1.2, "peak_bytes": 3_100_000_000, "forecast_seconds": 480.0,
    "disk_needed_bytes": 340_000_000, "disk_free_bytes": 1e12, "tokens": 8000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("left_out", "line"),
    [
        (
            (),
            "Largest batch: 16 rows of up to 512 residues in 1.2 s and 3.1 GB; about 8 min 0 s in all; "
            "needs 340 MB of disk.",
        ),
        (("rows", "forecast_seconds"), "Needs 340 MB of disk."),
        (("seconds", "disk_needed_bytes"), "About 8 min 0 s in all."),
        (tuple(FOUND), ""),
    ],
)
def test_preflight_line_tells_what_is_known(left_out: tuple[str, ...], line: str) -> None:
    assert preflight_line({name: value for name, value in FOUND.items() if name not in left_out}) == line


@pytest.mark.parametrize("value", [None, "many", [], -1])
def test_preflight_line_takes_numbers_that_are_none(value: Any) -> None:
    assert preflight_line(dict.fromkeys(FOUND, value)) == ""


def test_where_line_names_place_job_and_processes(home: Path) -> None:
    spec = RunSpec.parse({"training": {"num_processes": 8}, "launch": {"where": "slurm", "nodes": 2}})
    folder = RunStore(home).create(spec, run_id="far")
    folder.write_launch(launcher="slurm", job="123")
    folder.write_state(host="node_7")
    assert where_line(folder, run_status(folder)) == r"Slurm cluster · job 123 · node\_7 · 8 processes on 2 nodes"


@pytest.mark.parametrize(
    ("share", "words"), [(0.424, " · 42% of the tokens padding"), (0.02, ""), ("much", ""), (7.0, "")]
)
def test_where_line_tells_padding_that_is_worth_a_word(home: Path, share: Any, words: str) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="near")
    before = where_line(folder, run_status(folder))
    folder.write_state(padding_share=share)
    assert where_line(folder, run_status(folder)) == before + words

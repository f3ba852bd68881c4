"""Curves in a notebook: one display with the figure of the page, updated in a real kernel, which may be interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.ui import notebook
from tests.drawn_pages import dataset, make_run
from tests.real_runs import few_rows, kill_all, wait_for_end

__all__ = ["dataset", "make_run"]
ROOT = Path(__file__).parents[2]


def test_a_display_has_the_curves_in_every_form(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("done", "finished")
    folder.amend(name="A <b> & B")
    shown = notebook.bundle(folder, run_status(folder))
    figure = shown[notebook.PLOTLY]
    json.dumps(figure, allow_nan=False)
    assert [curve["name"] for curve in figure["data"]][:3] == ["Training", "Smoothed", "Validation"]
    assert {curve.get("xaxis", "x") for curve in figure["data"]} == {"x", "x2"}
    assert all(isinstance(curve["y"], list) for curve in figure["data"])
    assert figure["layout"]["title"]["text"].startswith("A &lt;b&gt; &amp; B · finished · epoch 2 of 4")
    assert "<b>" not in shown["text/html"].partition("</p>")[0]
    assert shown["text/plain"].startswith("A <b> & B · finished · epoch 2 of 4\n")
    assert "val_loss" in shown["text/plain"]


def test_a_display_of_a_run_without_a_row_says_what_it_waits_for(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("new", "failed", num_steps=0, cause="Out of memory.")
    shown = notebook.bundle(folder, run_status(folder))
    assert shown["text/plain"].endswith("epoch 2 of 4: Out of memory.")
    assert shown[notebook.PLOTLY]["data"] == []


def test_a_script_is_no_notebook() -> None:
    assert not notebook.in_notebook()


@pytest.mark.slow
def test_interrupting_a_kernel_leaves_the_run_alone(home: Path, tmp_path: Path) -> None:
    table = few_rows(tmp_path / "few.csv")
    settings = {
        "model.name": "esm2_8m", "model.weights": "random", "training.epochs": 60, "training.batch_size": 4,
        "training.keep_frozen": False, "training.num_threads": 1,
    }  # fmt: skip
    code = f"import molfun\nmolfun.fit({str(table)!r}, settings={settings!r})"
    script = Path(__file__).with_name("interrupted_kernel.py")
    done = subprocess.run(
        [sys.executable, str(script), code], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    folder = RunStore(home).list()[0]
    try:
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["kinds"].count("display_data") == 1
        assert found["kinds"].count("update_display_data") >= 3
        assert found["error"] == "KeyboardInterrupt"
        assert f'The run goes on. Follow it with molfun.Run("{folder.id}").show()' in found["text"]
        # The kernel is gone by now, too.
        assert run_status(folder).status == "running"
        subprocess.run([sys.executable, "-m", "molfun.cli", "runs", "stop", folder.id], cwd=ROOT, check=True)
        wait_for_end(folder)
        assert run_status(folder).status == "stopped"
    finally:
        kill_all(folder)

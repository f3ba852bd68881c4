"""Pages drawn as the server draws them, without a browser, and run folders as a worker leaves them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs.process import identity_of
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.ui import shell
from molfun.ui.forms import WAS_OPEN

FRAME = Path(shell.__file__).with_name("frame.py")
PAGES = {
    "home": shell.HOME, "data": shell.DATA, "new_run": shell.NEW_RUN, "live": shell.LIVE, "runs": shell.RUNS,
    "compare": shell.COMPARE, "predict": shell.PREDICT, "parameters": shell.PARAMETERS, "settings": shell.SETTINGS,
}  # fmt: skip
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Save 40 rows of a regression."""
    rows = [{"sequence": RESIDUES[i % 20] * (20 + i), "value": float(i)} for i in range(40)]
    columns = ColumnSettings(sequence=["sequence"], target="value", task="regression")
    return save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(), name="Tiny", about={})


@pytest.fixture
def make_run(home: Path, dataset: Dataset) -> Callable[..., RunFolder]:
    """Return a function that writes a run folder as a worker leaves it."""

    def make(run_id: str, status: str, *, num_steps: int = 20, **state: object) -> RunFolder:
        spec = RunSpec.parse(
            {"name": f"Run {run_id}", "data": {"dataset": dataset.id, "columns": dataset.columns.model_dump()}}
        )
        folder = RunStore(home).create(spec, run_id=run_id)
        write_metrics(folder, num_steps)
        if status == "running":
            state |= identity_of(os.getpid())
        now = time.time()
        folder.write_state(
            status=status, started=now - 60, heartbeat=now, step=num_steps, total_steps=40, epoch=2, epochs=4, **state
        )
        return folder

    return make


def write_metrics(folder: RunFolder, num_steps: int) -> None:
    """Write curves of a falling loss and the beginning of a log."""
    rows = []
    for step in range(1, num_steps + 1):
        row = {"kind": "step", "segment": 0, "step": step, "t": 0.0, "loss": math.exp(-step / 9), "epoch": step / 10}
        rows.append({**row, "lr/head": 1e-3, "tokens_per_second": 1000.0})
        if step % 10 == 0:
            scores = {"epoch": step / 10, "val_loss": 1.0 / step, "val_spearman": 0.5}
            rows.append({"kind": "epoch", "segment": 0, "step": step // 10, "t": 0.0, **scores})
    folder.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.log_path.write_text("Building the model\n")


def write_results(folder: RunFolder, dataset: Dataset) -> None:
    """Write test predictions and scores beside two baselines."""
    test = dataset.part("test")
    predictions = pd.DataFrame({"row": test["row"], "target": test["target"], "prediction": test["target"] + 1.0})
    predictions.to_parquet(folder.predictions / "test.parquet")
    others = predictions[["row", "target"]].assign(one_hot=-test["target"], mean=0.0)
    others.to_parquet(folder.predictions / "baselines.parquet")
    metrics = {"spearman": 0.71, "rmse": 1.0}
    baselines = {"one_hot": {"spearman": 0.65, "rmse": 1.1}, "mean": {"spearman": None, "rmse": 2.0}}
    folder.write_scoreboard(
        {
            "primary": "spearman",
            "test": {"metrics": metrics, "rows": len(test)},
            "baselines": baselines,
            "weights": "pretrained",
        }
    )


def draw(page: str, *, opened: bool = True, **query: str) -> AppTest:
    """Draw a page at its address and return it; what it raised is raised here.

    Args:
        page: Of `PAGES`.
        opened: Whether the folds of New run were open before, so that their fields are drawn.
        **query: Parameters of the address.
    """
    app = AppTest.from_file(str(FRAME), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    if opened:
        open_folds(app)
    app.switch_page(PAGES[page]) if page != "home" else app
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def open_folds(app: AppTest) -> None:
    """Leave the session as if the folds of New run had been opened once."""
    for name in ("advanced", "trackers", "place", "cluster"):
        app.session_state[f"new.{name}{WAS_OPEN}"] = True


def words(app: AppTest) -> str:
    """Return everything that a drawn page says."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


def button(app: AppTest, label: str) -> Any:
    """Return the button with that label."""
    return next(item for item in app.button if item.label == label)


def write_checkpoint(folder: RunFolder, name: str, step: int) -> Path:
    """Write a checkpoint whose one file has the hash that its manifest names; return that file."""
    place = folder.checkpoints / name
    place.mkdir()
    weights = place / "weights.safetensors"
    weights.write_bytes(b"weights")
    files = {weights.name: hashlib.sha256(b"weights").hexdigest()}
    about = {"step": step, "epoch": 1, "weights": "ema", "files": files}
    (place / "manifest.json").write_text(json.dumps(about))
    return weights

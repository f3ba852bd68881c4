"""Take it away: formats with what stands in their way, exports with their file, cause or phase, and their deletion."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from molfun.data.dataset import Dataset
from molfun.runs.exports import ExportJob, list_exports
from molfun.runs.files import write_json
from molfun.runs.process import identity_of
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from molfun.ui import export_panels
from molfun.ui.export_panels import obstacle
from tests.drawn_pages import dataset, draw, make_run, words, write_checkpoint

__all__ = ["dataset", "make_run"]


@pytest.fixture
def run(make_run: Callable[..., RunFolder]) -> RunFolder:
    """Return a finished head-only run with weights."""
    folder = make_run("done", "finished")
    write_checkpoint(folder, "best", 10)
    return folder


def write_export(run: RunFolder, second: int, kind: str, **state: Any) -> ExportJob:
    job = ExportJob(run.exports / f"20260101-00000{second}-abcd")
    job.path.mkdir(parents=True)
    write_json(job.path / "job.json", {"kind": kind, "asked": time.time() - 60})
    write_json(job.path / "state.json", state)
    return job


def test_formats_that_are_not_possible_say_why(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_panels, "ONNX_PACKAGES", ("no_such_package",))
    app = draw("live", run="done")
    said = words(app)
    assert "Take it away" in said
    assert "This run has no LoRA, so there is no adapter." in said
    assert 'Needs no_such_package, which is not installed: `pip install "molfun[onnx]"`' in said
    shut = {button.key: button.disabled for button in app.button if button.key and button.key.startswith("export.")}
    assert shut == {"export.merged": False, "export.adapter": True, "export.onnx": True}
    assert any('molfun.load("done")' in block.value for block in app.code)


@pytest.mark.parametrize(
    ("strategy", "weights", "said"),
    [("lora", "pretrained", ""), ("lora", "random", "drawn at random"), ("full", "pretrained", "has no LoRA")],
)
def test_an_adapter_needs_lora_on_weights_that_others_have(
    dataset: Dataset, home: Any, strategy: str, weights: str, said: str
) -> None:
    spec = {"data": {"dataset": dataset.id}, "model": {"weights": weights}, "strategy": {"kind": strategy}}
    found = obstacle(RunStore(home).create(RunSpec.parse(spec), run_id="x"), "adapter")
    assert said in found
    assert bool(said) == bool(found)


def test_models_that_predict_structures_are_no_onnx(dataset: Dataset, home: Any) -> None:
    spec = {"data": {"dataset": dataset.id}, "model": {"name": "esmfold_small", "weights": "random"}}
    folder = RunStore(home).create(RunSpec.parse(spec), run_id="x")
    assert obstacle(folder, "onnx") == "Models that predict structures cannot be written as ONNX."
    assert obstacle(folder, "merged") == ""


def test_exports_are_listed_with_file_cause_or_phase(run: RunFolder) -> None:
    done = write_export(run, 1, "merged", status="finished", difference=4e-7)
    done.zip_path.write_bytes(b"x" * 2_000_000)
    write_export(run, 2, "onnx", status="failed", cause="The *disk* is full.")
    at_work = write_export(run, 3, "merged", phase="Packing")
    write_json(at_work.path / "process.json", identity_of(os.getpid()))
    said = words(draw("live", run="done"))
    assert "**Whole model** · 2 MB" in said
    assert "predictions differ by 4e-07 at most" in said
    assert "**ONNX**" in said
    assert "The \\*disk\\* is full." in said
    assert "**Whole model** · Packing" in said


def test_an_export_is_deleted_with_one_click(run: RunFolder) -> None:
    write_export(run, 1, "merged", status="failed", cause="No.")
    app = draw("live", run="done")
    next(button for button in app.button if button.key == "export.delete.20260101-000001-abcd").click().run()
    assert not app.exception
    assert list_exports(run) == []


def test_a_run_without_weights_has_nothing_to_take_away(make_run: Callable[..., RunFolder]) -> None:
    make_run("bare", "failed")
    assert "Take it away" not in words(draw("live", run="bare"))

"""The files of an evidence bundle: the same bytes of the same run, nothing in them that must not leave the machine."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs import bundle
from molfun.runs.bundle import MANIFEST, gather, to_zip
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from tests.drawn_pages import dataset, make_run, write_results

__all__ = ["dataset", "make_run"]

SECRET = "0123456789-planted-secret"


@pytest.fixture
def folder(make_run: Callable[..., RunFolder], dataset: Dataset, home: Path) -> RunFolder:
    """A finished run that names a secret, a path and a sequence wherever it can."""
    folder = make_run("done", "finished", cause=f"{SECRET} in {home}/runs of {dataset.frame['chain_1'][0]}")
    write_results(folder, dataset)
    changed = folder.spec.changed({"data.split": {"kind": "position", "wild_type": dataset.frame["chain_1"][0]}})
    folder.spec_path.write_text(changed.model_copy(update={"name": f"Run {SECRET}"}).to_yaml())
    events = [{"kind": "start", "name": SECRET}, {"kind": "config", "config": {"wild_type": "MKTAY", "at": str(home)}}]
    folder.events_path.write_text("".join(json.dumps(event) + "\n" for event in events))
    folder.write_environment({"python": SECRET, "device": "cpu"})
    return folder


def test_the_same_run_gives_the_same_bytes(folder: RunFolder) -> None:
    assert to_zip(gather(folder).files) == to_zip(gather(folder).files)


def test_the_manifest_has_the_hash_of_every_file(folder: RunFolder) -> None:
    with zipfile.ZipFile(io.BytesIO(to_zip(gather(folder).files))) as archive:
        told = dict(reversed(line.split("  ")) for line in archive.read(MANIFEST).decode().splitlines())
        names = set(archive.namelist()) - {MANIFEST}
        assert set(told) == names
        assert {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names} == told
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_no_secret_no_path_no_sequence_leaves(
    folder: RunFolder, dataset: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    files = gather(folder).files
    assert {"facts.json", "methods.txt", "spec.yaml", "metrics.csv", "events.jsonl", "split.csv"} <= set(files)
    everything = "\n".join(files.values())
    assert [text for text in (SECRET, str(home), "MKTAY", *dataset.frame["chain_1"]) if text in everything] == []
    assert "[hidden]" in files["environment.json"]
    assert "data.csv" not in files


def test_sequences_are_in_it_when_asked_for(
    folder: RunFolder, dataset: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    files = gather(folder, with_data=True).files
    data = pd.read_csv(io.StringIO(files["data.csv"]))
    assert data["chain_1"].tolist() == dataset.frame["chain_1"].tolist()
    assert data["part"].tolist() == dataset.frame["split"].tolist()
    everything = "\n".join(files.values())
    assert SECRET not in everything
    assert str(home) not in everything


def test_settings_are_those_that_were_written(folder: RunFolder) -> None:
    kept = folder.spec_path.read_text().replace("  num_threads: 0\n", "")
    folder.spec_path.write_text(kept)
    evidence = gather(folder)
    assert "num_threads" not in evidence.files["spec.yaml"]
    assert evidence.facts["settings"]["training"]["num_threads"] == 0


def test_split_and_its_hash_belong_together(folder: RunFolder) -> None:
    evidence = gather(folder)
    _, lines = evidence.files["split.csv"].split("\n", 1)
    assert hashlib.sha256(lines.encode()).hexdigest() == evidence.facts["data"]["split_sha256"]


SNIPPETS = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
TARGETS: dict[str, Callable[[int], Any]] = {
    "regression": lambda i: i / 7 * 10 ** (i - 9), "classification": lambda i: "ab"[i % 2],
    "per_residue": lambda i: "HEC-"[: 4 - i % 2],
}  # fmt: skip


@pytest.mark.parametrize("task", TARGETS)
def test_hashes_are_found_again_as_the_page_says(task: Any, home: Path, tmp_path: Path) -> None:
    rows = [{"sequence": "NASE"[: 4 - i % 2], "t": TARGETS[task](i), "aligned": "-NASE-"[i % 2 :]} for i in range(20)]
    columns = ColumnSettings(sequence=["sequence"], target="t", task=task)
    saved = save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(max_identity=1e-5), name="Any")
    folder = RunStore(home).create(RunSpec.parse({"data": {"dataset": saved.id}}), run_id="some")
    evidence = gather(folder, with_data=True)
    zipfile.ZipFile(io.BytesIO(to_zip(evidence.files))).extractall(tmp_path)
    shell = re.search(r"(?s)```bash\n(.*?)```", SNIPPETS)
    code = re.search(r"(?s)```python\n(.*?)```", SNIPPETS)
    assert shell is not None
    assert code is not None
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert run(["bash", "-ec", shell[1]]).stdout.splitlines()[-1].split()[0] == evidence.facts["data"]["split_sha256"]
    assert run([sys.executable, "-c", code[1]]).stdout.strip() == saved.about["sha256"]
    assert evidence.facts["data"]["is_unchanged"] is True


def test_a_spreadsheet_runs_nothing_that_stands_in_predictions(folder: RunFolder) -> None:
    table = pd.DataFrame({"row": [1], "target": ["=HYPERLINK(1)"], "prediction": ["@x"]})
    table.to_parquet(folder.predictions / "test.parquet")
    assert gather(folder).files["predictions/test.csv"] == "row,target,prediction\n1,'=HYPERLINK(1),'@x\n"


def test_metrics_are_one_table_of_steps_and_epochs(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.read_csv(io.StringIO(gather(folder).files["metrics.csv"]))
    assert table["kind"].value_counts().to_dict() == {"step": 20, "epoch": 2}
    assert table.loc[table["kind"] == "step", "step"].tolist() == list(range(1, 21))
    monkeypatch.setattr(bundle, "MAX_STEPS", 5)
    thinned = pd.read_csv(io.StringIO(gather(folder).files["metrics.csv"]))
    assert thinned.loc[thinned["kind"] == "step", "step"].tolist() == [1, 5, 9, 13, 17]

"""Whatever lies in the folder of a saved dataset: the dataset, or one sentence; and the list of the others."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import strategies as st

from molfun.data.dataset import Dataset, list_datasets, load_dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from tests.fuzz.cases import fuzz, outcome
from tests.fuzz.damage import damaged
from tests.fuzz.folders import mappings
from tests.fuzz.specs import deep, laughs
from tests.fuzz.tables import RESIDUES, parquets

TARGETS = {"regression": float, "classification": lambda i: "ab"[i % 2], "per_residue": lambda i: "HEC" * (2 + i)}


@cache
def sound(task: str) -> tuple[bytes, bytes]:
    """Return dataset.yaml and rows.parquet of a small dataset."""
    import tempfile

    rows = [{"sequence": RESIDUES[i % 20] * (6 + 3 * i), "y": TARGETS[task](i)} for i in range(20)]
    columns = ColumnSettings.parse({"sequence": ["sequence"], "target": "y", "task": task})
    with tempfile.TemporaryDirectory() as root:
        dataset = save_dataset(Path(root), pd.DataFrame(rows), columns, SplitSettings(), name="Real")
        return (dataset.folder / "dataset.yaml").read_bytes(), (dataset.folder / "rows.parquet").read_bytes()


@st.composite
def folders(draw: Any) -> tuple[bytes, bytes]:
    """Draw the two files of a dataset, one of them spoilt."""
    about, rows = sound(draw(st.sampled_from([*TARGETS])))
    other = sound(draw(st.sampled_from([*TARGETS])))
    if draw(st.integers(0, 2)) == 0:
        return about, draw(damaged(st.just(rows)) | st.just(other[1]) | parquets())
    content = json.loads(json.dumps(yaml.safe_load(about)))
    as_yaml = mappings(content).map(lambda raw: yaml.safe_dump(json.loads(raw.decode("utf-8", "replace"))).encode())
    return draw(
        st.one_of(as_yaml, as_yaml, as_yaml, damaged(st.just(about)), deep, st.integers(2, 20).map(laughs))
    ), rows


@fuzz("datasets", 250, files=folders())
def test_dataset(room: Path, files: tuple[bytes, bytes]) -> None:
    folder = room / "spoilt"
    folder.mkdir(exist_ok=True)
    for name, content in zip(("dataset.yaml", "rows.parquet"), files, strict=True):
        (folder / name).write_bytes(content)
    found = outcome(lambda: use(load_dataset(room, "spoilt")), room)
    listed = outcome(lambda: list_datasets(room), room)
    assert isinstance(found, str) or [entry["id"] for entry in listed] == ["spoilt"]


def use(dataset: Dataset) -> Dataset:
    """Ask a dataset for what pages and workers ask it."""
    assert sum(dataset.counts.values()) == len(dataset.frame)
    assert all(isinstance(cell, str) for cell in dataset.part("train")["chain_1"])
    assert isinstance(dataset.about.get("created", ""), str)
    return dataset


@pytest.mark.parametrize("kind", ["folder", "dataset.yaml", "rows.parquet"])
def test_a_dataset_that_is_a_link_is_none(room: Path, kind: str) -> None:
    real, datasets = room / "real", room / "datasets" / "mine"
    real.mkdir()
    for name, content in zip(("dataset.yaml", "rows.parquet"), sound("regression"), strict=True):
        (real / name).write_bytes(content)
    datasets.parent.mkdir()
    if kind == "folder":
        datasets.symlink_to(real)
    else:
        datasets.mkdir()
        for name in ("dataset.yaml", "rows.parquet"):
            target = datasets / name
            target.symlink_to(real / name) if name == kind else target.write_bytes((real / name).read_bytes())
    found = outcome(lambda: load_dataset(room / "datasets", "mine"), room)
    assert isinstance(found, str), f"{kind} leads out of the data folder"

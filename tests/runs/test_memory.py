"""What is asked about memory and time: lengths of the rows, bounds of the device, the least that a run takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.runs import memory
from molfun.runs.breakdown import ask_of_model
from molfun.runs.frozen import KeptForecast
from molfun.runs.machine import Gpu
from molfun.runs.memory import ask_of_question, ask_of_run, least_seconds, longest_row
from molfun.runs.preflight import FORWARD_SHARE
from molfun.runs.spec import RunSpec

LONGEST = 600


@pytest.fixture
def dataset(home: Path) -> Dataset:
    """Return pairs of chains; the longest training row has 600 residues in its first and 9 in its second chain."""
    rows = [{"heavy": "A" * length, "light": "C" * 9, "value": float(length)} for length in (*range(20, 59), LONGEST)]
    frame = pd.DataFrame(rows)
    frame["split"] = ["train"] * 30 + ["val"] * 4 + ["test"] * 5 + ["train"]
    columns = ColumnSettings(sequence=["heavy", "light"], target="value", task="regression")
    return save_dataset(home / "datasets", frame, columns, SplitSettings(kind="column", column="split"), name="Pairs")


def spec(**changes: Any) -> RunSpec:
    told = {path.replace("__", "."): value for path, value in changes.items()}
    return RunSpec().changed({"model.name": "esm2_8m", "training.batch_size": 4, **told})


def use_gpus(monkeypatch: pytest.MonkeyPatch, gpus: Sequence[int]) -> None:
    """Pretend that this machine has GPUs of so many bytes."""
    found = [Gpu(index, f"GPU {index}", size, 0) for index, size in enumerate(gpus)]
    monkeypatch.setattr(memory, "list_gpus", lambda **_: found)


def test_the_longest_training_row_is_cut_to_what_the_model_takes(dataset: Dataset) -> None:
    assert longest_row(dataset, 1022) == (LONGEST, 9)
    assert longest_row(dataset, 510) == (510, 9)
    assert ask_of_run(spec(model__name="antiberty"), dataset).lengths == (510, 9)


def test_a_cropped_row_has_no_more_residues_than_the_crop(dataset: Dataset) -> None:
    assert longest_row(dataset, 1022, 5000) == (LONGEST, 9)
    cropped = longest_row(dataset, 1022, 64)
    assert 64 <= sum(cropped) <= 65
    assert ask_of_run(spec(training__crop_size=64), dataset).lengths == cropped


def test_a_batch_has_no_more_rows_than_there_are(dataset: Dataset) -> None:
    question = ask_of_run(spec(training__batch_size=512), dataset)
    assert question.request["spec"]["training"] == {"batch_size": 31, "gradient_checkpointing": False}
    assert question.about == {"task": "regression", "num_outputs": 1, "num_chains": 2}


def test_what_changes_no_memory_changes_no_question(dataset: Dataset) -> None:
    same = {ask_of_run(spec(training__epochs=epochs, training__seed=epochs), dataset).key for epochs in (1, 9)}
    assert len(same) == 1
    assert ask_of_run(spec(training__batch_size=5), dataset).key not in same


def test_the_bound_is_that_of_where_it_runs(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    use_gpus(monkeypatch, [])
    total = psutil.virtual_memory().total
    assert memory.memory_of(spec()) == ("", total)
    assert memory.memory_of(spec(training__num_processes=2)) == ("", total // 2)
    assert memory.memory_of(spec(launch__where="slurm")) == ("cuda", 0)
    use_gpus(monkeypatch, [80_000_000_000, 24_000_000_000])
    assert memory.memory_of(spec()) == ("", 24_000_000_000)
    assert memory.memory_of(spec(training__device="cpu")) == ("cpu", total)


def test_a_model_alone_has_rows_of_the_length_that_is_told() -> None:
    question = ask_of_question(ask_of_model("esm2_8m", strategy="full", changes={}), 77)
    assert question.lengths == (77,)
    assert question.request["spec"]["strategy"]["kind"] == "full"


def test_the_least_time_follows_the_tokens(dataset: Dataset) -> None:
    answer = {"seconds": 2.0, "batch_size": 4}
    chosen = spec(training__epochs=3)
    parts = {part: dataset.part(part) for part in ("train", "val")}
    tokens = {
        part: sum(len(first) + len(second) + 4 for first, second in zip(rows.chain_1, rows.chain_2, strict=True))
        for part, rows in parts.items()
    }
    batch = 4 * (LONGEST + 9 + 4)
    expected = 3 * 2.0 / batch * (tokens["train"] + FORWARD_SHARE * tokens["val"])
    assert least_seconds(answer, dataset, chosen) == pytest.approx(expected, rel=1e-12)
    halved = least_seconds(answer, dataset, chosen.changed({"training.num_processes": 2}))
    assert halved == pytest.approx(expected / 2, rel=1e-12)
    assert least_seconds({**answer, "seconds": 0.0}, dataset, chosen) == 0


def test_what_is_kept_is_computed_once(dataset: Dataset) -> None:
    answer, chosen = {"seconds": 2.0, "frozen_seconds": 2.0, "batch_size": 4}, spec(training__epochs=10)
    usual = least_seconds(answer, dataset, chosen)
    new = KeptForecast(num_sequences=80, num_known=0, num_kept=80, num_bytes=1, limit_bytes=1, where="")
    assert least_seconds(answer, dataset, chosen, new) == pytest.approx(usual / 10)
    half_known = replace(new, num_known=40, num_kept=40)
    assert least_seconds(answer, dataset, chosen, half_known) == pytest.approx(usual / 20)
    # Half of them find no room and are computed in every epoch.
    assert least_seconds(answer, dataset, chosen, replace(new, num_kept=40)) == pytest.approx(usual * (1 + 9 / 2) / 10)
    assert least_seconds(answer, dataset, chosen, replace(new, num_known=80, num_kept=0)) == 0


def test_the_answer_of_a_run_adds_up(home: Path, dataset: Dataset) -> None:
    answer = ask_of_run(spec(strategy__kind="full", model__weights="random"), dataset).answer(home)
    assert answer["total"] == sum(answer["parts"].values())
    assert 0.99 < answer["parts"]["gradients"] / answer["parts"]["weights"] <= 1
    assert answer["residues"] == LONGEST
    assert answer["seconds"] > 0
    assert answer["fits"]

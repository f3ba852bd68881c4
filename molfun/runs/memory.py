"""What is asked when people want to know whether a run fits into memory, and how long it takes at least."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset
from molfun.runs.analysis import forecast_memory
from molfun.runs.breakdown import Question
from molfun.runs.frozen import KeptForecast
from molfun.runs.machine import list_gpus
from molfun.runs.preflight import FORWARD_SHARE
from molfun.runs.spec import RunSpec

GPU_AGE_SECONDS = 60.0
SPECIAL_TOKENS = 2
TRAINING = ("batch_size", "gradient_checkpointing")


@dataclass(frozen=True)
class MemoryQuestion:
    """A spec, and what `molfun.training.forecast.forecast` has to know beside it.

    Attributes:
        spec: Model, strategy and training.
        about: `task`, `num_outputs`, `num_chains`.
        lengths: Residues of the longest row of each chain.
        device: "cuda", "cpu", or "" for the one of this machine.
        limit_bytes: Its memory for one process, 0 where it is not known.
        num_rows: Training rows, of which a batch cannot have more; 0 where there are no data.
    """

    spec: RunSpec
    about: Mapping[str, Any]
    lengths: tuple[int, ...]
    device: str
    limit_bytes: int
    num_rows: int = 0

    @property
    def request(self) -> dict[str, Any]:
        """What is sent."""
        values = self.spec.model_dump(mode="json", include={"model", "strategy", "training"})
        training = {name: values["training"][name] for name in TRAINING}
        training["batch_size"] = min(training["batch_size"], self.num_rows or training["batch_size"])
        return {
            "spec": {**values, "training": training}, **self.about, "lengths": list(self.lengths),
            "device": self.device, "limit_bytes": self.limit_bytes,
        }  # fmt: skip

    @property
    def key(self) -> str:
        """The same for questions that have the same answer."""
        return json.dumps(self.request, sort_keys=True)

    def answer(self, home: Path) -> dict[str, Any]:
        """Return the answer of the analysis process.

        Raises:
            MolfunError: There is none; it says why.
        """
        return forecast_memory(home, self.request)


def ask_of_run(spec: RunSpec, dataset: Dataset) -> MemoryQuestion:
    """Return the question of a run on its data: of this machine's memory where it runs here, else without a bound."""
    about = {"task": dataset.task, "num_outputs": len(dataset.classes) or 1, "num_chains": dataset.num_chains}
    device, limit = memory_of(spec)
    lengths = longest_row(dataset, find_model(spec.model.name).num_residues_limit, spec.training.crop_size)
    return MemoryQuestion(spec, about, lengths, device, limit, dataset.counts["train"])


def ask_of_question(question: Question, num_residues: int) -> MemoryQuestion:
    """Return the question of a model alone, whose rows have so many residues a chain.

    Args:
        question: Model, strategy, and what it is asked of.
        num_residues: Of the longest row.
    """
    device, limit = memory_of(question.spec)
    return MemoryQuestion(question.spec, question.about, (num_residues,) * question.about["num_chains"], device, limit)


def longest_row(dataset: Dataset, most: int, crop_size: int = 0) -> tuple[int, ...]:
    """Return the residues of the longest training sequence of each chain, cut to what the model takes.

    Args:
        dataset: The rows.
        most: Residues of a chain that the model takes.
        crop_size: Residues of all chains that are left of a row, divided as the chains are; 0 is all.
    """
    rows = dataset.part("train") if dataset.counts["train"] else dataset.frame
    lengths = (int(rows[f"chain_{i + 1}"].str.len().max()) for i in range(dataset.num_chains))
    whole = [min(most, length) for length in lengths]
    share = min(1.0, crop_size / sum(whole)) if crop_size else 1.0
    return tuple(math.ceil(share * length) for length in whole)


def memory_of(spec: RunSpec) -> tuple[str, int]:
    """Return the device on which one process of a run computes, and its memory in bytes, 0 where nobody knows here."""
    if spec.launch.where != "local":
        return "cuda", 0
    gpus = list_gpus(max_age_seconds=GPU_AGE_SECONDS)
    if gpus and spec.training.device != "cpu":
        return "", min(gpu.total_bytes for gpu in gpus)
    return "cpu" if gpus else "", psutil.virtual_memory().total // spec.training.num_processes


def least_seconds(
    answer: Mapping[str, Any], dataset: Dataset, spec: RunSpec, kept: KeptForecast | None = None
) -> float:
    """Return the least that a run can take at the speed of this machine's matrix product, 0 where that is not known.

    Args:
        answer: Of `MemoryQuestion.answer`.
        dataset: The rows.
        spec: Epochs and processes.
        kept: What is computed once and not every epoch; None is nothing.
    """
    crop_size = spec.training.crop_size
    longest = longest_row(dataset, find_model(spec.model.name).num_residues_limit, crop_size)
    tokens = int(answer["batch_size"]) * sum(length + SPECIAL_TOKENS for length in longest)
    train, val, epochs = _num_tokens(dataset, "train", crop_size), _num_tokens(dataset, "val"), spec.training.epochs
    # Of answers in the cache from before that was counted, all is computed every epoch.
    frozen = float(answer.get("frozen_seconds", 0.0))
    begin = frozen * (train + val) * (epochs if kept is None else kept.passes(epochs))
    rest = (float(answer["seconds"]) - frozen) * (train + FORWARD_SHARE * val) * epochs
    return (begin + rest) / max(1, tokens) / spec.training.num_processes


def _num_tokens(dataset: Dataset, part: str, crop_size: int = 0) -> int:
    rows = dataset.part(part)
    lengths = sum((rows[f"chain_{i + 1}"].str.len() for i in range(dataset.num_chains)), pd.Series(0, index=rows.index))
    residues = int((lengths.clip(upper=crop_size) if crop_size else lengths).sum())
    return residues + SPECIAL_TOKENS * dataset.num_chains * len(rows)

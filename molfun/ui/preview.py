"""The preview card of New run: what will train, at which rates, in how many steps. Another process counts.

The answer is awaited in a thread and drawn by a fragment, so that the form never waits for it.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.errors import MolfunError
from molfun.runs.advice import schedule
from molfun.runs.analysis import preview_parameters
from molfun.runs.spec import RunSpec
from molfun.ui import charts, text

POLL_SECONDS = 0.5
MAX_ANSWERS = 200

Answer = dict[str, Any]


class PreviewDesk:
    """Questions to the analysis process, one at a time, each asked once.

    Args:
        home: The data folder; answers are cached below it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = Lock()
        self._workers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preview")
        self._futures: OrderedDict[str, Future[Answer]] = OrderedDict()

    def ask(self, spec: RunSpec) -> Answer | None:
        """Return the answer, or None while it is being worked out; a failed question answers {"error": sentence}."""
        values = spec.model_dump(mode="json")
        key = json.dumps([values["data"], values["model"], values["strategy"]], sort_keys=True)
        with self._lock:
            future = self._futures.get(key)
            if future is None:
                self._drop_waiting()
                future = self._futures[key] = self._workers.submit(self._answer, values)
                while len(self._futures) > MAX_ANSWERS:
                    self._futures.popitem(last=False)
        return future.result() if future.done() else None

    def _drop_waiting(self) -> None:
        """Forget questions that nobody waits for any more: only the newest form matters."""
        for key in [key for key, future in self._futures.items() if future.cancel()]:
            del self._futures[key]

    def _answer(self, values: dict[str, Any]) -> Answer:
        try:
            return preview_parameters(self._home, values)
        except MolfunError as error:
            return {"error": str(error)}


@st.cache_resource(show_spinner=False)
def preview_desk(home: Path) -> PreviewDesk:
    """Return this process's desk."""
    return PreviewDesk(home)


def draw_parameters(desk: PreviewDesk, spec: RunSpec) -> Answer | None:
    """Draw the breakdown, or a placeholder that asks again every half second; return the answer if it is there."""
    answer = desk.ask(spec)
    st.fragment(_parameters, run_every=POLL_SECONDS if answer is None else None)(desk, spec, answer is None)
    return answer


def _parameters(desk: PreviewDesk, spec: RunSpec, was_waiting: bool) -> None:
    answer = desk.ask(spec)
    if answer is None:
        st.caption("Counting parameters")
        st.skeleton(height=150)
        return
    if was_waiting:
        st.rerun()
    if answer.get("error"):
        return
    trainable, total = int(answer["trainable"]), int(answer["total"])
    part = text.share(trainable, total)
    st.markdown(f"**{text.short_count(trainable)}** of {text.short_count(total)} parameters train ({part})")
    parts = charts.collapse_blocks(answer["parts"])
    st.plotly_chart(
        charts.breakdown_figure(parts),
        key="preview.breakdown",
        config={"displayModeBar": False},
        alt="Trainable and frozen parameters of each part",
    )
    with st.expander("Numbers of each part and group"):
        st.dataframe(parts_table(parts), hide_index=True)
        st.dataframe(groups_table(answer), hide_index=True)


def parts_table(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Return parts of `collapse_blocks` as people read them."""
    return pd.DataFrame(
        [
            {
                "Part": part["title"],
                "Trains": text.count(part["trainable"]),
                "Total": text.count(part["total"]),
                "Learning rate": " – ".join(text.learning_rate(rate) for rate in _ends(part["rates"])) or "–",
            }
            for part in parts
        ]
    )


def groups_table(answer: Mapping[str, Any]) -> pd.DataFrame:
    """Return the optimiser's groups as people read them."""
    return pd.DataFrame(
        [
            {
                "Group": group["name"],
                "Parameters": text.count(group["num_parameters"]),
                "Learning rate": text.learning_rate(group["lr"]),
            }
            for group in answer.get("groups", [])
        ]
    )


def _ends(rates: list[float]) -> list[float]:
    return rates if len(rates) < 2 else [rates[0], rates[-1]]


def draw_schedule(spec: RunSpec, dataset: Dataset) -> None:
    """Draw effective batch and number of steps."""
    steps = schedule(spec, dataset.counts["train"])
    warmup = f", {spec.strategy.warmup_steps} of them warm-up" if spec.strategy.warmup_steps else ""
    st.markdown(
        f"- Effective batch: **{effective_batch(spec)}**\n"
        f"- **{steps.total_steps:,} steps** ({spec.training.epochs} × {steps.steps_per_epoch}){warmup}\n"
        f"- {dataset.counts['train']:,} rows train, {dataset.counts['val']:,} validate, {dataset.counts['test']:,} test"
    )


def effective_batch(spec: RunSpec) -> str:
    """Return how the rows of one optimiser step come together, e.g. "16 rows × 2 processes × 4 batches = 128 rows"."""
    counts = {
        "rows": spec.training.batch_size,
        "processes": spec.training.num_processes,
        "batches": spec.strategy.accumulation_steps,
    }
    factors = [f"{count} {what}" for what, count in counts.items() if what == "rows" or count > 1]
    total = f" = {math.prod(counts.values())} rows" if len(factors) > 1 else ""
    return " × ".join(factors) + total


def draw_advice(sentences: list[str]) -> None:
    """Draw warnings that do not forbid a start."""
    if sentences:
        st.warning("\n".join(f"- {sentence}" for sentence in sentences), icon=":material/lightbulb:")

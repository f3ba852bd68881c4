"""The preview card of New run: what will train, at which rates, in how many steps. Another process counts.

The answer is awaited in a thread and drawn by a fragment, so that the form never waits for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.errors import MolfunError
from molfun.runs.advice import schedule
from molfun.runs.breakdown import Question
from molfun.runs.frozen import KeptForecast, forecast_kept
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.spec import RunSpec
from molfun.ui import charts, parameter_charts, schedule_chart, shell, text
from molfun.ui.drawn import drawn
from molfun.ui.live_chart import QUIET

POLL_SECONDS = 0.5
MAX_ANSWERS = 200

Answer = dict[str, Any]


class Askable(Protocol):
    """A question to the analysis process."""

    @property
    def key(self) -> str:
        """The same for questions that have the same answer."""
        ...

    def answer(self, home: Path) -> Answer:
        """Return its answer, or raise why there is none."""
        ...


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
        return self.ask_all([Question(spec)])[0]

    def ask_all(self, questions: Sequence[Askable]) -> list[Answer | None]:
        """Return the answers, as `ask` does, of questions that are asked together; others that wait are forgotten."""
        with self._lock:
            self._drop_waiting({question.key for question in questions})
            found = [self._future(question) for question in questions]
            while len(self._futures) > MAX_ANSWERS:
                self._futures.popitem(last=False)
        return [future.result() if future.done() else None for future in found]

    def _future(self, question: Askable) -> Future[Answer]:
        future = self._futures.get(question.key)
        if future is None:
            future = self._futures[question.key] = self._workers.submit(self._answer, question)
        return future

    def _drop_waiting(self, wanted: set[str]) -> None:
        """Forget questions that nobody waits for any more: only the newest form matters."""
        for key in [key for key, future in self._futures.items() if key not in wanted and future.cancel()]:
            del self._futures[key]

    def _answer(self, question: Askable) -> Answer:
        try:
            return question.answer(self._home)
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
        drawn(charts.breakdown_figure, parts),
        key="preview.breakdown",
        config=QUIET,
        alt="Trainable and frozen parameters of each part",
    )
    # Drawn when it is opened: charts that nobody sees would hold the browser up for half a second.
    box = st.expander("Block by block", on_change="rerun", key="preview.blocks")
    if box.open:
        with box:
            _draw_blocks(spec, answer, parts)


def _draw_blocks(spec: RunSpec, answer: Answer, parts: list[dict[str, Any]]) -> None:
    st.plotly_chart(
        drawn(parameter_charts.strip_figure, {"": answer}), key="preview.strip", config=QUIET,
        alt="One cell a block, coloured by learning rate; grey blocks are frozen",
    )  # fmt: skip
    st.plotly_chart(
        drawn(parameter_charts.tree_figure, answer["modules"]), key="preview.tree", config=QUIET,
        alt="The tree of modules, coloured by frozen, unfrozen, LoRA and head",
    )  # fmt: skip
    st.dataframe(parts_table(parts), hide_index=True)
    st.dataframe(groups_table(answer), hide_index=True)
    told = {"model": spec.model.name, "strategy": spec.strategy.kind}
    st.page_link(
        shell.PARAMETERS, label="All strategies side by side", icon=":material/account_tree:", query_params=told
    )


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
        f"- **{text.plural(steps.total_steps, 'step')}** ({spec.training.epochs} × {steps.steps_per_epoch}){warmup}\n"
        f"- {dataset.counts['train']:,} rows train, {dataset.counts['val']:,} validate, {dataset.counts['test']:,} test"
        f"{place(spec)}"
    )


def draw_kept(home: Path, spec: RunSpec, dataset: Dataset, answer: Answer | None) -> KeptForecast | None:
    """Draw what of the frozen beginning of the trunk is kept on disk, once it is known where that ends; return it."""
    kept = None if answer is None or answer.get("error") else forecast_kept(home, spec, dataset, answer)
    if kept is not None:
        st.caption(
            shell.sentence(kept.line),
            help="The part of the trunk that does not train gives the same states every epoch, so they are kept. "
            "*Keep frozen states* and *Room for frozen states* are among the advanced settings; the page Settings "
            "lists and removes them.",
        )
    return kept


def draw_rates(spec: RunSpec, dataset: Dataset, answer: Answer | None) -> None:
    """Draw the learning rate of every group over the run, once the groups are known."""
    if answer is None or answer.get("error"):
        return
    box = st.expander("Learning rate over the run", on_change="rerun", key="preview.rates_box")
    if not box.open:
        return
    with box:
        steps = schedule(spec, dataset.counts["train"])
        figure = drawn(schedule_chart.schedule_figure, answer["groups"], spec.strategy, steps)
        alt = "Learning rate of every group over the steps of the run"
        st.plotly_chart(figure, key="preview.rates", config=QUIET, alt=alt)


def place(spec: RunSpec) -> str:
    """Return where a run will be at work as one more line, empty where it is one process of this machine."""
    launch, num_processes = spec.launch, spec.training.num_processes
    if launch.where == "local" and num_processes == 1:
        return ""
    nodes = f" on {text.plural(launch.nodes, 'node')}" if launch.where == "slurm" else ""
    return f"\n- {TITLES[launch.where]}: {text.plural(num_processes, 'process', 'processes')}{nodes}"


def effective_batch(spec: RunSpec) -> str:
    """Return how the rows of one optimiser step come together, e.g. "16 rows × 2 processes × 4 batches = 128 rows"."""
    rows, processes, batches = (
        spec.training.batch_size, spec.training.num_processes, spec.strategy.accumulation_steps
    )  # fmt: skip
    factors = [text.plural(rows, "row")]
    factors += [text.plural(processes, "process", "processes")] if processes > 1 else []
    factors += [text.plural(batches, "batch", "batches")] if batches > 1 else []
    total = f" = {text.plural(rows * processes * batches, 'row')}" if len(factors) > 1 else ""
    return " × ".join(factors) + total


def draw_advice(sentences: list[str]) -> None:
    """Draw warnings that do not forbid a start."""
    if sentences:
        st.warning("\n".join(f"- {shell.sentence(sentence)}" for sentence in sentences), icon=":material/lightbulb:")

"""Whether a run fits into memory, before it starts: what the heaviest batch takes, and the button that makes it fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.runs.disk import format_bytes
from molfun.runs.frozen import KeptForecast
from molfun.runs.memory import MemoryQuestion, ask_of_run, least_seconds
from molfun.runs.spec import RunSpec
from molfun.ui import forms, shell, text, theme
from molfun.ui.charts import empty_figure
from molfun.ui.drawn import drawn
from molfun.ui.live_chart import QUIET
from molfun.ui.preview import POLL_SECONDS, Answer, PreviewDesk

PARTS = {
    "weights": ("Weights", theme.FROZEN), "lora": ("LoRA", theme.AMBER), "gradients": ("Gradients", theme.VERMILION),
    "optimizer": ("Optimiser", theme.PINK), "average": ("EMA copy", theme.GREEN),
    "activations": ("Activations", theme.BLUE),
}  # fmt: skip
HEIGHT = 150
FAR = 10  # a device with so many times as much memory is not drawn, or the bar could not be read
# Settings that make a batch fit, by the section of the form that has their widgets.
FIT_TITLES = {
    "training.batch_size": "batch size", "strategy.accumulation_steps": "accumulation",
    "training.gradient_checkpointing": "gradient checkpointing",
}  # fmt: skip


@st.cache_resource(show_spinner=False)
def memory_desk(home: Any) -> PreviewDesk:
    """Return this process's desk for questions of memory; they take longer than counts and must not hold those up."""
    return PreviewDesk(home)


def draw_memory(
    desk: PreviewDesk, spec: RunSpec, dataset: Dataset, form: str, kept: KeptForecast | None = None
) -> None:
    """Draw the forecast, or a placeholder that asks again every half second.

    Args:
        desk: Where it is asked.
        spec: The form's.
        dataset: Its data.
        form: Prefix of the keys of the form's widgets, which *Fit it* sets.
        kept: What of the trunk is computed once and not every epoch; None is nothing.
    """
    question = ask_of_run(spec, dataset)
    waiting = desk.ask_all([question]) == [None]
    st.fragment(_memory, run_every=POLL_SECONDS if waiting else None)(
        desk, question, dataset, form, kept, waiting
    )  # fmt: skip


def _memory(
    desk: PreviewDesk, question: MemoryQuestion, dataset: Dataset, form: str, kept: KeptForecast | None,
    was_waiting: bool,
) -> None:  # fmt: skip
    (answer,) = desk.ask_all([question])
    if answer is None:
        st.caption("Working out the memory")
        st.skeleton(height=70)
        return
    if was_waiting:
        st.rerun()
    if answer.get("error"):
        if dataset.task == "structure":  # counting a large one takes longer than the page waits; others are said above
            st.caption("The memory of this run could not be forecast.")
        return
    st.markdown(memory_line(answer))
    st.plotly_chart(
        drawn(memory_figure, answer), key="preview.memory", config=QUIET,
        alt="Memory of the heaviest batch by what it is used for",
    )  # fmt: skip
    seconds = least_seconds(answer, dataset, question.spec, kept)
    at_least = f" At least {text.duration(seconds)} in all at this machine's speed." if seconds >= 1 else ""
    st.caption(
        f"{text.plural(answer['batch_size'], 'row')} of {answer['residues']:,} residues, {answer['precision']}; the "
        f"program itself takes about half a gigabyte more.{at_least}",
        help="Counted on the real model with tensors that have shapes but no numbers. A processor keeps freed memory "
        "for later, about as much again as the activations; on a GPU that is a seventh.",
    )
    _draw_fit(answer, form)


def memory_line(answer: Mapping[str, Any]) -> str:
    """Return how much the heaviest batch takes, and of how much, in a line."""
    limit = int(answer["limit_bytes"])
    of = f" of {format_bytes(limit)}" if limit else ""
    return f"**{format_bytes(answer['total'])}**{of} of memory for the heaviest batch"


def memory_figure(answer: Mapping[str, Any]) -> go.Figure:
    """Draw what the heaviest batch takes as one stacked bar, and the memory of the device as a line where it is near.

    Args:
        answer: As `molfun.training.forecast.forecast` gives it.
    """
    figure = empty_figure("", "", "", height=HEIGHT)
    for name, (title, color) in PARTS.items():
        size = int(answer["parts"][name])
        if size:
            figure.add_bar(
                x=[size / 1e9], y=[""], orientation="h", name=title, marker={"color": color},
                hovertext=f"{title}: {format_bytes(size)}", hoverinfo="text",
            )  # fmt: skip
    limit = answer["limit_bytes"] / 1e9
    if 0 < limit < FAR * answer["total"] / 1e9:
        style = {"color": theme.GREY, "width": 2, "dash": "dash"}
        figure.add_shape(type="line", x0=limit, x1=limit, y0=0, y1=1, yref="paper", line=style)
        figure.update_xaxes(range=[0, 1.08 * max(limit, answer["total"] / 1e9)])
    figure.update_layout(
        barmode="stack", hovermode="closest", margin={"l": 8, "r": 8, "t": 46, "b": 4}, bargap=0.3,
        legend={"font": {"size": 11}, "entrywidth": 70},
    )  # fmt: skip
    figure.update_xaxes(ticksuffix=" GB", showgrid=True, nticks=6)
    figure.update_yaxes(visible=False)
    return figure


def _draw_fit(answer: Answer, form: str) -> None:
    if answer["fits"]:
        return
    if answer["fit"] is None:
        st.error(
            "This does not fit, not even row by row with gradient checkpointing. Train fewer parameters, take a "
            "smaller model, or crop long sequences.", icon=":material/memory:",
        )  # fmt: skip
        return
    st.warning(
        shell.sentence(
            f"This may not fit, with what the allocator keeps for later. With {fit_words(answer['fit'])} it takes "
            f"{format_bytes(answer['fit_total'])}, at the same number of rows a step."
        ),
        icon=":material/memory:",
    )  # fmt: skip
    if st.button("Fit it", icon=":material/compress:", on_click=_apply, args=(answer["fit"], form), key="preview.fit"):
        st.rerun()  # the whole form, not this card alone


def fit_words(fit: Mapping[str, Any]) -> str:
    """Return settings as people read them, e.g. "batch size 4, accumulation 8"."""
    said = [
        f"{title} {fit[name]}" if not isinstance(fit[name], bool) else title
        for name, title in FIT_TITLES.items()
        if fit[name] is not False
    ]
    return ", ".join(said)


def _apply(fit: Mapping[str, Any], form: str) -> None:
    for name, value in fit.items():
        st.session_state[f"{form}.{name}"] = value
    # Some of these fields lie in a fold, which nobody may have opened so far.
    st.session_state[f"{forms.ADVANCED}{forms.WAS_OPEN}"] = True

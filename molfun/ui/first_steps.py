"""The first steps of somebody new, in the sidebar and on Home: what is next, why, and where.

Which of them are done is read from the data folder, so that it does not matter how something was done: by clicks, from
the command line, or in a notebook. When all are done, or when they were hidden, nothing is drawn any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from molfun.data.dataset import list_datasets
from molfun.errors import MolfunError
from molfun.runs.files import read_json, write_json
from molfun.runs.folder import RunFolder
from molfun.runs.predictions import list_predictions
from molfun.runs.status import run_status
from molfun.runs.store import RunStore
from molfun.ui import shell

# Runs that are looked at; who has more knows the way.
MAX_RUNS = 30


@dataclass(frozen=True)
class Step:
    """One of the first steps.

    Attributes:
        title: What to do.
        words: How, and what it is good for.
        page: Where.
        is_done: Whether it was done, in whatever way.
        query: Parameters of that page's address.
    """

    title: str
    words: str
    page: str
    is_done: bool
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What the data folder says about how far somebody is.

    Attributes:
        dataset: Id of the newest dataset, empty where there is none.
        run: Id of the newest run, empty where there is none.
        finished: Id of the newest run that finished.
        has_pair: Whether two finished runs on the same data have different strategies.
        has_prediction: Whether any run was asked to predict.
    """

    dataset: str = ""
    run: str = ""
    finished: str = ""
    has_pair: bool = False
    has_prediction: bool = False


def first_steps(known: Known) -> list[Step]:
    """Return the first steps in their order."""
    data = {"dataset": known.dataset} if known.dataset else {}
    watch = {"run": known.run} if known.run else {}
    return [
        Step(
            "Pick data", "Take an example with one click, or drop a table of sequences and measurements.",
            shell.DATA, bool(known.dataset),
        ),
        Step(
            "Start a run", "Head only is chosen: the quick baseline. The card on the right says what would train.",
            shell.NEW_RUN, bool(known.run), data,
        ),
        Step(
            "See its result", "Curves while it trains; at the end the test score beside simple baselines.",
            shell.LIVE, bool(known.finished), watch,
        ),
        Step(
            "Try another strategy", "Choose LoRA on the same data, then look at both under Compare.",
            shell.NEW_RUN, known.has_pair, data,
        ),
        Step(
            "Predict", "Paste new sequences, or scan a protein for every substitution.",
            shell.PREDICT, known.has_prediction, {"run": known.finished} if known.finished else {},
        ),
    ]  # fmt: skip


def look(home: Path) -> Known:
    """Read from the data folder how far somebody is."""
    datasets = list_datasets(home / "datasets")
    runs = RunStore(home).list()[:MAX_RUNS]
    finished = [folder for folder in runs if run_status(folder).status == "finished"]
    return Known(
        dataset=str(datasets[0]["id"]) if datasets else "",
        run=runs[0].id if runs else "",
        finished=finished[0].id if finished else "",
        has_pair=_has_pair(finished),
        has_prediction=any(list_predictions(folder) for folder in finished),
    )


def _has_pair(folders: Sequence[RunFolder]) -> bool:
    seen: dict[str, set[str]] = {}
    for folder in folders:
        try:
            spec = folder.spec
        except MolfunError:
            continue  # a run that cannot be read is no step
        seen.setdefault(spec.data.dataset, set()).add(spec.strategy.kind)
    return any(len(kinds) > 1 for kinds in seen.values())


def are_shown(home: Path) -> bool:
    """Tell whether the first steps are to be drawn."""
    return not read_json(_path(home)).get("hidden")


def show(home: Path, *, wanted: bool) -> None:
    """Hide the first steps, or show them again.

    Raises:
        OSError: The disk is full.
    """
    write_json(_path(home), {"hidden": not wanted})


def _path(home: Path) -> Path:
    return home / "first_steps.json"


def draw_in_sidebar() -> None:
    """Draw the next step, unless all are done or they were hidden."""
    steps = _open_steps()
    if not steps:
        return
    number, step = next((index, step) for index, step in enumerate(steps, 1) if not step.is_done)
    with st.sidebar, st.container(border=True, key="first_steps"):
        st.caption(f"First steps · {number} of {len(steps)}")
        st.page_link(step.page, label=f"**{step.title}**", icon=":material/flag:", query_params=dict(step.query))
        st.caption(step.words)
        _draw_hide("sidebar")


def draw_on_home() -> None:
    """Draw all steps with what is done, unless all are done or they were hidden."""
    steps = _open_steps()
    if not steps:
        return
    with st.container(border=True, key="first_steps_home"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Your first model in five steps**", width="stretch")
            _draw_hide("home")
        for number, step in enumerate(steps, 1):
            icon = ":material/check_circle:" if step.is_done else f":material/counter_{number}:"
            st.page_link(
                step.page, label=f"~~{step.title}~~" if step.is_done else f"**{step.title}** · {step.words}", icon=icon,
                query_params=dict(step.query),
            )  # fmt: skip


def _open_steps() -> list[Step]:
    """Return the steps while one of them is open and they are not hidden, else none."""
    home = shell.home()
    if not are_shown(home):
        return []
    steps = first_steps(look(home))
    if all(step.is_done for step in steps):
        with suppress(OSError):  # on a full disk it is found out anew every time
            show(home, wanted=False)
        return []
    return steps


def _draw_hide(place: str) -> None:
    st.button(
        "Hide", key=f"first_steps.hide.{place}", type="tertiary", on_click=_hide,
        help="Settings shows them again.",
    )  # fmt: skip


def _hide() -> None:
    try:
        show(shell.home(), wanted=False)
    except OSError:
        shell.say("The disk is full: that could not be kept.", icon="error")


def draw_switch() -> None:
    """Draw, for Settings, whether the first steps are shown."""
    home = shell.home()
    is_on, are_done = are_shown(home), all(step.is_done for step in first_steps(look(home)))
    wanted = st.toggle(
        "Show the first steps", value=is_on and not are_done, disabled=are_done,
        help="All five are done." if are_done else "In the sidebar and on Home, until all are done.",
    )  # fmt: skip
    if are_done or wanted == is_on:
        return
    try:
        show(home, wanted=wanted)
    except OSError:
        st.error("The disk is full: that could not be kept.", icon=":material/error:")
        return
    st.rerun()

"""The button that races strategies: the same data, split and seeds, a run a strategy and seed, compared as they go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.comparison import KIND
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.race import SUFFIX, UNRACED, Entry, Grid, count_runs, enter, parse_grid, plan_race
from molfun.runs.spec import RunSpec
from molfun.settings import SettingInfo, Settings, describe_settings
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import TrainingSettings
from molfun.ui import shell, text
from molfun.ui.compare_panels import BUT_SEED
from molfun.ui.launch_desk import launch_desk

MAX_SEEDS = 5
OPEN = "race.is_open"


def draw_race(spec: RunSpec, run_id: str, problem: str) -> None:
    """Draw what a race would be, and its start.

    Args:
        spec: The form's spec.
        run_id: Id that the form's own run would have; the race's begins with it, so that two clicks are one race.
        problem: Why nothing can start yet; empty where it can.
    """
    st.button(
        "Race strategies…", icon=":material/flag:", width="stretch", disabled=bool(problem), key="race.ask",
        on_click=_open,
        help="The same data, split and seeds under several strategies, side by side on the page Compare.",
    )  # fmt: skip
    if st.session_state.get(OPEN) and not problem:
        _ask_race(spec, run_id)


def _open() -> None:
    # Kept in the session: the page behind is drawn anew when the preview has an answer, and would close the dialog.
    st.session_state[OPEN] = True


def _close() -> None:
    st.session_state.pop(OPEN, None)


@st.dialog("Race strategies", on_dismiss=_close)
def _ask_race(spec: RunSpec, run_id: str) -> None:
    st.markdown("The same data, split and seeds under several strategies, side by side on the page *Compare*.")
    kinds = st.pills(
        "Strategies", list(STRATEGIES), selection_mode="multi", default=list(STRATEGIES), key="race.kinds",
        format_func=lambda kind: STRATEGIES[kind].title,
        help="The chosen one runs with the settings of the form, the others with the recommended ones.",
    )  # fmt: skip
    num_seeds = int(st.number_input(
        "Seeds", 1, MAX_SEEDS, 1, key="race.seeds", help="Runs of each strategy; with several, chance can be seen.",
    ))  # fmt: skip
    grid = _draw_grid(spec)
    num_runs = count_runs(kinds, grid) * num_seeds
    place = "one after another" if spec.launch.where == "local" else f"on the {TITLES[spec.launch.where]}"
    st.caption(f"{text.plural(num_runs, 'run')}, {place}." if num_runs else "Choose strategies.")
    if st.button("Start the race", type="primary", key="race.start", disabled=num_runs < 2, width="stretch"):
        _start(spec, run_id, kinds, num_seeds, grid)


def _draw_grid(spec: RunSpec) -> dict[str, list[str]]:
    """Draw which settings differ within the race, and return their values; those without any are left out."""
    infos = varied_settings()
    paths = st.multiselect(
        "Vary settings", list(infos), key="race.vary", placeholder="None",
        format_func=lambda path: infos[path].label, help="Every combination of the values races.",
    )  # fmt: skip
    values = spec.model_dump(mode="json")
    told = []
    for path in paths:
        section, name = path.split(".")
        usual = values[section].get(name, infos[path].default)
        typed = st.text_input(
            f"Values of {infos[path].label}", key=f"race.vary.{path}", placeholder=f"{usual}, …",
            help=f"With commas between. {infos[path].help}",
        )  # fmt: skip
        told += [f"{path}={typed}"] if typed.strip(" ,") else []
    return parse_grid(told)


@lru_cache(maxsize=1)
def varied_settings() -> dict[str, SettingInfo]:
    """Return the settings that may differ within a race, by dotted name: those of the strategies and of training."""
    found: dict[str, SettingInfo] = {}
    classes: list[tuple[str, type[Settings]]] = [("strategy", card.settings) for card in STRATEGIES.values()]
    classes.append(("training", TrainingSettings))
    for section, cls in classes:
        for info in describe_settings(cls):
            if info.kind != "list" and f"{section}.{info.name}" not in UNRACED:
                found.setdefault(f"{section}.{info.name}", info)
    return found


def _start(spec: RunSpec, run_id: str, kinds: Sequence[str], num_seeds: int, grid: Grid) -> None:
    seeds = [spec.training.seed + number for number in range(num_seeds)]
    try:
        with st.spinner("Checking every run of the race"):
            entries = plan_race(shell.home(), spec, f"{run_id}{SUFFIX}", kinds=kinds, seeds=seeds, grid=grid)
            for entry in entries:
                _send(entry)
    except MolfunError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    _close()
    view = {"group": BUT_SEED if grid else KIND} if num_seeds > 1 else {}
    st.switch_page(shell.COMPARE, query_params={"runs": ",".join(entry.id for entry in entries), **view})


def _send(entry: Entry) -> None:
    """Start a run of this machine at once; one of a cluster, which may take a while to answer, in the background."""
    home, where = shell.home(), entry.spec.launch.where
    if where == "local":
        enter(home, entry)
    else:
        launch_desk().send(entry.id, f"Sending the run to the {TITLES[where]}", lambda: enter(home, entry))

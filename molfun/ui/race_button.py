"""The buttons that race strategies and cross-validate: a run a strategy, seed and fold, compared as they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import streamlit as st

from molfun.data.dataset import Dataset
from molfun.data.folds import MAX_REPEATS, WITH_FOLDS, refold
from molfun.data.splits import KINDS
from molfun.errors import MolfunError
from molfun.runs.comparison import KIND
from molfun.runs.fold_race import FOLD_SUFFIX, over_folds
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.race import MAX_RUNS, SUFFIX, UNRACED, Entry, Grid, count_runs, enter, parse_grid, plan_race
from molfun.runs.spec import RunSpec
from molfun.settings import SettingInfo, Settings, describe_settings
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import TrainingSettings
from molfun.ui import forms, shell, text
from molfun.ui.compared import BUT_FOLD, BUT_SEED
from molfun.ui.launch_desk import launch_desk

MAX_SEEDS = 5
OPEN = "race.is_open"


@dataclass(frozen=True)
class Wanted:
    """What is raced.

    Attributes:
        kinds: Strategies.
        num_seeds: Runs of each strategy (on each fold), with one training seed after another.
        grid: Values by dotted setting.
        num_folds: Folds that are tested one by one; 0 keeps the split as it is.
        repeats: How often rows are dealt into folds.
    """

    kinds: list[str]
    num_seeds: int = 1
    grid: Grid = field(default_factory=dict)
    num_folds: int = 0
    repeats: int = 1

    @property
    def num_runs(self) -> int:
        """How many runs that is."""
        return count_runs(self.kinds, self.grid) * self.num_seeds * max(1, self.num_folds) * self.repeats


def draw_race(spec: RunSpec, dataset: Dataset, run_id: str, problem: str) -> None:
    """Draw what a race would be, and its start; for data that are a fold, also the start of one run a fold.

    Args:
        spec: The form's spec.
        dataset: Its data.
        run_id: Id that the form's own run would have; the race's begins with it, so that two clicks are one race.
        problem: Why nothing can start yet; empty where it can.
    """
    folds = dataset.split.num_folds
    if folds and st.button(
        f"Cross-validate in {folds} folds", icon=":material/donut_large:", width="stretch",
        disabled=bool(problem), key="race.folds_now",
        help="The settings of the form on every fold: each row is tested once, by a run that did not train on it.",
    ):  # fmt: skip
        _start(spec, dataset, run_id, Wanted([spec.strategy.kind], num_folds=folds))
    st.button(
        "Race or cross-validate…", icon=":material/flag:", width="stretch", disabled=bool(problem), key="race.ask",
        on_click=_open,
        help="The same data under several strategies, seeds or folds, side by side on the page Compare.",
    )  # fmt: skip
    if st.session_state.get(OPEN) and not problem:
        _ask_race(spec, dataset, run_id)


def _open() -> None:
    # Kept in the session: the page behind is drawn anew when the preview has an answer, and would close the dialog.
    st.session_state[OPEN] = True


def _close() -> None:
    st.session_state.pop(OPEN, None)


@st.dialog("Race or cross-validate", on_dismiss=_close)
def _ask_race(spec: RunSpec, dataset: Dataset, run_id: str) -> None:
    st.markdown("The same data under several strategies, seeds or folds, side by side on the page *Compare*.")
    kinds = st.pills(
        "Strategies", list(STRATEGIES), selection_mode="multi", default=list(STRATEGIES), key="race.kinds",
        format_func=lambda kind: STRATEGIES[kind].title,
        help="The chosen one runs with the settings of the form, the others with the recommended ones.",
    )  # fmt: skip
    num_folds, repeats = _draw_folds(dataset)
    num_seeds = int(st.number_input(
        "Seeds", 1, MAX_SEEDS, 1, key="race.seeds",
        help="Runs of each strategy that differ by chance in training alone; other test rows are what folds are for.",
    ))  # fmt: skip
    wanted = Wanted(list(kinds), num_seeds, _draw_grid(spec), num_folds, repeats)
    place = "one after another" if spec.launch.where == "local" else f"on the {TITLES[spec.launch.where]}"
    if wanted.num_runs > MAX_RUNS:
        st.caption(f":material/block: {wanted.num_runs:,} runs; {MAX_RUNS} is the most.")
    else:
        st.caption(f"{text.plural(wanted.num_runs, 'run')}, {place}." if wanted.num_runs else "Choose strategies.")
    can_start = 2 <= wanted.num_runs <= MAX_RUNS
    if st.button("Start the race", type="primary", key="race.start", disabled=not can_start, width="stretch"):
        _start(spec, dataset, run_id, wanted)


def _draw_folds(dataset: Dataset) -> tuple[int, int]:
    """Draw into how many folds the rows are dealt, and how often; return (0, 1) where the split stays as it is."""
    kind = dataset.split.kind
    has_folds = kind in WITH_FOLDS
    left, right = st.columns(2)
    with left:
        num_folds = int(st.number_input(
            "Folds", 0, 100, dataset.split.num_folds, key=f"race.folds.{dataset.id}", disabled=not has_folds,
            help="2 or more cross-validate: each run tests other rows, and together they test every row once. 0 keeps "
            "the split as it is."
            if has_folds else f"The split '{KINDS[kind].title}' has no folds.",
        ))  # fmt: skip
    with right:
        repeats = int(st.number_input(
            "Repeats", 1, MAX_REPEATS, 1, key="race.repeats", disabled=num_folds < 2,
            help="Deals the rows into folds again, with the next split seed: shows what the choice of rows does.",
        ))  # fmt: skip
    if num_folds == 1:
        st.caption(":material/block: One fold tests nothing new; 2 or more, or 0.")
    return (num_folds, repeats) if num_folds > 1 else (0, 1)


def _draw_grid(spec: RunSpec) -> dict[str, list[str]]:
    """Draw which settings differ within the race, and return their values; those without any are left out."""
    infos = varied_settings()
    paths = st.multiselect(
        "Vary settings", list(infos), key="race.vary", placeholder="None",
        format_func=lambda path: forms.label_of(infos[path]), help="Every combination of the values races.",
    )  # fmt: skip
    values = spec.model_dump(mode="json")
    told = []
    for path in paths:
        section, name = path.split(".")
        usual = values[section].get(name, infos[path].default)
        typed = st.text_input(
            f"Values of {forms.label_of(infos[path])}", key=f"race.vary.{path}", placeholder=f"{usual}, …",
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


def _start(spec: RunSpec, dataset: Dataset, run_id: str, wanted: Wanted) -> None:
    try:
        with st.spinner("Checking every run of the race"):
            entries = _planned(spec, dataset, run_id, wanted)
            for entry in entries:
                _send(entry)
    except MolfunError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    _close()
    grouped = BUT_FOLD if wanted.num_folds else (BUT_SEED if wanted.grid else KIND) if wanted.num_seeds > 1 else ""
    view = {"group": grouped} if grouped else {}
    st.switch_page(shell.COMPARE, query_params={"runs": ",".join(entry.id for entry in entries), **view})


def _planned(spec: RunSpec, dataset: Dataset, run_id: str, wanted: Wanted) -> list[Entry]:
    home, first = shell.home(), spec.training.seed
    seeds = range(first, first + wanted.num_seeds)
    if not wanted.num_folds:
        return plan_race(home, spec, f"{run_id}{SUFFIX}", kinds=wanted.kinds, seeds=seeds, grid=wanted.grid)
    folds = refold(shell.datasets_root(), dataset, wanted.num_folds, repeats=wanted.repeats)
    return over_folds(home, spec, folds, f"{run_id}{FOLD_SUFFIX}", kinds=wanted.kinds, seeds=seeds, grid=wanted.grid)


def _send(entry: Entry) -> None:
    """Start a run of this machine at once; one of a cluster, which may take a while to answer, in the background."""
    home, where = shell.home(), entry.spec.launch.where
    if where == "local":
        enter(home, entry)
    else:
        launch_desk().send(entry.id, f"Sending the run to the {TITLES[where]}", lambda: enter(home, entry))

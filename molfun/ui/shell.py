"""What every page shares: navigation, sidebar, titles, the data folder, and errors shown as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from molfun.errors import MolfunError
from molfun.home import data_home
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.ui import text, theme

PAGES = Path(__file__).parents[2] / "pages"
HOME, DATA, NEW_RUN, LIVE, RUNS = (str(PAGES / f"{name}.py") for name in ("home", "data", "new_run", "live", "runs"))

# The preview card follows the reader; on narrow screens columns are stacked and it must not.
_STYLE = """<style>
.block-container {padding-top: 3.2rem; padding-bottom: 4rem; max-width: 76rem;}
@media (min-width: 900px) {
  [data-testid="stColumn"]:has(.st-key-preview_card) {align-self: flex-start; position: sticky; top: 3.6rem;}
}
.st-key-log_tail pre {max-height: 20rem; overflow: auto; font-size: 0.8rem;}
.js-plotly-plot .plotly .modebar {opacity: 0; transition: opacity 0.15s;}
.js-plotly-plot:hover .plotly .modebar {opacity: 1;}
/* Labels of switches wrap instead of ending in dots. */
[data-testid="stCheckbox"] [data-testid="stWidgetLabel"] p {
  white-space: normal; overflow: visible; overflow-wrap: normal;
}
</style>"""


def navigation() -> st.Page:
    """Declare the pages; their addresses are fixed, so that /live?run=ID can be shared and reloaded."""
    return st.navigation(
        [
            st.Page(HOME, title="Home", icon=":material/home:", default=True),
            st.Page(DATA, title="Data", icon=":material/table_rows:", url_path="data"),
            st.Page(NEW_RUN, title="New run", icon=":material/add_circle:", url_path="new_run"),
            st.Page(LIVE, title="Live", icon=":material/show_chart:", url_path="live"),
            st.Page(RUNS, title="Runs", icon=":material/list_alt:", url_path="runs"),
        ]
    )


def draw_style() -> None:
    """Add the few rules that themes cannot express."""
    st.html(_STYLE)


def home() -> Path:
    """Return the data folder."""
    return data_home()


def datasets_root() -> Path:
    """Return the folder of saved datasets."""
    return home() / "datasets"


def store() -> RunStore:
    """Return the run store."""
    return RunStore(home())


def page_title(title: str, subtitle: str = "") -> None:
    """Draw a page's heading and the one sentence that says what it is for."""
    st.title(title, anchor=False)
    if subtitle:
        st.markdown(f":gray[{subtitle}]")


def query(name: str) -> str:
    """Return a parameter of the address, "" where it is absent."""
    return str(st.query_params.get(name, ""))


@contextmanager
def sentences() -> Iterator[None]:
    """Show an error that was written for people as its sentence and stop the page there."""
    try:
        yield
    except MolfunError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()


def status_badge(status: str) -> None:
    """Draw a run's state as a coloured word with an icon."""
    look = theme.status_look(status)
    st.badge(look.word, color=look.color, icon=look.icon)  # type: ignore[arg-type]


def draw_sidebar() -> None:
    """List the runs that are alive, each a link to its page."""
    alive = alive_runs()
    with st.sidebar:
        if not alive:
            return
        st.caption("Running now")
        for folder, progress in alive[:5]:
            percent = "" if progress is None else f" · {progress:.0%}"
            st.page_link(
                LIVE,
                label=f"{run_title(folder)}{percent}",
                icon=":material/directions_run:",
                query_params={"run": folder.id},
            )


def alive_runs() -> list[tuple[RunFolder, float | None]]:
    """Return runs whose process is alive, with their progress in 0..1."""
    states = [(folder, run_status(folder)) for folder in store().list()]
    return [(folder, state.progress) for folder, state in states if state.alive]


def run_title(folder: RunFolder) -> str:
    """Return a run's name, or its id where the spec cannot be read."""
    try:
        return folder.spec.name or folder.id
    except MolfunError:
        return folder.id


def dataset_line(entry: dict[str, object]) -> str:
    """Return a dataset of `list_datasets` in one line."""
    rows = entry["rows"]
    task = text.TASKS.get(str(entry["task"]), str(entry["task"]))
    return f"{entry['name']} · {rows:,} rows · {task.lower()}"

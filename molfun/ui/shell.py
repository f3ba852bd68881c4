"""What every page shares: navigation, sidebar, titles, the data folder, and errors shown as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from molfun.errors import MolfunError
from molfun.home import data_home
from molfun.runs.files import read_json
from molfun.runs.status import ENDED, RunStatus, run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.ui import text, theme
from molfun.ui.scripts import app_folder
from molfun.ui.text import plain as plain
from molfun.ui.text import sentence as sentence

PAGES = app_folder() / "pages"
NAMES = ("home", "data", "new_run", "live", "runs", "compare", "predict", "parameters", "settings")
HOME, DATA, NEW_RUN, LIVE, RUNS, COMPARE, PREDICT, PARAMETERS, SETTINGS = (str(PAGES / f"{name}.py") for name in NAMES)
MAX_IN_SIDEBAR = 5
SAID = "shell.said"

# The preview card follows the reader; on narrow screens columns are stacked and it must not.
_STYLE = """<style>
.block-container {padding-top: 3.2rem; padding-bottom: 4rem; max-width: 76rem;}
@media (min-width: 900px) {
  [data-testid="stColumn"]:has(.st-key-preview_card) {align-self: flex-start; position: sticky; top: 3.6rem;}
}
/* The end of a log is what people look for. */
.st-key-log_tail pre {
  max-height: 20rem; overflow: auto; font-size: 0.8rem; display: flex; flex-direction: column-reverse;
}
.js-plotly-plot .plotly .modebar {opacity: 0; transition: opacity 0.15s;}
.js-plotly-plot:hover .plotly .modebar {opacity: 1;}
/* Streamlit takes every link to Live for the page that is open; the run that is open is bold. */
[data-testid="stSidebarUserContent"] [data-testid="stPageLink-NavLink"]:not(:hover) {background: transparent;}
[data-testid="stSidebarUserContent"] [data-testid="stPageLink-NavLink"] p {font-weight: 400;}
/* What a step is good for wraps on narrow screens instead of being cut. */
.st-key-first_steps_home [data-testid="stPageLink-NavLink"] * {white-space: normal; overflow: visible;}
/* Labels of buttons and switches wrap instead of ending in dots. */
[data-testid="stMain"] button .stMarkdownEllipsis, [data-testid="stMain"] button .stMarkdownEllipsis p {
  white-space: normal; overflow: visible; text-align: start;
}
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
            st.Page(COMPARE, title="Compare", icon=":material/stacked_line_chart:", url_path="compare"),
            st.Page(PREDICT, title="Predict", icon=":material/online_prediction:", url_path="predict"),
            st.Page(PARAMETERS, title="Parameters", icon=":material/account_tree:", url_path="parameters"),
            st.Page(SETTINGS, title="Settings", icon=":material/settings:", url_path="settings"),
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


def keep_in_address(values: Mapping[str, object]) -> None:
    """Write what a view shows into its address, so that it can be shared and reloaded; None and "" are left out."""
    shown = {name: str(value) for name, value in values.items() if value not in (None, "")}
    for name in values:
        if name in st.query_params and name not in shown:
            del st.query_params[name]
    for name, value in shown.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value


@contextmanager
def sentences() -> Iterator[None]:
    """Show an error that was written for people as its sentence and stop the page there."""
    try:
        yield
    except MolfunError as error:
        st.error(sentence(str(error)), icon=":material/error:")
        st.stop()


def status_badge(status: str) -> None:
    """Draw a run's state as a coloured word with an icon."""
    look = theme.status_look(status)
    st.badge(look.word, color=look.color, icon=look.icon)  # type: ignore[arg-type]


def draw_sidebar() -> None:
    """List the runs that are at work or wait, each a link to its page."""
    runs = open_runs()
    if not runs:
        return
    with st.sidebar:
        st.caption("Running now")
        for folder, status in runs[:MAX_IN_SIDEBAR]:
            percent = "" if status.progress is None else f" · {status.progress:.0%}"
            title = plain(folder.title)
            st.page_link(
                LIVE,
                label=f"**{title}**{percent}" if query("run") == folder.id else f"{title}{percent}",
                icon=theme.status_look(shown_state(status)).icon,
                query_params={"run": folder.id},
            )
        if len(runs) > MAX_IN_SIDEBAR:
            st.page_link(RUNS, label=f"{len(runs) - MAX_IN_SIDEBAR} more", icon=":material/more_horiz:")


def open_runs() -> list[tuple[RunFolder, RunStatus]]:
    """Return the runs that are at work, the newest first, and then those that wait, the oldest first."""
    found = [(folder, run_status(folder)) for folder in store().list() if not has_ended(folder)]
    working = [run for run in found if run[1].alive]
    return working + [run for run in reversed(found) if not run[1].alive and not run[1].is_over]


def has_ended(folder: RunFolder) -> bool:
    """Tell whether the folder itself says that a run ended; each state is read once, so that hundreds cost little."""
    with suppress(OSError):
        stat = folder.state_path.stat()
        return _says_ended(folder.state_path, stat.st_mtime_ns, stat.st_size)
    return False


@lru_cache(maxsize=4096)
def _says_ended(path: Path, modified: int, size: int) -> bool:
    return read_json(path).get("status") in ENDED


def say(words: str, *, icon: str = "check_circle", is_long: bool = False) -> None:
    """Keep a few words on what was done, for `draw_said`: a callback itself must not draw anything."""
    st.session_state.setdefault(SAID, []).append((words, icon, is_long))


def say_problem(error: MolfunError) -> None:
    """Keep why something could not be done, for `draw_said`."""
    say(sentence(str(error)), icon="error", is_long=True)


def draw_said() -> None:
    """Show for a moment what callbacks said."""
    for words, icon, is_long in st.session_state.pop(SAID, []):
        st.toast(words, icon=f":material/{icon}:", duration="long" if is_long else "short")


def shown_state(status: RunStatus) -> str:
    """Return the state as people see it: a paused run is at work, but nothing happens."""
    return "paused" if status.is_paused else status.status


def run_line(folder: RunFolder) -> str:
    """Return a run in one line, with the end of its id: of entries that read the same, Streamlit takes the last one."""
    return f"{folder.title} · {folder.id[-4:]}"


def dataset_line(entry: Mapping[str, Any]) -> str:
    """Return a dataset of `list_datasets` in one line; the end of its id, as in `run_line`, where no list cuts it."""
    task = text.TASKS.get(str(entry["task"]), str(entry["task"]))
    return f"{entry['name']} · {str(entry['id'])[-4:]} · {text.plural(entry['rows'], 'row')} · {task.lower()}"

"""What a page tells and lets change about one run: its title, name, notes and tags; where it runs; its forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.errors import MolfunError
from molfun.plain_files import read_plain
from molfun.runs import notes
from molfun.runs.disk import format_bytes
from molfun.runs.launchers.catalog import TITLES, launcher_of
from molfun.runs.spec import RunSpec
from molfun.runs.status import RunStatus
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES
from molfun.ui import shell, text

RENAMING = "live.renaming"
SCRIPT_NAME = "job.sh"
MAX_SCRIPT_BYTES = 1_000_000
# Less memory than this is noise of the measurement.
LEAST_BYTES = 10e6
LEAST_PADDING = 0.05  # of the tokens; less is not worth a word


def draw_title(folder: RunFolder) -> None:
    """Draw a run's name, which a click on the pencil lets change, and what it trains."""
    if st.session_state.get(RENAMING) == folder.id:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _draw_name(folder, key="live.title")
            st.button(
                "Done", icon=":material/check:", help="Closes the field.", key="live.renamed", on_click=_close_name
            )
    else:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.title(shell.plain(folder.title), anchor=False, width="content")
            st.button(
                "", icon=":material/edit:", type="tertiary", help="Rename this run.", key="live.rename",
                on_click=st.session_state.__setitem__, args=(RENAMING, folder.id),
            )  # fmt: skip
    if imported := folder.read_state().get("imported"):
        st.markdown(f":gray[Imported from {shell.plain(str(imported))}: curves only]")
        return
    with suppress(MolfunError):
        st.markdown(f":gray[{describe(folder.spec)}]")


def describe(spec: RunSpec) -> str:
    """Return strategy, model, weights and data of a run in one line."""
    card = MODELS.get(spec.model.name)
    model = card.short_title if card else spec.model.name
    weights = "" if spec.model.weights == "pretrained" else f" · {shell.plain(spec.model.weights)} weights"
    return f"{STRATEGIES[spec.strategy.kind].title} on {model}{weights} · {shell.plain(spec.data.dataset)}"


def draw_about(folder: RunFolder) -> None:
    """Draw name, notes and tags as they may be changed in every state of a run."""
    _draw_name(folder, key="live.name")
    draw_tags(folder)
    key = f"live.notes.{folder.id}"
    st.text_area(
        "Notes", value=str(folder.read_amended().get("notes") or ""), key=key, height=120, max_chars=notes.MAX_NOTES,
        placeholder="What you wanted to learn, and what you saw.", help="Saved when you leave the field.",
        on_change=_save, args=(lambda: notes.set_notes(folder, st.session_state[key]), "Notes saved."),
    )  # fmt: skip


def _draw_name(folder: RunFolder, *, key: str) -> None:
    title = folder.title
    # The name is part of the key, so that another tab's change is shown here too.
    place = f"{key}.{folder.id}.{title}"
    st.text_input(
        "Name", value=title, key=place, max_chars=notes.MAX_NAME, on_change=_rename, args=(folder, place),
        help="Shown in lists and on this page; Enter saves it.",
    )  # fmt: skip


def _rename(folder: RunFolder, key: str) -> None:
    _save(lambda: notes.rename(folder, st.session_state[key]), "Renamed.")
    _close_name()


def _close_name() -> None:
    st.session_state.pop(RENAMING, None)


def draw_tags(folder: RunFolder) -> None:
    """Draw the tags of a run; a new word that is typed becomes one."""
    known = notes.tags_of(folder)
    key = f"live.tags.{folder.id}.{'|'.join(known)}"
    st.multiselect(
        "Tags", sorted({*notes.all_tags(shell.home()), *known}), default=known, key=key, accept_new_options=True,
        placeholder="Type a word and press Enter", help="Words by which runs are found on the page Runs.",
        on_change=_change_tags, args=(folder, key),
    )  # fmt: skip


def _change_tags(folder: RunFolder, key: str) -> None:
    chosen, known = st.session_state[key], notes.tags_of(folder)
    added = [tag for tag in chosen if tag not in known]
    removed = [tag for tag in known if tag not in chosen]

    def work() -> None:
        if removed:
            notes.remove_tags(folder, removed)
        if added:
            notes.add_tags(folder, added)

    _save(work, "Tags saved.")


def _save(work: Callable[[], object], words: str) -> None:
    try:
        work()
    except MolfunError as error:
        shell.say_problem(error)
        return
    shell.say(words)


def where_line(folder: RunFolder, status: RunStatus) -> str:
    """Return where a run is, was or will be at work, in one line, and what part of the work is padding."""
    launch, state = folder.read_launch(), folder.read_state()
    parts = [TITLES[launcher_of(folder).name]]
    if launch.get("job"):
        parts.append(f"job {launch['job']}")
    if host := state.get("host") or launch.get("host"):
        parts.append(str(host))
    try:
        spec = folder.spec
    except MolfunError:
        return " · ".join(map(shell.plain, parts))
    num_processes, nodes = spec.training.num_processes, spec.launch.nodes
    parts.append(text.plural(num_processes, "process", "processes") + (f" on {nodes} nodes" if nodes > 1 else ""))
    if status.alive and state.get("pid"):
        parts.append(f"supervisor {state['pid']}")
    padding = state.get("padding_share")
    if isinstance(padding, float) and LEAST_PADDING <= padding < 1:
        parts.append(f"{padding:.0%} of the tokens padding")
    return " · ".join(map(shell.plain, parts))


def preflight_line(found: Mapping[str, Any]) -> str:
    """Return what was measured before the first step in one line, empty where nothing was.

    Args:
        found: As `RunFolder.read_preflight` returns it: `rows`, `residues`, `seconds`, `peak_bytes`,
            `forecast_seconds`, `disk_needed_bytes`, any of them absent.
    """
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float) and value > 0}
    said = []
    if {"rows", "residues", "seconds"} <= set(numbers):
        memory = f" and {format_bytes(numbers['peak_bytes'])}" if numbers.get("peak_bytes", 0) > LEAST_BYTES else ""
        batch = f"{text.plural(int(numbers['rows']), 'row')} of up to {numbers['residues']:,.0f} residues"
        said.append(f"Largest batch: {batch} in {_seconds(numbers['seconds'])}{memory}")
    if numbers.get("forecast_seconds", 0) >= 1:
        said.append(f"about {text.duration(numbers['forecast_seconds'])} in all")
    if "disk_needed_bytes" in numbers:
        said.append(f"needs {format_bytes(numbers['disk_needed_bytes'])} of disk")
    line = "; ".join(said)
    return f"{line[:1].upper()}{line[1:]}." if line else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else text.duration(seconds)


def draw_script(folder: RunFolder) -> None:
    """Draw the script that was given to a cluster, where there is one."""
    try:
        script = read_plain(folder.path / SCRIPT_NAME, MAX_SCRIPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    with st.expander("Batch script", icon=":material/description:"):
        st.code(script, language="bash")

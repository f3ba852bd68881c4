"""Where a run's processes will run, as a part of the form New run: place, processes, GPUs, the cluster's own settings.

Never asks a scheduler: whether a cluster takes the run is found out by the launch desk, after Start.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from molfun.errors import MolfunError
from molfun.runs.launchers.catalog import LAUNCHERS, TITLES, find_launcher
from molfun.runs.launchers.settings import LaunchSettings, RaySettings, SlurmSettings
from molfun.runs.machine import list_gpus
from molfun.runs.queue import num_slots, read_queue
from molfun.runs.spec import RunSpec
from molfun.runs.submit import check_nodes
from molfun.settings import Settings, describe_settings
from molfun.training.settings import TrainingSettings
from molfun.ui import forms, shell, text
from molfun.ui.queue_panels import GPU_AGE_SECONDS

SECTIONS: dict[str, type[Settings]] = {"slurm": SlurmSettings, "ray": RaySettings}
OWN_FIELDS = ("where", "nodes", "gpus")  # drawn here, the other ones by the general form


def draw_launch(defaults: Mapping[str, Any], num_processes: int, *, key: str) -> tuple[dict[str, Any], int]:
    """Draw where a run will run; return the spec's launch section and the number of processes.

    Args:
        defaults: Launch section to start from.
        num_processes: Number of processes to start from.
        key: Prefix of the widgets' keys.
    """
    where = st.segmented_control(
        "Where", list(LAUNCHERS), default=defaults.get("where", "local"), required=True, key=f"{key}.where",
        format_func=TITLES.__getitem__, persist_state="session",
        help="This machine, or a cluster that shares this machine's data folder.",
    )  # fmt: skip
    values: dict[str, Any] = {"where": where or "local"}
    processes = _draw_counts(values, defaults, num_processes, key)
    if values["where"] == "local":
        values["gpus"] = _draw_gpus(defaults.get("gpus"), key)
        st.caption(f":material/schedule: {queue_note(shell.home()) or 'Starts at once.'}")
    else:
        values[values["where"]] = _draw_cluster(values["where"], defaults, key)
    forms.draw_advanced(
        LaunchSettings, values, key=f"{key}.launch", defaults=defaults, skip=OWN_FIELDS, titled=False
    )  # fmt: skip
    return values, processes


def untouched(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `draw_launch` would return where nobody changes anything: GPUs that are absent here are left out."""
    values = dict(defaults)
    if values.get("where", "local") == "local" and values.get("gpus"):
        there = {gpu.index for gpu in list_gpus(max_age_seconds=GPU_AGE_SECONDS)}
        values["gpus"] = [index for index in values["gpus"] if index in there] or None
    return values


def _draw_counts(values: dict[str, Any], defaults: Mapping[str, Any], num_processes: int, key: str) -> int:
    left, right, _ = st.columns(3, vertical_alignment="bottom")
    with left:
        info = forms.info_of(TrainingSettings, "num_processes")
        processes = int(forms.draw_setting(info, key=f"{key}.processes", value=num_processes))
    if values["where"] == "slurm":
        with right:
            info, start = forms.info_of(LaunchSettings, "nodes"), defaults.get("nodes") or 1
            values["nodes"] = int(forms.draw_setting(info, key=f"{key}.nodes", value=start))
    return processes


def _draw_gpus(picked: list[int] | None, key: str) -> list[int] | None:
    gpus = {gpu.index: gpu for gpu in list_gpus(max_age_seconds=GPU_AGE_SECONDS)}
    if not gpus:
        return None
    chosen = st.multiselect(
        "GPUs", list(gpus), default=[index for index in picked or () if index in gpus], key=f"{key}.gpus",
        persist_state="session", placeholder="Any that is free", help="None takes those that are free.",
        format_func=lambda index: f"{index} · {gpus[index].name}{', in use' if gpus[index].is_busy else ''}",
    )  # fmt: skip
    return chosen or None


def _draw_cluster(where: str, defaults: Mapping[str, Any], key: str) -> dict[str, Any]:
    cls, known = SECTIONS[where], defaults.get(where) or {}
    values = forms.draw_settings(cls, key=f"{key}.{where}", defaults=known)
    if any(info.level == "advanced" for info in describe_settings(cls)):
        box, is_drawn = forms.fold("More settings of the cluster", key="new.cluster", icon=":material/tune:")
        if not is_drawn:
            return {**known, **values}
        with box:
            forms.draw_advanced(cls, values, key=f"{key}.{where}", defaults=known, titled=False)
    return values


def queue_note(home: Path) -> str:
    """Return when a run that is started now would begin on this machine, in words; empty where it is at once."""
    queue = read_queue(home)
    slots = num_slots(queue, list_gpus(max_age_seconds=GPU_AGE_SECONDS))
    waiting, working = len(queue.waiting), len(queue.holding)
    if not waiting and working < slots:
        return ""
    if not waiting:
        return f"{working} of {text.plural(slots, 'slot')} in use; starts when one is free."
    return f"{text.plural(waiting, 'run waits', 'runs wait')} before it; starts when a slot is free."


def missing_place(spec: RunSpec) -> str:
    """Return why a run cannot be sent where it should run, as far as it shows without asking a scheduler."""
    where = spec.launch.where
    if where == "slurm" and shutil.which("sbatch") is None:
        return (
            "There is no Slurm on this machine (`sbatch` is not found). Open the app on a login node of the cluster, "
            "or choose another place to run."
        )
    try:
        check_nodes(spec)
        if where == "local":
            find_launcher(where).check(spec)
    except MolfunError as error:
        return str(error)
    return ""


def draw_commands(spec: RunSpec, run_dir: Path) -> None:
    """Draw what Start would run, to be read and copied."""
    where = spec.launch.where
    with shell.sentences():
        lines = find_launcher(where).preview(spec, run_dir)
    st.caption("What Start runs:")
    st.code(lines, language="bash", wrap_lines=True)
    if where == "slurm":
        st.download_button(
            "Download job.sh", lines, file_name="job.sh", mime="text/x-shellscript", icon=":material/download:",
            on_click="ignore", help="The batch script as it is given to sbatch.",
        )  # fmt: skip

"""What this machine has to train on, and how much of it is in use. Loads no torch."""

from __future__ import annotations

import os
import platform
import socket
from importlib import metadata

import psutil
import streamlit as st

from molfun.runs.disk import format_bytes
from molfun.runs.machine import Gpu, list_gpus
from molfun.runs.queue import read_queue
from molfun.ui import queue_panels, shell, text

PACKAGES = ("molfun", "torch", "transformers", "peft", "streamlit")


def draw_machine() -> None:
    """Draw cores, memory and GPUs, how many runs may be at work at once, and versions."""
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        _draw_cores()
    with right, st.container(border=True, height="stretch"):
        _draw_gpus(list_gpus(max_age_seconds=queue_panels.GPU_AGE_SECONDS))
    with st.container(width=260):
        queue_panels.draw_slots(read_queue(shell.home()))
    st.caption(" · ".join(versions()))
    st.caption(f"Data folder: {shell.plain(str(shell.home()))}")


def _draw_cores() -> None:
    memory = psutil.virtual_memory()
    used = memory.total - memory.available
    st.markdown(f"**{socket.gethostname()}** · {text.plural(usable_cores(), 'core')}")
    st.progress(used / memory.total, text=f"Memory: {format_bytes(used)} of {format_bytes(memory.total)} in use")


def _draw_gpus(gpus: list[Gpu]) -> None:
    if not gpus:
        st.markdown("**No GPU found**")
        st.caption("Runs train on the CPU. GPUs are those that `nvidia-smi` lists.")
    for gpu in gpus:
        st.markdown(f"**GPU {gpu.index}** · {shell.plain(gpu.name)}")
        share = min(1.0, gpu.used_bytes / gpu.total_bytes) if gpu.total_bytes else 0.0
        st.progress(share, text=f"Memory: {format_bytes(gpu.used_bytes)} of {format_bytes(gpu.total_bytes)} in use")


def usable_cores() -> int:
    """Return the cores that this process may use: a container or a job may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> list[str]:
    """Return the versions that matter for a result, read without loading the packages."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} from its folder" if name == "molfun" else f"{name} is not installed")
    return found

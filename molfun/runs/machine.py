"""What this machine has to train on: GPUs as its driver lists them, cores, memory. Loads no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass

GPU_FIELDS = ("index", "name", "memory.total", "memory.used")
TIMEOUT_SECONDS = 10.0
# Another program holds a GPU of which more than this share of the memory is in use.
BUSY_SHARE = 0.2


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: Its number, as CUDA_VISIBLE_DEVICES takes it.
        name: Its model.
        total_bytes: Its memory.
        used_bytes: How much of it is in use, by anyone.
    """

    index: int
    name: str
    total_bytes: int
    used_bytes: int

    @property
    def is_busy(self) -> bool:
        """True where something uses it already."""
        return self.used_bytes > BUSY_SHARE * self.total_bytes


# When which driver was asked, and what it said.
_known: tuple[float, str | None, list[Gpu]] = (float("-inf"), None, [])


def list_gpus(*, max_age_seconds: float = 2.0) -> list[Gpu]:
    """Return the GPUs that this process may use, none where there is no driver.

    Args:
        max_age_seconds: An answer that is not older than this serves again.
    """
    global _known
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    asked, asked_whom, found = _known
    if asked_whom != command or time.monotonic() - asked > max_age_seconds:
        found = _ask_driver(command)
        _known = (time.monotonic(), command, found)
    return _visible(found)


def _ask_driver(command: str) -> list[Gpu]:
    arguments = [command, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for line in done.stdout.splitlines() if (gpu := parse_gpu(line)) is not None]


def parse_gpu(line: str) -> Gpu | None:
    """Return the GPU on one line of `nvidia-smi --query-gpu` (comma separated, memory in MiB), None if it is none."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(GPU_FIELDS) or not cells[0].isdigit():
        return None
    # Cards that share their memory with the system report [N/A].
    total, used = (int(cell) << 20 if cell.isdigit() else 0 for cell in cells[2:])
    return Gpu(int(cells[0]), cells[1], total, used)


def _visible(gpus: list[Gpu]) -> list[Gpu]:
    """Keep those that CUDA_VISIBLE_DEVICES names by number, in its order; all where it is not set."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return gpus
    by_number = {str(gpu.index): gpu for gpu in gpus}
    return [by_number[name] for name in (part.strip() for part in named.split(",")) if name in by_number]

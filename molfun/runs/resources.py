"""What the process of a run takes of its machine, sampled while it trains. Loads no torch; asks it if it is there."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import psutil

SECONDS_BETWEEN_SAMPLES = 2.0
GIGABYTE = 1e9


class Resources:
    """Samples this process.

    Names and units: `sys/cores` (processor cores kept busy), `sys/memory` (resident, GB), and with a GPU
    `sys/gpu_memory` (held by torch on this process's GPU, GB) and `sys/gpu_share` (of the time, 0 to 1, by anyone).
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call measures nothing, the next ones what came since
        self._sampled = time.monotonic()

    def sample(self) -> dict[str, float]:
        """Return a new sample, empty where the last one is younger than two seconds."""
        if time.monotonic() - self._sampled < SECONDS_BETWEEN_SAMPLES:
            return {}
        self._sampled = time.monotonic()
        memory = self._process.memory_info().rss / GIGABYTE
        return {"sys/cores": self._process.cpu_percent() / 100, "sys/memory": memory, **_gpu()}


def _gpu() -> dict[str, float]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found = {"sys/gpu_memory": torch.cuda.memory_reserved() / GIGABYTE}
    with suppress(Exception):  # the driver's Python binding is not everywhere
        found["sys/gpu_share"] = torch.cuda.utilization() / 100
    return found

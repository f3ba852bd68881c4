"""What the process of a run takes of its machine."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest

from molfun.runs import resources
from molfun.runs.resources import GIGABYTE, Resources


def test_samples_are_two_seconds_apart() -> None:
    assert Resources().sample() == {}


def test_a_busy_core_and_held_memory_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "SECONDS_BETWEEN_SAMPLES", 0.5)
    sampler = Resources()
    before = psutil.Process().memory_info().rss
    held = np.ones(50_000_000)
    until = time.monotonic() + 0.6
    busy = time.process_time()
    while time.monotonic() < until:
        held[:1000] += 1
    busy = time.process_time() - busy
    found = sampler.sample()
    assert set(found) == {"sys/cores", "sys/memory"}  # no GPU is in use by this process
    assert 0.3 * busy / 0.6 < found["sys/cores"]
    assert found["sys/memory"] >= (before + 0.9 * held.nbytes) / GIGABYTE
    assert sampler.sample() == {}

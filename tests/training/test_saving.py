"""The thread that writes checkpoints: what it does when the disk refuses, on a real folder that becomes read-only."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch

from molfun.errors import RunError
from molfun.training.saving import CheckpointWriter
from molfun.training.snapshot import Snapshot


class Gate(dict):
    """Tensors that can be read once the gate is open; the first readers find a disk error instead."""

    def __init__(self, num_errors: int) -> None:
        super().__init__(w=torch.zeros(1))
        self.open, self.num_errors = threading.Event(), num_errors

    def items(self):
        assert self.open.wait(10)
        if self.num_errors:
            self.num_errors -= 1
            raise OSError(28, "No space left on device")
        return super().items()


def snapshot(step: int, num_errors: int = 0, *, is_open: bool = True) -> Snapshot:
    raw = Gate(num_errors)
    if is_open:
        raw.open.set()
    return Snapshot(raw, {}, {}, None, {"step": step}, {"step": step, "epoch": 1})


def step_of(folder: Path) -> int:
    return int(json.loads((folder / "manifest.json").read_text())["step"])


def test_a_retry_never_replaces_what_is_newer(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path)
    first = snapshot(1, num_errors=1, is_open=False)
    writer.put(first, [("last", "raw"), ("best", "raw")])
    writer.put(snapshot(2), [("last", "raw")])  # waits behind the first, which fails for its first name
    first.raw.open.set()
    saves = writer.close()
    assert saves[0].problem == "no space left on device"
    assert step_of(tmp_path / "last") == 2
    assert writer.last_good == "last (step 2)"
    writer.put(snapshot(3), [("best", "raw")])
    writer.close()
    assert (step_of(tmp_path / "last"), step_of(tmp_path / "best")) == (2, 3)


def test_of_two_failures_the_newer_state_is_tried_again(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path)
    writer.put(snapshot(1, num_errors=1), [("last", "raw")])
    while not writer.poll():
        pass
    writer.put(snapshot(2, num_errors=1), [("last", "raw")])
    while not writer.poll():
        pass
    writer.close()
    assert step_of(tmp_path / "last") == 2


def test_a_last_state_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path)
    writer.put(snapshot(1), [("last", "raw")])
    writer.put(snapshot(2, num_errors=9), [("last", "raw")])
    with pytest.raises(RunError, match=r"no space left on device\. Free some room and resume the run"):
        writer.close()
    assert not list(tmp_path.glob(".*"))

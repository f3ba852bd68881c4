"""The thread that writes checkpoints: what it does when the disk refuses, on a real folder that becomes read-only."""

from __future__ import annotations

import json
import threading
import time
import weakref
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
        self.entered, self.open, self.num_errors = threading.Event(), threading.Event(), num_errors

    def items(self):
        self.entered.set()
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
    assert first.raw.entered.wait(10)
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


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    """The disk takes its time over step 1; states handed over meanwhile wait, and the newest of them is written."""
    writer = CheckpointWriter(tmp_path)
    slow = snapshot(1, is_open=False)
    writer.put(slow, [("last", "raw")])
    assert slow.raw.entered.wait(10)
    for step in (2, 3, 4):
        writer.put(snapshot(step), [("last", "raw")])  # returns although nothing is on disk yet
    assert writer.poll() == []
    assert not (tmp_path / "last").exists()
    slow.raw.open.set()
    assert [saved.step for saved in writer.close()] == [1, 4]
    assert (step_of(tmp_path / "previous"), step_of(tmp_path / "last")) == (1, 4)


def test_a_writer_that_waits_holds_no_copy_in_memory(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path)
    taken = snapshot(1)
    copy = weakref.ref(taken)
    writer.put(taken, [("last", "raw")])
    del taken
    deadline = time.monotonic() + 10
    while copy() is not None:
        assert time.monotonic() < deadline, "the copy lives on"
        time.sleep(0.01)
    writer.close()

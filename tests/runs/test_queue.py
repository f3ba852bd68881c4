"""The queue of one machine: order, slots, GPUs, urgent runs, and holders that are dead."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from molfun.errors import RunError
from molfun.runs import queue as runs_queue
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.machine import Gpu, list_gpus, parse_gpu
from molfun.runs.process import identity_of
from molfun.runs.queue import (
    Holder,
    Queue,
    Ticket,
    changing,
    hurry,
    leave,
    move,
    next_up,
    queue_path,
    read_queue,
    set_slots,
    ticket_for,
    why_waiting,
)
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore

Sleeper = Callable[[], "subprocess.Popen[bytes]"]
GIB = 1 << 30
TWO_GPUS = [Gpu(0, "A100", 40 * GIB, 0), Gpu(1, "A100", 40 * GIB, 0)]


def holder(run_id: str, process: subprocess.Popen[bytes], *gpus: int) -> Holder:
    return Holder(run_id, list(gpus), identity_of(process.pid))


def fill(home: Path, *waiting: Ticket, holding: tuple[Holder, ...] = ()) -> None:
    with changing(home) as queue:
        queue.waiting, queue.holding = list(waiting), list(holding)


def test_the_first_starts_and_the_second_waits(sleeper: Sleeper) -> None:
    waiting = [Ticket("a"), Ticket("b")]
    assert next_up(Queue(waiting), []) == (Ticket("a"), [])
    full = Queue(waiting[1:], [holder("a", sleeper())])
    assert next_up(full, []) is None
    assert why_waiting(full, "b", []) == "Next; 1 of 1 slot is in use."


def test_a_run_that_needs_two_gpus_is_not_overtaken(sleeper: Sleeper) -> None:
    held = [holder("x", sleeper(), 0)]
    queue = Queue([Ticket("two", 2), Ticket("one", 1)], held)
    assert next_up(queue, TWO_GPUS) is None
    assert why_waiting(queue, "two", TWO_GPUS) == "Next; it needs 2 GPUs, 1 free."
    alone = Queue(waiting=[Ticket("one", num_gpus=1)], num_slots=4)
    assert why_waiting(alone, "one", [replace(gpu, used_bytes=gpu.total_bytes) for gpu in TWO_GPUS]) == (
        "Next; it needs 1 GPU, 0 free."
    )
    assert why_waiting(queue, "one", TWO_GPUS) == "1 run waits before it."
    assert next_up(Queue([Ticket("one", 1)], held), TWO_GPUS) == (Ticket("one", 1), [1])


def test_a_picked_gpu_is_waited_for(sleeper: Sleeper) -> None:
    queue = Queue([Ticket("a", 1, [0])], [holder("x", sleeper(), 0)])
    assert next_up(queue, TWO_GPUS) is None
    assert why_waiting(queue, "a", TWO_GPUS) == "Next; GPU 0 is in use."


def test_a_gpu_that_another_program_uses_is_not_free() -> None:
    gpus = [Gpu(0, "A100", 40 * GIB, 30 * GIB), Gpu(1, "A100", 40 * GIB, GIB)]
    assert next_up(Queue([Ticket("a", 1)]), gpus) == (Ticket("a", 1), [1])


def test_an_urgent_run_starts_past_full_slots(sleeper: Sleeper) -> None:
    urgent = Ticket("b", is_urgent=True)
    queue = Queue([Ticket("a"), urgent], [holder("x", sleeper())])
    assert next_up(queue, []) == (urgent, [])


def test_a_killed_holder_holds_nothing(home: Path, sleeper: Sleeper) -> None:
    process = sleeper()
    fill(home, Ticket("b"), holding=(holder("a", process),))
    assert [one.id for one in read_queue(home).holding] == ["a"]
    process.kill()
    process.wait()
    assert read_queue(home).holding == []


def test_a_recycled_pid_holds_nothing(home: Path, sleeper: Sleeper) -> None:
    identity = identity_of(sleeper().pid) | {"start_ticks": 1}
    fill(home, holding=(Holder("a", [], identity),))
    assert read_queue(home).holding == []


def test_order_can_be_changed(home: Path) -> None:
    fill(home, *(Ticket(name) for name in "abc"))
    move(home, "c", 0)
    move(home, "a", 99)
    hurry(home, "b")
    assert [ticket.id for ticket in read_queue(home).waiting] == ["c", "b", "a"]
    assert [ticket.is_urgent for ticket in read_queue(home).waiting] == [False, True, False]
    assert leave(home, "b")
    assert not leave(home, "b")
    with pytest.raises(RunError, match="The run b does not wait in the queue"):
        move(home, "b", 0)


def test_changes_of_many_at_once_are_all_kept(home: Path) -> None:
    def join(name: str) -> None:
        with changing(home) as queue:
            queue.waiting.append(Ticket(name))

    names = [f"r{i}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(join, names))
    assert sorted(ticket.id for ticket in read_queue(home).waiting) == sorted(names)


@pytest.mark.parametrize("slots", [0, 65, -1])
def test_slots_are_bounded(home: Path, slots: int) -> None:
    with pytest.raises(RunError, match="expected a number from 1 to 64"):
        set_slots(home, slots)


def test_a_damaged_file_is_an_empty_queue(home: Path) -> None:
    queue_path(home).parent.mkdir()
    queue_path(home).write_text(
        '{"waiting": [3, {"id": 4}, {"id": "a", "picked": "x"}], "holding": {}, "num_slots": "2"}'
    )
    assert read_queue(home) == Queue([Ticket("a")])


def test_gpus_are_read_as_the_driver_prints_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of nvidia-smi that prints what one prints."""
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho '0, NVIDIA A100-SXM4-40GB, 40960, 3'\necho '1, NVIDIA GB10, [N/A], [N/A]'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert list_gpus(max_age_seconds=0) == [
        Gpu(0, "NVIDIA A100-SXM4-40GB", 40960 << 20, 3 << 20),
        Gpu(1, "NVIDIA GB10", 0, 0),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.index for gpu in list_gpus(max_age_seconds=0)] == [1]
    assert ticket_for("a", device="auto", num_processes=1, picked=[1]) == Ticket("a", 1, [1])
    with pytest.raises(RunError, match=r"GPU 0 does not exist here; this machine has GPU 1\. Choose among these"):
        ticket_for("a", device="auto", num_processes=1, picked=[0])
    with pytest.raises(RunError, match="wants 2 GPUs, one a process, but this machine has GPU 1"):
        ticket_for("a", device="cuda", num_processes=2, picked=None)
    assert ticket_for("a", device="cpu", num_processes=2, picked=None) == Ticket("a")
    monkeypatch.setattr(runs_queue, "list_gpus", list)
    assert ticket_for("a", device="auto", num_processes=2, picked=None) == Ticket("a")


@pytest.mark.parametrize("line", ["", "No devices were found", "x, A100, 1, 1", "1, A100, 1"])
def test_what_is_no_gpu_is_left_out(line: str) -> None:
    assert parse_gpu(line) is None


@pytest.fixture
def busy(home: Path, sleeper: Sleeper) -> Callable[[], None]:
    """Fill the only slot; what it returns frees it again."""
    process = sleeper()
    fill(home, holding=(holder("other", process),))
    return process.kill


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_run_waits_for_its_slot_and_starts_without_anybody_looking(
    home: Path, folder: RunFolder, busy: Callable[[], None]
) -> None:
    """The run fails at once for want of its dataset: it was started."""
    LocalLauncher().start(folder)
    assert run_status(folder).status == "queued"
    with pytest.raises(RunError, match="waits in the queue already; cancel it first"):
        LocalLauncher().start(folder)
    assert read_queue(home).has_dispatcher
    busy()
    wait_until(lambda: folder.read_state()["status"] == "failed")
    wait_until(lambda: not read_queue(home).has_dispatcher)  # nothing waits, so nothing needs to look


def test_a_run_that_waits_is_cancelled(home: Path, folder: RunFolder, busy: Callable[[], None]) -> None:
    LocalLauncher().start(folder)
    LocalLauncher().stop(folder)
    status = run_status(folder)
    assert (status.status, status.cause) == ("stopped", "Cancelled before its turn came; nothing was trained.")
    assert read_queue(home).waiting == []


def test_a_run_that_is_cancelled_before_it_goes_on_keeps_what_it_trained(
    home: Path, folder: RunFolder, busy: Callable[[], None]
) -> None:
    folder.write_state(status="stopped", attempt=1, step=4)
    (folder.checkpoints / "last").mkdir()
    (folder.checkpoints / "last" / "manifest.json").write_text('{"step": 4, "epoch": 1}')
    LocalLauncher().start(folder)
    LocalLauncher().stop(folder)
    assert run_status(folder).cause == "Cancelled while it waited to go on; its last checkpoint is kept."


def test_a_run_that_was_deleted_while_it_waited_holds_nobody_up(home: Path, folder: RunFolder) -> None:
    second = RunStore(home).create(RunSpec(name="second", data=DataSource(dataset="d-1")), run_id="second")
    fill(home, Ticket("gone"))
    LocalLauncher().start(second)
    assert run_status(second).status == "starting"
    LocalLauncher().stop(second, how="now")


def test_a_start_that_was_cut_off_is_lost_and_not_queued_for_ever(folder: RunFolder) -> None:
    folder.write_launch(launcher="local")
    folder.write_state(status="queued", attempt=1, launched=time.time() - 31)
    status = run_status(folder)
    assert (status.status, status.cause) == (
        "lost",
        "Its start was cut off before it reached the queue; resume the run.",
    )

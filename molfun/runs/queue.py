"""The queue of this machine: runs wait in order until a slot is free. One small file a host, changed under a lock.

Who holds a slot is told by the identity of the run's supervisor, so that one that was killed holds none. Starting
what is next is `dispatcher`'s.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from molfun.errors import RunError
from molfun.runs.files import locked, read_json, write_json
from molfun.runs.machine import Gpu, list_gpus
from molfun.runs.process import find_process


@dataclass(frozen=True)
class Ticket:
    """A run that waits.

    Attributes:
        id: The run.
        num_gpus: GPUs that it needs; 0 trains on the CPU.
        picked: Numbers of the GPUs that it must have; None takes any.
        is_urgent: Whether it starts at once, whatever else is at work.
    """

    id: str
    num_gpus: int = 0
    picked: list[int] | None = None
    is_urgent: bool = False


@dataclass(frozen=True)
class Holder:
    """A run that was started and holds GPUs and one slot for as long as its process lives."""

    id: str
    gpus: list[int]
    process: dict[str, Any]


@dataclass
class Queue:
    """Everything in the queue's file.

    Attributes:
        waiting: In order.
        holding: Runs that were started; only those that are alive.
        num_slots: Runs at once; None is one a GPU, or one.
        dispatcher: Identity of the process that starts what is next; empty where there is none.
    """

    waiting: list[Ticket] = field(default_factory=list)
    holding: list[Holder] = field(default_factory=list)
    num_slots: int | None = None
    dispatcher: dict[str, Any] = field(default_factory=dict)

    @property
    def has_dispatcher(self) -> bool:
        """True while a process looks after those that wait."""
        return find_process(self.dispatcher) is not None

    def position(self, run_id: str) -> int | None:
        """Return how many runs wait before one; None where it does not wait."""
        return next((i for i, ticket in enumerate(self.waiting) if ticket.id == run_id), None)


def queue_path(home: Path, host: str | None = None) -> Path:
    """Return the file of a host's queue, this one's by default."""
    return home / "queue" / f"{host or socket.gethostname()}.json"


def read_queue(home: Path, host: str | None = None) -> Queue:
    """Return a queue as it is now; those that ended hold nothing."""
    return _parse(read_json(queue_path(home, host)))


@contextmanager
def changing(home: Path) -> Iterator[Queue]:
    """Give this host's queue to change; what was changed is written at the end, in one step among all processes."""
    path = queue_path(home)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(path.with_suffix(".lock")):
        queue = _parse(read_json(path))
        yield queue
        write_json(path, asdict(queue))


def _parse(values: dict[str, Any]) -> Queue:
    """Read the file; what is damaged in it, or no longer alive, is left out."""
    slots = values.get("num_slots")
    dispatcher = values.get("dispatcher")
    holders = [holder for row in _rows(values, "holding") if (holder := _holder(row)) is not None]
    return Queue(
        waiting=[found for row in _rows(values, "waiting") if (found := _ticket(row)) is not None],
        holding=[one for one in holders if find_process(one.process) is not None],
        num_slots=slots if isinstance(slots, int) and slots > 0 else None,
        dispatcher=dispatcher if isinstance(dispatcher, dict) else {},
    )


def _rows(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = values.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _ticket(row: dict[str, Any]) -> Ticket | None:
    picked, num_gpus = row.get("picked"), row.get("num_gpus")
    if not isinstance(row.get("id"), str):
        return None
    return Ticket(
        row["id"],
        num_gpus if isinstance(num_gpus, int) else 0,
        [gpu for gpu in picked if isinstance(gpu, int)] if isinstance(picked, list) else None,
        row.get("is_urgent") is True,
    )


def _holder(row: dict[str, Any]) -> Holder | None:
    gpus, process = row.get("gpus"), row.get("process")
    if not (isinstance(row.get("id"), str) and isinstance(gpus, list) and isinstance(process, dict)):
        return None
    return Holder(row["id"], [gpu for gpu in gpus if isinstance(gpu, int)], process)


def num_slots(queue: Queue, gpus: Sequence[Gpu]) -> int:
    """Return how many runs may be at work at once."""
    return queue.num_slots or max(1, len(gpus))


def next_up(queue: Queue, gpus: Sequence[Gpu]) -> tuple[Ticket, list[int]] | None:
    """Return the run to start now and the GPUs that it gets, or None where none can be.

    Strictly in order: a run that needs two GPUs is not overtaken for ever by those that need one. Urgent ones go first.
    """
    urgent = next((ticket for ticket in queue.waiting if ticket.is_urgent), None)
    if urgent is not None:
        return urgent, _choose(urgent, [gpu.index for gpu in gpus]) or []
    if not queue.waiting or len(queue.holding) >= num_slots(queue, gpus):
        return None
    first = queue.waiting[0]
    chosen = _choose(first, free_gpus(queue, gpus))
    return None if chosen is None else (first, chosen)


def free_gpus(queue: Queue, gpus: Sequence[Gpu]) -> list[int]:
    """Return the GPUs that no run holds and no other program uses."""
    held = {gpu for holder in queue.holding for gpu in holder.gpus}
    return [gpu.index for gpu in gpus if gpu.index not in held and not gpu.is_busy]


def _choose(ticket: Ticket, free: Sequence[int]) -> list[int] | None:
    """Return the GPUs for a run, None where they are not free."""
    if ticket.picked is not None:
        return list(ticket.picked) if set(ticket.picked) <= set(free) else None
    return list(free[: ticket.num_gpus]) if len(free) >= ticket.num_gpus else None


def why_waiting(queue: Queue, run_id: str, gpus: Sequence[Gpu]) -> str:
    """Return what a run waits for, in words; empty where it does not wait."""
    position = queue.position(run_id)
    if position is None:
        return ""
    if position:
        return f"{position} {'run waits' if position == 1 else 'runs wait'} before it."
    slots = num_slots(queue, gpus)
    if len(queue.holding) >= slots:
        return f"Next; {len(queue.holding)} of {slots} {'slot is' if slots == 1 else 'slots are'} in use."
    wanted, free = queue.waiting[0], free_gpus(queue, gpus)
    if wanted.picked is not None:
        missing = [str(gpu) for gpu in wanted.picked if gpu not in free]
        return f"Next; GPU {', '.join(missing)} is in use." if missing else "Next."
    if len(free) < wanted.num_gpus:
        needs = f"{wanted.num_gpus} {'GPU' if wanted.num_gpus == 1 else 'GPUs'}"
        return f"Next; it needs {needs}, {len(free)} free."
    return "Next."


def leave(home: Path, run_id: str) -> bool:
    """Take a run out of the queue; return whether it was in it."""
    with changing(home) as queue:
        waited = queue.position(run_id) is not None
        queue.waiting = [ticket for ticket in queue.waiting if ticket.id != run_id]
    return waited


def move(home: Path, run_id: str, position: int) -> None:
    """Put a run that waits at another place, 0 for the next one.

    Raises:
        RunError: It does not wait.
    """

    def place(queue: Queue, ticket: Ticket) -> None:
        queue.waiting.remove(ticket)
        queue.waiting.insert(max(0, position), ticket)

    _with_ticket(home, run_id, place)


def hurry(home: Path, run_id: str) -> None:
    """Let a run that waits start at once, whatever else is at work.

    Raises:
        RunError: It does not wait.
    """

    def mark(queue: Queue, ticket: Ticket) -> None:
        urgent = Ticket(ticket.id, ticket.num_gpus, ticket.picked, is_urgent=True)
        queue.waiting[queue.waiting.index(ticket)] = urgent

    _with_ticket(home, run_id, mark)


def _with_ticket(home: Path, run_id: str, change: Callable[[Queue, Ticket], None]) -> None:
    with changing(home) as queue:
        position = queue.position(run_id)
        if position is None:
            raise RunError(f"The run {run_id} does not wait in the queue of this machine; `molfun queue` lists it.")
        change(queue, queue.waiting[position])


def set_slots(home: Path, slots: int | None) -> None:
    """Set how many runs may be at work at once on this machine; None is one a GPU, or one.

    Raises:
        RunError: The number is below 1 or above 64.
    """
    if slots is not None and not 1 <= slots <= 64:
        raise RunError(f"{slots} runs at once are not possible; expected a number from 1 to 64.")
    with changing(home) as queue:
        queue.num_slots = slots


def ticket_for(run_id: str, *, device: str, num_processes: int, picked: list[int] | None) -> Ticket:
    """Return what a run waits for on this machine.

    Raises:
        RunError: This machine will never have it.
    """
    gpus = list_gpus()
    known = [gpu.index for gpu in gpus]
    if picked is not None and not set(picked) <= set(known):
        raise RunError(
            f"GPU {', '.join(map(str, sorted(set(picked) - set(known))))} does not exist here; this machine has "
            f"{_in_words(known)}. Choose among these, or leave launch.gpus on auto."
        )
    if device == "cpu" or (device == "auto" and not known):
        return Ticket(run_id)
    if num_processes > len(known):
        raise RunError(
            f"The run wants {num_processes} {'GPU' if num_processes == 1 else 'GPUs'}, one a process, but this machine "
            f"has {_in_words(known)}. Lower training.num_processes, or set training.device to cpu."
        )
    return Ticket(run_id, num_processes, picked)


def _in_words(gpus: Sequence[int]) -> str:
    return f"GPU {', '.join(map(str, gpus))}" if gpus else "none"

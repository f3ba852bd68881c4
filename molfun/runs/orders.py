"""What a process that was started ahead of its run is told, and how it then takes the place of one started for it.

An order is one line of JSON on standard input. No line, only its end, means that nobody wants the process any more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

GPUS = "CUDA_VISIBLE_DEVICES"
ANSWER = b"taken\n"


class Order(NamedTuple):
    """The run that a waiting process becomes.

    Attributes:
        run_dir: Its folder, absolute.
        log: File to which the output is appended.
        changes: Environment variables that differ from those which the process was started with.
    """

    run_dir: str
    log: str
    changes: dict[str, str]


def send_order(stream: IO[bytes], order: Order) -> None:
    """Write an order and close the stream.

    Raises:
        OSError: The process is gone.
    """
    with stream:
        stream.write(json.dumps(order._asdict()).encode() + b"\n")


def read_order() -> Order | None:
    """Wait for the order on standard input; None where that was closed without one."""
    line = sys.stdin.buffer.readline()
    return Order(**json.loads(line)) if line.endswith(b"\n") else None


def take_place(order: Order) -> None:
    """Give this process the folder, environment, arguments and output of one that was started for the run.

    Raises:
        OSError: The run folder is gone, or its log cannot be opened.
    """
    os.chdir(order.run_dir)
    os.environ.update(order.changes)
    # `python -m` puts the folder that it is started in first.
    sys.path[0] = order.run_dir
    sys.argv[1:] = [order.run_dir]
    sys.stdout.flush()
    sys.stderr.flush()
    _replace(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(log, 1)
    _replace(log, 2)


def _replace(source: int, target: int) -> None:
    os.dup2(source, target)
    os.close(source)


def are_alike(wanted: Mapping[str, str], known: Mapping[str, str], *, besides: frozenset[str]) -> bool:
    """Tell whether two environments differ in nothing but the values of variables that may differ.

    Libraries read theirs when they are loaded, so one that was loaded under another environment is another one.
    """
    lost = known.keys() - wanted.keys()
    return not lost and all(known.get(name) == value for name, value in wanted.items() if name not in besides)


def has_met_gpus() -> bool:
    """Tell whether this process has loaded the driver of its GPUs, which reads once which of them it may see."""
    try:
        return "libcuda.so" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True

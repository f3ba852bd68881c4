"""The process that watches a run: `python -m molfun.runs.supervisor RUN_DIR`. Every run has one, in its own session.

It starts the processes, hands signals on, ends a run that hangs, waits for all of them, and says how it ended: none of
them can know that alone. Never loads torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from molfun.errors import MolfunError
from molfun.runs import control
from molfun.runs.attempts import begin_again
from molfun.runs.endings import (
    DISK_FULL,
    ENDED_AT_ONCE,
    INTERRUPTED,
    find_cause,
    hung,
    read_end,
    read_exit_codes,
    read_failures,
)
from molfun.runs.folder import RunFolder
from molfun.runs.process import adopt_orphans, end_descendants, find_process, identity_of, num_memory_kills
from molfun.runs.secrets import guard_streams
from molfun.runs.senders import start_senders, wait_for_senders
from molfun.runs.starters import Starter, choose_starter
from molfun.runs.status import REMOTE

logger = logging.getLogger("molfun.supervisor")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
LOOK_SECONDS = 0.5
# What processes that hang get to end by themselves, until they are killed.
TERM_SECONDS = 10.0
# Less room than this, and not even the words of a process that ran out of it could be written down.
FULL_BYTES = 1 << 16


class Supervisor:
    """One attempt at a run, from the start of its processes to their end.

    Args:
        folder: The run folder.
        starter: Starts its processes.

    Raises:
        SettingError: The run has no readable spec.
    """

    def __init__(self, folder: RunFolder, starter: Starter) -> None:
        self.folder, self.starter = folder, starter
        self.hang_seconds = 60.0 * folder.spec.launch.hang_minutes
        self.num_signals = 0
        self.is_hung = False
        self._child: subprocess.Popen[bytes] | None = None
        self._senders: dict[int, subprocess.Popen[bytes]] = {}
        self._memory_kills = num_memory_kills()

    def run(self) -> int:
        """Start the processes, wait for all of them and note how the run ended; return the exit code."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        adopt_orphans()
        shutil.rmtree(self.folder.notes, ignore_errors=True)
        self.folder.notes.mkdir()
        self._child = self.starter.start()
        if self.num_signals:
            self._child.terminate()
        self._senders = {sender.pid: sender for sender in start_senders(self.folder)}
        self._wait(self._child)
        end_descendants(wait_seconds=0, spared=self._senders)
        code = self._conclude(self._child.returncode)
        if self.folder.read_launch().get("launcher") in REMOTE:
            wait_for_senders(self._senders.values())  # a cluster ends everything when its job ends
        return code

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        """Wait for the end of the processes; end them where they give no sign of life for too long."""
        last_sign, seen = None, time.monotonic()
        while True:
            try:
                child.wait(timeout=LOOK_SECONDS)
                return
            except subprocess.TimeoutExpired:
                pass
            sign = self.folder.read_state().get("heartbeat")
            if sign != last_sign:
                last_sign, seen = sign, time.monotonic()
            elif self.hang_seconds and time.monotonic() - seen > self.hang_seconds:
                logger.error("No sign of life for %.0f seconds; ending the processes.", self.hang_seconds)
                self.is_hung = True
                end_descendants(wait_seconds=TERM_SECONDS, spared=self._senders)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Hand a signal on; the processes save and end, a second one ends them at once."""
        self.num_signals += 1
        if self._child is not None:
            # Workers know no SIGHUP; it would end them without a word.
            wish = signal.SIGTERM if number == signal.SIGHUP else number
            self.starter.hand_on(self._child, wish, is_first=self.num_signals == 1)

    def _conclude(self, returncode: int) -> int:
        """Note how the run ended. Nobody else does, so an ended run has no process left."""
        end = self._end(returncode)
        was_asked = control.read(self.folder, "stop").get("by") == "user"
        if end["status"] == "stopped" and not was_asked:
            if self._comes_back():
                return 0
            end["cause"] = self.starter.why_not_back() or end["cause"]
        if end["cause"]:
            logger.info(end["cause"])
        # Before the end is known: from then on the run may be started again, and be asked again.
        control.clear(self.folder)
        self.folder.write_state(is_last=True, **end, ended=time.time(), paused=None)
        shutil.rmtree(self.folder.notes, ignore_errors=True)
        return 0 if end["status"] in ("finished", "stopped") else 1

    def _comes_back(self) -> bool:
        """Have an interrupted run started again; return whether it will be."""
        if not self.starter.is_interrupted():
            return False
        begin_again(self.folder)
        self.folder.write_state(cause=INTERRUPTED)
        logger.info(INTERRUPTED)
        self.starter.come_back()
        return True

    def _end(self, returncode: int) -> dict[str, Any]:
        """Return how the run ended, as the main process says, else as can be found out."""
        notes = self.folder.notes
        if self.is_hung:
            step = self.folder.read_state().get("step")
            return {"status": "failed", "cause": hung(self.hang_seconds, step)}
        if end := read_end(notes):
            return end
        failures = read_failures(notes)
        if self.num_signals and all(failure.is_secondary for failure in failures):
            return {"status": "stopped", "cause": ENDED_AT_ONCE}
        if not failures and shutil.disk_usage(self.folder.path).free < FULL_BYTES:
            return {"status": "failed", "cause": DISK_FULL}
        codes = read_exit_codes(notes) or self.starter.exit_codes(returncode)
        cause = find_cause(
            failures, codes, num_processes=self.starter.num_processes, returncode=returncode,
            out_of_memory=num_memory_kills() > self._memory_kills,
        )  # fmt: skip
        return {"status": "failed", "cause": cause}


def supervise(folder: RunFolder, make_starter: Callable[[RunFolder], Starter] = choose_starter) -> int:
    """Watch one attempt at a run.

    Args:
        folder: The run folder.
        make_starter: Gives what starts its processes.

    Returns:
        The exit code.
    """
    other = find_process(folder.read_state())
    if other is not None and other.pid != os.getpid():
        logger.error("The run is at work already (process %d).", other.pid)
        return 1
    if folder.read_state().get("status") not in ("queued", "starting"):
        begin_again(folder)
    now = time.time()
    folder.write_state(status="starting", cause="", started=now, heartbeat=now, ended=None, **identity_of(os.getpid()))
    try:
        return Supervisor(folder, make_starter(folder)).run()
    except (MolfunError, OSError) as error:
        logger.exception("The processes could not be started.")
        cause = str(error) if isinstance(error, MolfunError) else f"The processes could not be started: {error}."
        folder.write_state(is_last=True, status="failed", cause=cause, ended=time.time())
        return 1


def main() -> int:
    """Entry point; the log goes to standard output, which the launcher sends to the run folder."""
    parser = argparse.ArgumentParser(description="Watch one run.")
    parser.add_argument("run_dir", type=Path)
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    return supervise(RunFolder(parser.parse_args().run_dir.absolute()))


if __name__ == "__main__":
    sys.exit(main())

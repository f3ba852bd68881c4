"""The process that watches a run of several processes: `python -m molfun.runs.supervisor RUN_DIR`.

It starts torchrun, hands signals on, and says why the run failed: none of its processes can know that alone. Never
loads torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import psutil

from molfun.errors import MolfunError
from molfun.runs import control
from molfun.runs.endings import (
    ENDED_AT_ONCE,
    NOTES,
    PARENT,
    find_cause,
    read_end,
    read_exit_codes,
    read_failures,
)
from molfun.runs.process import identity_of, threads_per_process
from molfun.runs.store import RunFolder

logger = logging.getLogger("molfun.supervisor")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# After one process has failed: what the others get until they are killed.
SHUTDOWN_SECONDS = 5


class Supervisor:
    """One attempt at a run of several processes, from their start to their end.

    Args:
        folder: The run folder.

    Raises:
        SettingError: The run has no readable spec.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.num_processes = folder.spec.training.num_processes
        self.was_signalled = False
        self._torchrun: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Start the processes, wait for all of them and note how the run ended; return the exit code."""
        for number in SIGNALS:
            signal.signal(number, self._hand_on)
        with TemporaryDirectory(prefix="molfun-", ignore_cleanup_errors=True) as notes:
            logger.info("Starting %d processes.", self.num_processes)
            # A session of its own, so that a signal to this one's group reaches it through us only, once.
            self._torchrun = subprocess.Popen(
                self._command(notes), env=self._environment(notes), stdin=subprocess.DEVNULL, start_new_session=True
            )
            if self.was_signalled:
                self._torchrun.terminate()
            returncode = self._torchrun.wait()
            self._conclude(returncode, Path(notes))
        return 0 if self.folder.read_state().get("status") in ("finished", "stopped") else 1

    def _command(self, notes: str) -> list[str]:
        return [
            sys.executable, "-m", "molfun.runs.torchrun", "--standalone",
            "--nproc-per-node", str(self.num_processes),
            # A process that is started again inside the group often hangs; a resume starts a fresh group instead.
            "--max-restarts", "0",
            "--shutdown-timeout", str(SHUTDOWN_SECONDS),
            "--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
            "--log-dir", notes,
            "-m", "molfun.runs.rank", str(self.folder.path),
        ]  # fmt: skip

    def _environment(self, notes: str) -> dict[str, str]:
        return {
            # torchrun would say 1 and warn; the worker sets its threads by itself.
            "OMP_NUM_THREADS": str(threads_per_process(self.num_processes)),
            **os.environ,
            NOTES: notes,
            PARENT: str(os.getpid()),
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        }

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        """Send a signal to the processes, which save and end; a second one gives them only seconds.

        torchrun itself would give them only seconds at the first one.
        """
        ranks = self._ranks()
        if self._torchrun is not None and (self.was_signalled or not ranks):
            self._torchrun.terminate()
        for rank in [] if self.was_signalled else ranks:
            with suppress(psutil.Error):
                rank.send_signal(number)
        self.was_signalled = True

    def _ranks(self) -> list[psutil.Process]:
        try:
            ranks: list[psutil.Process] = psutil.Process(self._torchrun.pid).children() if self._torchrun else []
        except psutil.Error:
            return []
        return ranks

    def _conclude(self, returncode: int, notes: Path) -> None:
        """Note how the run ended. Nobody else does, so an ended run has no process left."""
        end = read_end(notes) or self._explain(returncode, notes)
        if end["cause"]:
            logger.info(end["cause"])
        # Before the end is known: from then on the run may be started again, and be asked again.
        control.clear(self.folder, "stop")
        self.folder.write_state(**end, ended=time.time())

    def _explain(self, returncode: int, notes: Path) -> dict[str, str]:
        """Return how a run ended whose main process did not come to its end."""
        failures = read_failures(notes)
        if self.was_signalled and all(failure.is_secondary for failure in failures):
            return {"status": "stopped", "cause": ENDED_AT_ONCE}
        codes = read_exit_codes(notes)
        cause = find_cause(failures, codes, num_processes=self.num_processes, returncode=returncode)
        return {"status": "failed", "cause": cause}


def supervise(folder: RunFolder) -> int:
    """Watch one attempt at the run in `folder`; return the exit code."""
    now = time.time()
    folder.write_state(status="starting", cause="", started=now, heartbeat=now, ended=None, **identity_of(os.getpid()))
    try:
        return Supervisor(folder).run()
    except (MolfunError, OSError) as error:
        logger.exception("The processes could not be started.")
        cause = str(error) if isinstance(error, MolfunError) else f"The processes could not be started: {error}."
        folder.write_state(status="failed", cause=cause, ended=time.time())
        return 1


def main() -> int:
    """Entry point; the log goes to standard output, which the launcher sends to the run folder."""
    parser = argparse.ArgumentParser(description="Train one run in several processes.")
    parser.add_argument("run_dir", type=Path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    return supervise(RunFolder(parser.parse_args().run_dir.absolute()))


if __name__ == "__main__":
    sys.exit(main())

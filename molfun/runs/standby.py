"""A supervisor that waits for its run, a worker loaded beside it: `python -m molfun.runs.standby`. Never loads torch.

It holds nothing of any run. When its order comes it answers with one line and goes on as a supervisor that was started
for that run; without one it ends when its standard input closes: with the app, even if that is killed.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from typing_extensions import override

from molfun.runs.endings import NOTES, PARENT
from molfun.runs.folder import RunFolder
from molfun.runs.orders import ANSWER, GPUS, Order, are_alike, read_order, send_order, take_place
from molfun.runs.rank import WAIT
from molfun.runs.secrets import guard_streams
from molfun.runs.starters import PythonStarter, shared_environment
from molfun.runs.supervisor import supervise

OF_THE_RUN = frozenset({NOTES, PARENT, GPUS})


class WaitingWorker:
    """A worker that has loaded what every run needs and waits for its run; it ends with this process."""

    def __init__(self) -> None:
        self.environment = {**shared_environment(num_processes=1), PARENT: str(os.getpid())}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "molfun.runs.rank", WAIT], env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def become(self, folder: RunFolder, environment: dict[str, str]) -> bool:
        """Let it work on a run; return False, and end it, where a fresh process has to.

        Args:
            folder: The run.
            environment: What a fresh process would be started with.
        """
        assert self.process.stdin is not None
        if self.process.poll() is None and are_alike(environment, self.environment, besides=OF_THE_RUN):
            changes = {name: environment[name] for name in OF_THE_RUN & environment.keys()}
            with suppress(OSError):
                send_order(self.process.stdin, Order(str(folder.path), str(folder.log_path), changes))
                return True
        self.process.kill()
        self.process.wait()
        return False


class StandbyStarter(PythonStarter):
    """One process, which waits already.

    Args:
        folder: The run folder.
        worker: The process.
    """

    def __init__(self, folder: RunFolder, worker: WaitingWorker) -> None:
        super().__init__(folder)
        self.worker = worker

    @override
    def start(self) -> subprocess.Popen[bytes]:
        return self.worker.process if self.worker.become(self.folder, self.environment()) else super().start()


def main() -> int:
    """Entry point."""
    worker = WaitingWorker()
    order = read_order()
    if order is None:
        worker.process.kill()
        return 0
    # Whoever gets no answer ends this process and starts another, so nothing of the run is touched before.
    os.write(1, ANSWER)
    take_place(order)
    guard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    return supervise(RunFolder(Path(order.run_dir)), lambda folder: StandbyStarter(folder, worker))


if __name__ == "__main__":
    sys.exit(main())

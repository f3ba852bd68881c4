"""The app on a free port with a data folder of its own, to be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from molfun.runs.process import find_process
from molfun.runs.store import RunStore

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0
OWN = (sys.executable, "-m", "molfun.cli")


class Server:
    """The app as a process that a test may kill and start again.

    Args:
        home: Its MOLFUN_HOME.
        molfun: Command of the Molfun to start.
        folder: Where the command is given; its modules are found before those that are installed.
    """

    def __init__(self, home: Path, *, molfun: Sequence[str] = OWN, folder: Path = ROOT) -> None:
        self.home = home
        self.molfun, self.folder = molfun, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the home page, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the app and wait until it answers."""
        command = [*self.molfun, "app", "--port", str(self.port)]
        env = {**os.environ, "MOLFUN_HOME": str(self.home), "PYTHONPATH": str(self.folder)}
        with (self.home / "app.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
            assert self.process.poll() is None, (self.home / "app.log").read_text()
            time.sleep(0.2)
        raise AssertionError(f"The app did not answer within {START_SECONDS:.0f} s.")

    def kill(self) -> None:
        """End the app as a crash would: SIGKILL, no goodbye."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def end_runs(self) -> None:
        """End the runs that a test left at work: they outlive the app on purpose."""
        for folder in RunStore(self.home).list():
            process = find_process(folder.read_state())
            if process is not None:
                process.kill()

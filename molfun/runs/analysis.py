"""Questions that need torch, asked of a warm process of its own: this process never loads torch.

`molfun.training.preview` answers; here are the client, and the cache of what was answered.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import queue
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

from molfun.data.dataset import load_dataset
from molfun.errors import ModelError, RunError
from molfun.runs.detached import worker_environment
from molfun.runs.files import read_json, write_json

COMMAND = (sys.executable, "-m", "molfun.training.preview", "--serve")
FORMAT = 3  # part of every cache key; raise it when answers change their form


class AnalysisProcess:
    """A process that answers one question at a time, one JSON object a line; started when first asked.

    It ends when its standard input closes, so it never outlives the app, even if that is killed.

    Args:
        command: What to run; tests give their own.
    """

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self.command = command
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def ask(self, request: Mapping[str, Any], timeout: float = 60.0) -> dict[str, Any]:
        """Return the answer to `request`; a process that died is started again, once.

        Args:
            request: What JSON can hold.
            timeout: Seconds to wait, the start of the process included.

        Raises:
            RunError: No answer came in time, or the process ends whenever it is asked.
        """
        line = json.dumps(request)
        with self._lock:
            for _ in range(2):
                answer = self._ask_once(line, timeout)
                if answer is not None:
                    return answer
        raise RunError("The analysis process ends whenever it is asked; the app's log says why.")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask_once(self, line: str, timeout: float) -> dict[str, Any] | None:
        """Return the answer, or None where the process is dead."""
        process = self._running()
        try:
            assert process.stdin is not None
            process.stdin.write(line + "\n")
            process.stdin.flush()
            text = self._answers.get(timeout=timeout)
        except OSError:
            text = ""
        except queue.Empty:
            # Its late answer would be taken for the next one's, so the process goes.
            self._end()
            raise RunError(f"The analysis process gave no answer within {timeout:.0f} seconds; try again.") from None
        if not text:
            self._end()
            return None
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                self.command, env=worker_environment(os.environ), text=True, encoding="utf-8",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            assert self._process.stdout is not None
            Thread(target=_pump, args=(self._process.stdout, self._answers), daemon=True).start()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        # Closing sends what is left in the buffer, to nobody. The reading thread closes the other pipe.
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()


def _pump(lines: IO[str], answers: queue.Queue[str]) -> None:
    """Hand every line on, and an empty one at the end, from a thread: reading a pipe knows no timeout."""
    with lines:
        for line in lines:
            answers.put(line)
    answers.put("")


@lru_cache(maxsize=1)
def shared_analysis() -> AnalysisProcess:
    """Return the one analysis process of this app; it ends with it."""
    process = AnalysisProcess()
    atexit.register(process.close)
    return process


def preview_parameters(
    home: Path,
    spec: Mapping[str, Any],
    *,
    task: str = "",
    num_outputs: int = 0,
    num_chains: int = 0,
    analysis: AnalysisProcess | None = None,
) -> dict[str, Any]:
    """Return what a spec would train, from the cache where it was asked before.

    Args:
        home: The data folder.
        spec: A run spec as plain values; only model and strategy are looked at, and `data.dataset` where the next
            three are not given.
        task: regression, classification or per_residue.
        num_outputs: Outputs of the head; 0 asks the dataset.
        num_chains: Sequence columns; 0 asks the dataset.
        analysis: The process to ask; None is the app's own.

    Returns:
        As `molfun.models.parameters.count_parts` does; counts are numbers of parameters.

    Raises:
        DataError: The dataset does not exist.
        ModelError: The model or the strategy cannot be built.
        RunError: The analysis process does not answer.
    """
    if not (task and num_outputs and num_chains):
        dataset = load_dataset(home / "datasets", str(spec["data"]["dataset"]))
        task, num_outputs, num_chains = dataset.task, len(dataset.classes) or 1, dataset.num_chains
    request = {
        "what": "parameters",
        "spec": {"model": spec["model"], "strategy": spec["strategy"]},
        "num_outputs": num_outputs,
        "num_chains": num_chains,
        "task": task,
    }
    return _ask(home / "cache" / "parameters", request, analysis)


def forecast_memory(
    home: Path, request: Mapping[str, Any], *, analysis: AnalysisProcess | None = None
) -> dict[str, Any]:
    """Return what the heaviest batch takes, from the cache where it was asked before.

    Args:
        home: The data folder.
        request: As `molfun.training.forecast.forecast` takes it.
        analysis: As in `preview_parameters`.

    Raises:
        ModelError: The model or the strategy cannot be built.
        RunError: The analysis process does not answer.
    """
    return _ask(home / "cache" / "memory", {"what": "memory", **request}, analysis)


def _ask(cache: Path, request: Mapping[str, Any], analysis: AnalysisProcess | None) -> dict[str, Any]:
    cached = cache / f"{_key(request)}.json"
    if answer := read_json(cached):
        return answer
    answer = (analysis or shared_analysis()).ask(request)
    if "error" in answer:
        raise ModelError(str(answer["error"]))
    with suppress(OSError):  # a full disk costs the next one the time to ask again, and no answer
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_json(cached, answer)
    return answer


def _key(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([FORMAT, request], sort_keys=True).encode()).hexdigest()[:32]

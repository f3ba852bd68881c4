"""Molfun from Python: a run is started, followed, found again, read, stopped, opened. What `import molfun` offers."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from typing_extensions import override

from molfun.errors import RunError
from molfun.home import data_home
from molfun.runs.advice import advise, introduce
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.repeat import repeat_of
from molfun.runs.repeat_files import Kind, write_repeat
from molfun.runs.starting import plan_data
from molfun.runs.status import run_status
from molfun.runs.store import RunStore, place_run
from molfun.runs.submit import submit_run
from molfun.runs.terminal import Bystander
from molfun.runs.watch import Onlooker, ask_cluster
from molfun.tracking.pool import READERS
from molfun.tracking.reader import MetricsReader
from molfun.ui.notebook import in_notebook, show_curves

if TYPE_CHECKING:
    from molfun.evaluation.predictor import Predictor

POLL_SECONDS = 0.3
OWN = "this run"


class Run:
    """One run, wherever it was started: what it recorded, and what can be asked of it.

    Args:
        run: Its id, or its folder.
        home: The data folder; None takes `MOLFUN_HOME`.

    Raises:
        RunError: There is no such run.

    Example:
        run = molfun.Run("20260101-120000-binders-ab12")
        run.state, run.history(), run.scores()
    """

    def __init__(self, run: str | Path, *, home: str | Path | None = None) -> None:
        root, name = place_run(run, Path(home) if home else None)
        self._folder = RunStore(root).get(name)

    @override
    def __repr__(self) -> str:
        return f"<Run {self.id}: {self._folder.title}, {self.state}>"

    @property
    def id(self) -> str:
        """The run's id, which is the name of its folder."""
        return self._folder.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self._folder.title

    @property
    def folder(self) -> Path:
        """Where everything of it lies; docs/architecture.md says what."""
        return self._folder.path

    @property
    def state(self) -> str:
        """One of queued, starting, running, stopping, finished, stopped, failed, lost, unknown."""
        ask_cluster(self._folder)
        return run_status(self._folder).status

    @property
    def cause(self) -> str:
        """Why it stopped, failed or was lost, or what it waits for; empty otherwise."""
        return run_status(self._folder).cause

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that defines it, by section.

        Raises:
            SettingError: The settings cannot be read.
        """
        return self._folder.spec.model_dump(mode="json")

    def history(self) -> pd.DataFrame:
        """Return what was recorded of every epoch so far: `epoch`, `val_loss` and the metrics of the task."""
        return self._read().epochs.copy()

    def steps(self) -> pd.DataFrame:
        """Return what was recorded of every optimiser step so far: `step`, `loss`, `epoch`, `lr/<group>`, ..."""
        return self._read().steps.copy()

    def _read(self) -> MetricsReader:
        reader = READERS.of(self._folder.metrics_path)
        reader.poll()
        return reader

    def scores(self) -> pd.DataFrame:
        """Return the scores on the test rows: "this run" first, then the baselines; empty before they are known.

        Returns:
            A row each, the metrics as columns, the one by which the task is judged first.
        """
        board = self._folder.read_scoreboard()
        if not board.get("test"):
            return pd.DataFrame()
        rows = {OWN: board["test"]["metrics"], **(board.get("baselines") or {})}
        table = pd.DataFrame.from_dict(rows, orient="index").astype(float)
        primary = str(board.get("primary", ""))
        return table[sorted(table, key=lambda name: name != primary)]

    def log(self) -> str:
        """Return the end of what its processes printed, 64 kB at most."""
        return self._folder.log_tail() or launcher_of(self._folder).logs(self._folder)

    def wait(self, timeout_seconds: float | None = None) -> Run:
        """Wait until nothing more happens by itself, and return the run.

        Args:
            timeout_seconds: How long at most; None waits for ever.

        Raises:
            RunError: It failed, its process was lost, or it has not ended in that time.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        onlooker = Onlooker(self._folder)
        while not onlooker.status().is_over:
            if deadline is not None and time.monotonic() > deadline:
                raise RunError(
                    f"The run {self.id} is {self.state} after {timeout_seconds:g} seconds of waiting, and goes on; "
                    "wait longer, or stop it."
                )
            time.sleep(POLL_SECONDS)
        self._refuse_failure()
        return self

    def _refuse_failure(self) -> None:
        status = run_status(self._folder)
        if status.status in ("failed", "lost"):
            words = "failed" if status.status == "failed" else "was lost"
            raise RunError(f'The run {self.id} {words}: {status.cause} See molfun.Run("{self.id}").log().')

    def show(self, *, follow: bool = True) -> None:
        """Show its curves in a notebook, updated in place until it ends; elsewhere print a line an epoch.

        Interrupting ends the showing and leaves the run alone.

        Args:
            follow: False shows what there is now, once.
        """
        if in_notebook():
            show_curves(self._folder, follow=follow)
        elif follow:
            Bystander(self._folder, Console()).follow()
        else:
            sys.stdout.write(f"{self!r}\n{self.history().to_string(index=False)}\n")

    def stop(self, *, now: bool = False) -> None:
        """Stop it at its next step and save; one that waits in the queue is cancelled.

        Args:
            now: End it at once, without saving the last steps.

        Raises:
            RunError: It neither waits nor is at work.
        """
        launcher_of(self._folder).stop(self._folder, how="now" if now else "save")

    def predictor(self, checkpoint: str = "", *, device: str = "auto") -> Predictor:
        """Load its model, ready to predict sequences.

        Args:
            checkpoint: "best", "last" or "epoch_N"; empty takes the best one, or the last where there is none.
            device: "auto", "cpu" or "cuda".

        Raises:
            RunError: There is no such checkpoint, or it is damaged.
            DataError: Its dataset is gone.
            SettingError: The device is absent.
        """
        name = f"{self.id}/{checkpoint}" if checkpoint else self.id
        return load(name, home=self.folder.parents[1], device=device)

    def open_as(self, kind: Kind = "python") -> str:
        """Return a file that trains the same run again and compares its scores.

        Args:
            kind: "notebook" (JSON of an .ipynb), "python" or "command".

        Raises:
            RunError: The run was imported, so that nobody knows its settings.
            SettingError: Its settings cannot be read, or there is no such kind.
        """
        return write_repeat(repeat_of(self._folder), kind)


def fit(
    data: str | Path | pd.DataFrame,
    *,
    strategy: str = "",
    settings: Mapping[str, Any] | None = None,
    wait: bool = True,
    home: str | Path | None = None,
) -> Run:
    """Start a run: `molfun.fit` says how.

    Args:
        data: As there.
        strategy: As there.
        settings: As there.
        wait: As there.
        home: As there.

    Raises:
        MolfunError: As there.
    """
    root = data_home(home)
    spec, dataset = plan_data(root, data, strategy=strategy, changes=settings)
    for sentence in advise(spec, dataset):
        sys.stderr.write(f"Note: {sentence}\n")
    folder = submit_run(root, spec)
    sys.stdout.write(f"{introduce(spec, dataset, folder.id)}\n")
    run = Run(folder.path)
    if wait:
        run.show()
        run.wait()
    return run


def load(
    run: str | Path | Run, *, home: str | Path | None = None, device: str = "auto", keep_frozen: bool | None = None
) -> Predictor:
    """Load the model of a run: `molfun.load` says how.

    Args:
        run: As there.
        home: As there.
        device: As there.
        keep_frozen: As there.

    Raises:
        MolfunError: As there.
    """
    from molfun.runs import loading  # noqa: PLC0415  loads torch

    name = run.folder if isinstance(run, Run) else run
    return loading.load(name, home=Path(home) if home else None, device=device, keep_frozen=keep_frozen)

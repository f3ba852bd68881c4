"""What the command line shows: a run followed live, and tables. Reads run folders; starts and stops nothing itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from molfun.runs import control
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.catalog import launcher_of
from molfun.runs.machine import list_gpus
from molfun.runs.queue import read_queue, why_waiting
from molfun.runs.status import RunStatus, run_status
from molfun.runs.watch import Onlooker
from molfun.tracking.reader import MetricsReader

POLL_SECONDS = 0.3
EXIT_CODES = {"finished": 0, "stopped": 130, "failed": 1, "lost": 1}
DETACHED = 130
UNSHOWN = ("step", "segment", "t", "epoch", "seconds")


class Follower:
    """Shows a run until it ends. The first Ctrl-C asks it to stop and save, the second lets it go on alone.

    Args:
        folder: The run.
        console: Where to write; without a terminal every epoch becomes one line.
    """

    def __init__(self, folder: RunFolder, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.onlooker = Onlooker(folder)
        self.reader = MetricsReader(folder.metrics_path)
        # Segment and number of the newest epoch on screen: a resumed run may repeat numbers.
        self.newest_shown = (-1, 0)
        self.is_stopping = False
        self.is_detached = False

    def skip_recorded(self) -> None:
        """Show only what is recorded from now on: for a run that is about to be resumed."""
        self.reader.poll()
        self.newest_shown = max([self.newest_shown, *_numbers(self.reader.epochs)])

    def follow(self) -> int:
        """Watch the run; return the exit code of the command."""
        with self._progress() as progress:
            task = progress.add_task("starting", total=None, detail="")
            while self._watch(progress, task):
                pass
        return DETACHED if self.is_detached else self._conclude(run_status(self.folder))

    def _watch(self, progress: Progress, task: Any) -> bool:
        """Show what is new and wait a little; return whether to go on."""
        try:
            is_alive = self._tick(progress, task)
            if is_alive:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return self._interrupted()
        return is_alive

    def _interrupted(self) -> bool:
        """Ask the run to stop, or leave it if it was asked already; return whether to go on watching."""
        if self.is_stopping:
            self.is_detached = True
            goes_on = f"The run goes on in the background: molfun runs show {self.folder.id}"
            self.console.print(goes_on, soft_wrap=True)
            return False
        self._ask_to_stop()
        return True

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def _tick(self, progress: Progress, task: Any) -> bool:
        """Show what is new; return whether there is more to come."""
        status, state = self.onlooker.status(), self.folder.read_state()
        if self.reader.poll():
            self._print_epochs(state)
        has_begun = state.get("epochs") and state.get("epoch")
        where = f"epoch {state['epoch']}/{state['epochs']}" if has_begun else self._waits_for(status)
        where = f"{where}, paused" if status.is_paused else where
        done, total = state.get("step") or 0, state.get("total_steps")
        progress.update(task, description=where, total=total, completed=done, detail=self._loss())
        return not status.is_over

    def _waits_for(self, status: RunStatus) -> str:
        if status.status != "queued":
            return status.status
        home = self.folder.path.parents[1]
        reason = status.cause or why_waiting(read_queue(home), self.folder.id, list_gpus(max_age_seconds=10))
        return f"queued: {reason}" if reason else "queued"

    def _loss(self) -> str:
        losses = self.reader.last("step").get("loss")
        return "" if losses is None else f"loss {losses:.4f}"

    def _print_epochs(self, state: Mapping[str, Any]) -> None:
        epochs = self.reader.epochs
        is_new = [number > self.newest_shown for number in _numbers(epochs)]
        for row in epochs[is_new].to_dict("records"):
            values = [f"{name} {number(value)}" for name, value in row.items() if name not in UNSHOWN]
            of = f"/{state['epochs']}" if state.get("epochs") else ""
            self.console.print(f"epoch {row['step']}{of}  " + "  ".join(values), highlight=False, soft_wrap=True)
        self.newest_shown = max([self.newest_shown, *_numbers(epochs)])

    def _ask_to_stop(self) -> None:
        self.is_stopping = True
        if run_status(self.folder).status == "queued":
            launcher_of(self.folder).stop(self.folder)
            return
        control.request(self.folder, "stop")
        self.console.print("Stopping at the next step and saving; Ctrl-C again lets it go on alone.", soft_wrap=True)

    def _conclude(self, status: RunStatus) -> int:
        if self.reader.poll():
            self._print_epochs(self.folder.read_state())
        board = self.folder.read_scoreboard()
        if board:
            self.console.print(score_table(board))
        colour = {"finished": "green", "stopped": "yellow"}.get(status.status, "red")
        cause = f": {status.cause}" if status.cause else ""
        self.console.print(Text.assemble((status.status, colour), cause), soft_wrap=True)
        self.console.print(f"Run folder: {self.folder.path}", soft_wrap=True, highlight=False)
        return EXIT_CODES.get(status.status, 1)


class Bystander(Follower):
    """Shows a run until it ends; Ctrl-C ends the showing alone, which the caller hears of as usual."""

    @override
    def _interrupted(self) -> bool:
        self.console.print(goes_on(self.folder.id), soft_wrap=True, highlight=False, markup=False)
        raise KeyboardInterrupt


def goes_on(run_id: str) -> str:
    """Return what is said where somebody stops to wait for a run from Python."""
    return f'The run goes on. Follow it with molfun.Run("{run_id}").show(), stop and save it with .stop().'


def _numbers(epochs: pd.DataFrame) -> list[tuple[int, int]]:
    """Return (segment, step) of every epoch."""
    return list(zip(epochs["segment"].tolist(), epochs["step"].tolist(), strict=True))


def score_table(board: Mapping[str, Any]) -> Table:
    """Return test scores, one row the model and one a baseline, the primary metric first."""
    primary = str(board.get("primary", ""))
    scores = {"this run": (board.get("test") or {}).get("metrics") or {}, **(board.get("baselines") or {})}
    names = sorted({name for row in scores.values() for name in row}, key=lambda name: (name != primary, name))
    table = Table(title="Test", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", style="bold" if name == primary else "")
    for name, row in scores.items():
        table.add_row(name, *(number(row.get(metric)) for metric in names))
    return table


def run_table(runs: pd.DataFrame) -> Table:
    """Return two lines a run, so that the table fits 80 columns: name and id, state and metric, scores."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("run", overflow="fold", ratio=1)
    table.add_column("status", no_wrap=True)
    for name in ("best", "test"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in runs.to_dict("records"):
        table.add_row(
            two_lines(row["name"], row["id"]), two_lines(row["status"], row["metric"]),
            number(row["best"]), number(row["test"]),
        )  # fmt: skip
    return table


def folds_table(found: pd.DataFrame, metric: str) -> Table:
    """Return the pooled score of every arm and baseline of a cross-validation (`pooled.pooled_table`)."""
    table = Table(title=f"Test {metric} over folds", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("", overflow="fold", ratio=1)
    for name in ("folds", "mean", "sd", "pooled", "95 %", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.to_dict("records"):
        between = f"{number(row['low'])} to {number(row['high'])}" if math.isfinite(row["low"]) else ""
        table.add_row(
            Text(row["title"], style="dim" if row["is_baseline"] else ""), f"{row['folds']} of {row['expected']}",
            number(row["mean"]), number(row["sd"]), number(row["pooled"]), between, f"{row['rows']:,}",
        )  # fmt: skip
    return table


def two_lines(first: str, second: str) -> Text:
    """Return a cell with a second line below, dim; no word of either is taken for markup."""
    return Text.assemble(str(first), "\n", (str(second), "dim"))


def field_table(rows: Iterable[tuple[str, Any]]) -> Table:
    """Return names and values, empty values left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        if value not in ("", None):
            table.add_row(Text(name, style="bold"), Text(str(value)))
    return table


def number(value: Any) -> str:
    """Return a metric as people read it; empty where there is none."""
    if not isinstance(value, int | float) or math.isnan(value):
        return ""
    return f"{value:.4g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.3f}"

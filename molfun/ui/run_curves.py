"""Curves of runs that grow: each is read, smoothed and thinned once, whoever looks; then only its new part is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from molfun.data.settings import PRIMARY_METRIC
from molfun.errors import MolfunError
from molfun.runs.alerts import Alert
from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec
from molfun.tracking.pool import READERS
from molfun.tracking.reader import MetricsReader
from molfun.ui.series import MAX_POINTS, Floats, Positions, Smoothed, Thinned, column, decimate

USUAL_SMOOTHING = 0.8  # weight of the average before it
MAX_SMOOTHED = 4  # smoothing weights that are kept for a run
LONG = 50  # steps after which a young run is judged again


class Line(NamedTuple):
    """What is drawn of a series: float64 [n] both."""

    x: Floats
    y: Floats


class StepCurves:
    """The columns of a table of steps as thinned lines; a table that has grown costs only its new rows.

    Args:
        frame: One row a step: `step` and any numbers.
        version: Differs where rows were dropped in between; then these are other curves.
    """

    def __init__(self, frame: pd.DataFrame | None = None, *, version: tuple[int, int] = (0, 0)) -> None:
        self.version = version
        self.frame = pd.DataFrame() if frame is None else frame
        self._lock = Lock()
        # By name and smoothing weight.
        self._thinned: dict[tuple[str, float], Thinned] = {}
        self._seen: dict[tuple[str, float], int] = {}
        self._smoothed: OrderedDict[tuple[str, float], Smoothed] = OrderedDict()

    def grow(self, frame: pd.DataFrame) -> None:
        """Follow the table, which has more rows now and the same ones before them."""
        with self._lock:
            self.frame = frame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.frame.columns]

    def thin(self, name: str, *, weight: float = 0.0, max_points: int = MAX_POINTS) -> tuple[Positions, Floats]:
        """Return which rows of a column are drawn, int64 [n], and their values, float64 [n].

        Args:
            name: Of the column; nothing is drawn of one that is absent.
            weight: Of the moving average; 0 draws the column itself.
            max_points: Upper bound of their number, beside both ends.
        """
        with self._lock:
            key, values = (name, weight), self._values(name, weight)
            seen = self._seen.get(key, 0)
            thinned = self._thinned.setdefault(key, Thinned())
            thinned.extend(values[seen:], seen)
            self._seen[key] = len(values)
            kept = thinned.positions(max_points)
            return kept, values[kept]

    def _values(self, name: str, weight: float) -> Floats:
        raw, key = column(self.frame, name), (name, weight)
        if weight <= 0:
            return raw
        if key not in self._smoothed and len(self._smoothed) == MAX_SMOOTHED:
            oldest, _ = self._smoothed.popitem(last=False)
            self._thinned.pop(oldest, None)
            self._seen.pop(oldest, None)
        smoothed = self._smoothed.setdefault(key, Smoothed(weight))
        self._smoothed.move_to_end(key)
        smoothed.extend(raw[len(smoothed.values) :])
        return smoothed.values

    def line(
        self, name: str, *, weight: float = 0.0, max_points: int = MAX_POINTS, within: Sequence[float] = ()
    ) -> Line:
        """Return a column over steps, thinned.

        Args:
            name: As in `thin`.
            weight: As there.
            max_points: As there.
            within: First and last step of a stretch that gets all of the points, the rest a quarter; empty for none.
        """
        is_closer = len(within) == 2
        kept, _ = self.thin(name, weight=weight, max_points=max_points // 4 if is_closer else max_points)
        x, y = self._along(name, weight)
        if is_closer and len(x):
            first, last = np.searchsorted(x, within, side="left").tolist()
            detail = np.arange(first, min(last + 1, len(x)), dtype=np.float64)
            inside, _ = decimate(detail, y[first : last + 1], max_points)
            kept = np.unique(np.concatenate([kept, inside.astype(np.int64)]))
        return Line(x[kept].astype(np.float64), y[kept])

    def _along(self, name: str, weight: float) -> Line:
        """Return steps and a column as they are now, unthinned."""
        with self._lock:
            steps = self.frame["step"].to_numpy() if "step" in self.frame.columns else column(self.frame, "step")
            return Line(steps, self._values(name, weight))

    def steps_at(self, epochs: Floats) -> Floats:
        """Return the steps at which epochs ended, float64 [n]: between two steps their progress is straight.

        Args:
            epochs: float64 [n], in epochs since the beginning.
        """
        kept, _ = self.thin("epoch")
        steps, progress = self._along("epoch", 0.0)
        if not len(kept):
            return np.full(len(epochs), np.nan)
        if self._thinned["epoch", 0.0].num_samples < len(progress):
            known = np.isfinite(progress)
            progress, steps = progress[known], steps[known]
        after = np.clip(np.searchsorted(progress, epochs), 1, max(1, len(progress) - 1))
        before, after = np.clip(after - 1, 0, None), np.clip(after, 0, len(progress) - 1)
        span = progress[after] - progress[before]
        share = np.divide(epochs - progress[before], span, out=np.zeros(len(epochs)), where=span > 0)
        first, last = steps[before].astype(np.float64), steps[after].astype(np.float64)
        return np.asarray(first + np.clip(share, 0.0, 1.0) * (last - first))


def as_curves(steps: pd.DataFrame | StepCurves) -> StepCurves:
    """Return curves of a table, or those themselves."""
    return steps if isinstance(steps, StepCurves) else StepCurves(steps)


class RunCurves:
    """What is drawn of one run, followed as it grows; safe to share between threads."""

    def __init__(self) -> None:
        self._steps = StepCurves()
        self._version: tuple[int, int] | None = None
        self._judged: tuple[int, int, list[Alert]] = (-1, -1, [])
        self._lock = Lock()

    def update(self, reader: MetricsReader) -> tuple[StepCurves, pd.DataFrame]:
        """Return the curves over steps and the table of epochs, up to date."""
        with self._lock:
            reader.poll()
            steps, epochs, version = reader.tables()
            if version != self._version:
                self._steps, self._version = StepCurves(version=version), version
            self._steps.grow(steps)
            return self._steps, epochs

    def judge(
        self, judgement: Callable[[pd.DataFrame, pd.DataFrame], list[Alert]], epochs: pd.DataFrame
    ) -> list[Alert]:
        """Return what is found in the whole tables; looked at again when an epoch has ended or they are 2 % longer.

        Args:
            judgement: Of steps and epochs.
            epochs: As `update` returned them.
        """
        steps = self._steps.frame
        num_steps, num_epochs, found = self._judged
        if len(epochs) != num_epochs or not num_steps <= len(steps) <= num_steps + max(LONG, num_steps // 50):
            found = judgement(steps, epochs)
            self._judged = (len(steps), len(epochs), found)
        return found


# Of the readers that the process keeps; gone with them.
_CURVES: WeakKeyDictionary[MetricsReader, RunCurves] = WeakKeyDictionary()
_LOCK = Lock()


def follow(path: Path) -> tuple[RunCurves, MetricsReader]:
    """Return the curves of a metrics file; all pages and tabs of this process share them."""
    reader = READERS.of(path)
    with _LOCK:
        return _CURVES.setdefault(reader, RunCurves()), reader


def read_curves(folder: RunFolder) -> tuple[StepCurves, pd.DataFrame]:
    """Return (curves over steps, table of epochs) of a run, up to date."""
    curves, reader = follow(folder.metrics_path)
    return curves.update(reader)


def judged_by(folder: RunFolder) -> tuple[str, str]:
    """Return the metric by which people judge the task of a run, and what the run chooses its best epoch by.

    Those of a run whose spec cannot be read are "spearman" and "val_loss".
    """
    try:
        spec = folder.spec
    except MolfunError:
        spec = RunSpec()
    task = spec.data.columns.task if spec.data.columns else "regression"
    return PRIMARY_METRIC[task], spec.strategy.monitor

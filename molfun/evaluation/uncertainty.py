"""How sure a prediction is: intervals with a stated coverage, and the spread of several models.

Intervals are split conformal: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World; for regression
Lei et al. 2018, J. Am. Stat. Assoc. 113:1094; for classes Sadinle, Lei and Wasserman 2019, J. Am. Stat. Assoc. 114:223.
They hold on average over rows like those that they were calibrated on, and for no others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from molfun.data.settings import Task
from molfun.errors import DataError

if TYPE_CHECKING:  # which loads torch, and the app learns intervals without
    from molfun.evaluation.predictor import Predictor, Progress

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Calibration:
    """What was learned from rows that training did not fit.

    Attributes:
        coverage: Share of new rows whose true value is inside.
        radius: Half the width of an interval (regression), or 1 - the least probability of a class that is listed.
        num_rows: Rows that it was learned from.
    """

    coverage: float
    radius: float
    num_rows: int


def calibrate(predictions: pd.DataFrame, task: Task, coverage: float) -> Calibration:
    """Learn how wide intervals have to be.

    Args:
        predictions: Of rows that training did not fit: `target`, `prediction`; for classes `p_<class>`.
        task: "regression" or "classification".
        coverage: Wanted share of true values inside, between 0 and 1.

    Raises:
        DataError: There are fewer than 20 such rows, or too few for that coverage, or the task has no intervals.
    """
    if task == "per_residue":
        raise DataError("There are no intervals for labels a residue.")
    if not 0.0 < coverage < 1.0:
        raise DataError(f"The coverage is {coverage:g}; expected a share between 0 and 1, such as 0.9.")
    scores = _scores(predictions, task)
    num = len(scores)
    place = math.ceil((num + 1) * coverage)
    if num < FEWEST_ROWS or place > num:
        needed = max(FEWEST_ROWS, math.ceil(coverage / (1 - coverage)))
        raise DataError(
            f"Intervals need {needed} validation rows for a coverage of {coverage:.0%}, and there are {num}; lower the "
            "coverage or use a run with more of them."
        )
    return Calibration(coverage, float(np.sort(scores)[place - 1]), num)


def _scores(predictions: pd.DataFrame, task: Task) -> np.ndarray:
    """Return how far off each row is: the larger, the worse."""
    known = predictions[predictions["target"].notna() & predictions["prediction"].notna()]
    if task == "regression":
        off = pd.to_numeric(known["prediction"]) - pd.to_numeric(known["target"])
        return np.asarray(off.abs().to_numpy(dtype=float))
    own = [float(row[f"p_{row['target']}"]) for row in known.to_dict("records")]
    return 1.0 - np.array(own, dtype=float)


def add_intervals(table: pd.DataFrame, task: Task, calibration: Calibration) -> pd.DataFrame:
    """Return a table of `Predictor.predict` with `low` and `high`, or with `set`: the classes that it may be.

    A set can be empty where the model has never seen anything like it, and hold several classes where it is unsure.
    """
    if task == "regression":
        found = table["prediction"]
        return table.assign(low=found - calibration.radius, high=found + calibration.radius)
    names = [str(name) for name in table.columns if str(name).startswith("p_")]
    sets = [
        " ".join(name.removeprefix("p_") for name in names if row[name] >= 1.0 - calibration.radius)
        for row in table[names].to_dict("records")
    ]
    return table.assign(set=sets)


class Ensemble:
    """Several models as one: their mean, and how far they are apart (Lakshminarayanan et al. 2017, arXiv:1612.01474).

    Args:
        members: Models of the same task, classes and chains, such as the seeds or folds of one race.

    Raises:
        DataError: They predict different things.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        first = members[0]
        for other in members[1:]:
            if (other.task, other.classes, len(other.columns.sequence)) != (
                first.task, first.classes, len(first.columns.sequence)
            ):  # fmt: skip
                raise DataError(
                    "These runs predict different things; an ensemble needs runs of one task, with the same classes "
                    "and chains."
                )
        if first.task == "per_residue":
            raise DataError("There is no ensemble for labels a residue.")
        self.members = tuple(members)

    @property
    def max_residues(self) -> int:
        """Longest sequence that every member takes whole."""
        return min(member.max_residues for member in self.members)

    def predict(self, sequences: pd.DataFrame | Sequence[str], *, progress: Progress | None = None) -> pd.DataFrame:
        """Predict every row as `Predictor.predict` does, with the means of all members.

        `spread` is the standard deviation over members (n - 1): of the prediction, or of the probability of the class
        that is predicted.
        """
        tables = []
        for number, member in enumerate(self.members):
            tables.append(member.predict(_renamed(sequences, self.members[0], member),
                                         progress=_after(progress, number, len(self.members))))  # fmt: skip
        first = tables[0]
        if self.members[0].task == "regression":
            values = np.stack([table["prediction"].to_numpy(dtype=float) for table in tables])
            return first.assign(prediction=values.mean(axis=0), spread=_spread(values))
        names = [f"p_{name}" for name in self.members[0].classes]
        shares = np.stack([table[names].to_numpy(dtype=float) for table in tables])
        mean, known = shares.mean(axis=0), ~np.isnan(shares).any(axis=(0, 2))
        chosen = np.where(known, np.nan_to_num(mean).argmax(axis=1), 0)
        spread = _spread(np.take_along_axis(shares, chosen[None, :, None], axis=2)[..., 0])
        classes = [self.members[0].classes[i] if there else None for i, there in zip(chosen, known, strict=True)]
        return first.assign(
            prediction=pd.Series(classes, index=first.index, dtype=object),
            **dict(zip(names, mean.T, strict=True)), spread=spread,
        )  # fmt: skip


def _spread(values: np.ndarray) -> np.ndarray:
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])


def _renamed(sequences: pd.DataFrame | Sequence[str], first: Predictor, member: Predictor) -> object:
    """Return rows with the columns that a member reads; runs may have called the same chains otherwise."""
    if not isinstance(sequences, pd.DataFrame) or not set(first.columns.sequence) <= set(sequences.columns):
        return sequences
    names = dict(zip(first.columns.sequence, member.columns.sequence, strict=True))
    return sequences[list(names)].rename(columns=names)


def _after(progress: Progress | None, number: int, num_members: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress((number * total + done) // num_members, total)

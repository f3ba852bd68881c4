"""The spread of several models, and their mean: the seeds or folds of one race as one predictor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from molfun.data.settings import ONE_VALUE_A_ROW, ColumnSettings, Task
from molfun.errors import DataError
from molfun.evaluation.fold_intervals import FoldCalibration, class_sets, interval_ends
from molfun.evaluation.predictor import Predictor, Progress, predict_together


class Ensemble:
    """Several models as one: their mean, and how far they are apart (Lakshminarayanan et al. 2017, arXiv:1612.01474).

    Args:
        members: Models of the same task, classes and chains, such as the seeds or folds of one race.
        learned: Where the members are all folds of a cross-validation, what was learned from the rows that each did not
            train on; predictions then have intervals.

    Raises:
        DataError: They predict different things.
    """

    def __init__(self, members: Sequence[Predictor], learned: FoldCalibration | None = None) -> None:
        first = members[0]
        for other in members[1:]:
            if (other.task, other.classes, len(other.columns.sequence)) != (
                first.task, first.classes, len(first.columns.sequence)
            ):  # fmt: skip
                raise DataError(
                    "These runs predict different things; an ensemble needs runs of one task, with the same classes "
                    "and chains."
                )
        if first.task not in ONE_VALUE_A_ROW:
            raise DataError("Ensembles predict numbers and classes of rows only, not of residues, and no structures.")
        self.members, self.learned = tuple(members), learned

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.members[0].task

    @property
    def columns(self) -> ColumnSettings:
        """Columns of the first member."""
        return self.members[0].columns

    @property
    def max_residues(self) -> int:
        """Longest sequence that every member takes whole."""
        return min(member.max_residues for member in self.members)

    @property
    def num_read(self) -> int:
        """Rows whose beginning was not computed but read, over all members."""
        return sum(member.num_read for member in self.members)

    @property
    def work(self) -> float:
        """Trunks that go through each batch: as many as there are members, less what they share."""
        return sum(member.work for member in self.members)

    def _tables(self, sequences: pd.DataFrame | Sequence[str], progress: Progress | None) -> list[pd.DataFrame]:
        """Return the table of every member; those that read the same tokens predict together."""
        tables: dict[int, pd.DataFrame] = {}
        groups = _groups(self.members)
        for number, group in enumerate(groups):
            own = [self.members[i] for i in group]
            rows = _renamed(sequences, self.members[0], own[0])
            found = predict_together(own, rows, progress=_after(progress, number, len(groups)))
            tables.update(zip(group, found, strict=True))
        return [tables[i] for i in range(len(self.members))]

    def predict(self, sequences: pd.DataFrame | Sequence[str], *, progress: Progress | None = None) -> pd.DataFrame:
        """Predict every row as `Predictor.predict` does, with the means of all members.

        `spread` is the standard deviation over members (n - 1): of the prediction, or of the probability of the class
        that is predicted. Where intervals were learned, `low` and `high`, or `set`, as `add_intervals` adds them.
        """
        tables = self._tables(sequences, progress)
        # A row lacks a prediction where any member lacks one, such as the one that takes the shortest sequences.
        problems = [next(filter(None, of_row), "") for of_row in zip(*(t["problem"] for t in tables), strict=True)]
        first = tables[0].assign(problem=problems)
        if self.members[0].task == "regression":
            values = np.stack([table["prediction"].to_numpy(dtype=float) for table in tables])
            found = first.assign(prediction=values.mean(axis=0), spread=_spread(values))
            return found if self.learned is None else found.assign(**_ends(values, self.learned))
        names = [f"p_{name}" for name in self.members[0].classes]
        shares = np.stack([table[names].to_numpy(dtype=float) for table in tables])
        mean, known = shares.mean(axis=0), ~np.isnan(shares).any(axis=(0, 2))
        chosen = np.where(known, np.nan_to_num(mean).argmax(axis=1), 0)
        spread = _spread(np.take_along_axis(shares, chosen[None, :, None], axis=2)[..., 0])
        classes = [self.members[0].classes[i] if there else None for i, there in zip(chosen, known, strict=True)]
        sets = {} if self.learned is None else {"set": _sets(shares, self.members[0].classes, self.learned)}
        return first.assign(
            prediction=pd.Series(classes, index=first.index, dtype=object),
            **dict(zip(names, mean.T, strict=True)), spread=spread, **sets,
        )  # fmt: skip


def _groups(members: Sequence[Predictor]) -> list[list[int]]:
    """Return numbers of members, those together that read the same tokens."""
    groups: list[list[int]] = []
    for number, member in enumerate(members):
        own = next((group for group in groups if members[group[0]].reads_as(member)), None)
        if own is None:
            groups.append(own := [])
        own.append(number)
    return groups


def _ends(values: np.ndarray, learned: FoldCalibration) -> dict[str, np.ndarray]:
    return dict(zip(("low", "high"), interval_ends(values, learned), strict=True))


def _sets(shares: np.ndarray, classes: Sequence[str], learned: FoldCalibration) -> list[str]:
    chosen = class_sets(shares, learned)
    return [" ".join(name for name, may in zip(classes, row, strict=True) if may) for row in chosen]


def _spread(values: np.ndarray) -> np.ndarray:
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])


def _renamed(
    sequences: pd.DataFrame | Sequence[str], first: Predictor, member: Predictor
) -> pd.DataFrame | Sequence[str]:
    """Return rows with the columns that a member reads; runs may have called the same chains otherwise."""
    if not isinstance(sequences, pd.DataFrame) or not set(first.columns.sequence) <= set(sequences.columns):
        return sequences
    names = dict(zip(first.columns.sequence, member.columns.sequence, strict=True))
    return sequences[list(names)].rename(columns=names)


def _after(progress: Progress | None, number: int, num_groups: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress((number * total + done) // num_groups, total)

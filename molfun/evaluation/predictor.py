"""A trained model that predicts new sequences: every row gets a prediction or the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from molfun.data.batches import Collate, Row, SequenceRows
from molfun.data.labels import is_missing
from molfun.data.settings import ColumnSettings, Task
from molfun.errors import DataError
from molfun.evaluation.folding import split_folds
from molfun.models.inference import iterate_predictions
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch

MAX_TOKENS = 8_192  # of a batch, padding included; halved where memory does not hold it
Progress = Callable[[int, int], None]


class Predictor:
    """Predicts sequences with the weights of a run; `molfun.load` makes one.

    Args:
        model: With its weights.
        columns: Sequence columns that it was trained on, and what happens to long sequences.
        classes: Class names by number; empty for regression.
        precision: Numbers to compute in, and the device.
        max_tokens: Most tokens of a batch, padding included.

    Example:
        predictor = molfun.load("20260101-120000-binders-ab12")
        table = predictor.predict(["MKTAYIAKQR", "MKTAYIAKQK"])
    """

    def __init__(
        self, model: MolfunStructureModel, columns: ColumnSettings, classes: Sequence[str], *, precision: Precision,
        max_tokens: int = MAX_TOKENS,
    ) -> None:  # fmt: skip
        self.model = model.to(precision.device).eval()
        self.columns, self.classes, self.precision, self.max_tokens = columns, tuple(classes), precision, max_tokens

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.columns.task

    @property
    def max_residues(self) -> int:
        """Longest sequence that the model takes whole."""
        return self.model.adapter.max_residues

    def predict(self, sequences: pd.DataFrame | Sequence[str], *, progress: Progress | None = None) -> pd.DataFrame:
        """Predict every row.

        Args:
            sequences: A table with the sequence columns of the training (one by another name will do where there is
                one chain and one column), or sequences of the one chain.
            progress: Called with the rows that are done, and how many there are.

        Returns:
            A table with the index of the rows: `prediction` (a float, a class name, a list of class names a residue, or
            a `FoldedProtein`), for classification a column `p_<class>` with the probability of each class, for
            structures `plddt` (mean, 0 to 1), and `problem`: why a row has no prediction, "" where it has one.

        Raises:
            DataError: The table lacks a sequence column.
        """
        index, chains = self._chains(sequences)
        rows, problems = self._encode(chains)
        found: dict[int, Any] = {}
        for number, values in self._predict_rows(rows):
            found[number] = values
            if progress:
                progress(len(found), len(rows))
        return self._table(index, found, problems)

    def _chains(self, sequences: pd.DataFrame | Sequence[str]) -> tuple[pd.Index, list[list[str]]]:
        names = self.columns.sequence
        if not isinstance(sequences, pd.DataFrame):
            if len(names) > 1:
                raise DataError(f"The model takes {len(names)} chains a row; give a table with columns {names}.")
            return pd.RangeIndex(len(sequences)), [[_text(cell) for cell in sequences]]
        missing = [name for name in names if name not in sequences.columns]
        if missing and (len(names) > 1 or len(sequences.columns) > 1):
            raise DataError(
                f"The table has no column {missing[0]!r}, which the model reads; its columns are: "
                f"{', '.join(map(str, sequences.columns))}. Rename the column with the sequences."
            )
        used = list(sequences.columns) if missing else names
        return sequences.index, [[_text(cell) for cell in sequences[name]] for name in used]

    def _encode(self, chains: list[list[str]]) -> tuple[list[Row], list[str]]:
        """Return the rows that can be predicted, and for every row why it cannot be, or ""."""
        encoder, limit = self.model.adapter.alphabet, self.model.adapter.max_residues
        rows, problems = [], []
        for number, row in enumerate(zip(*chains, strict=True)):
            try:
                if not all(row):
                    raise DataError("There is no sequence; fill it in or leave out the row.")
                own = SequenceRows([[chain] for chain in row], encoder=encoder, max_residues=limit,
                                   policy=self.columns.too_long, row_ids=[number])  # fmt: skip
                rows.append(own.rows[0])
                problems.append("")
            except DataError as error:
                problems.append(str(error).removeprefix("Row 1, chain 1: ").removeprefix("Row 1, "))
        return rows, problems

    def _predict_rows(self, rows: list[Row]) -> Iterator[tuple[int, Any]]:
        """Yield (number of the row, its outputs), rows of about one length together."""
        rows = sorted(rows, key=_num_tokens)
        collate, first = Collate(self.model.adapter.alphabet, self.task), 0
        while first < len(rows):
            chosen = rows[first : first + self._batch_size(rows, first)]
            try:
                batches = list(iterate_predictions(self.model, [collate(chosen)], self.precision))
            except (torch.OutOfMemoryError, MemoryError):
                if len(chosen) == 1:
                    raise
                self.max_tokens = max(1, len(chosen) * _num_tokens(chosen[-1]) // 2)
                continue
            first += len(chosen)
            for batch, outputs in batches:
                yield from self._outputs(batch, outputs)

    def _batch_size(self, rows: list[Row], first: int) -> int:
        """Return how many rows from the first on fit into a batch; the last one is the longest of them."""
        if self.task == "structure":
            return 1  # states of pairs grow with the square of the length
        size = 1
        while first + size < len(rows) and (size + 1) * _num_tokens(rows[first + size]) <= self.max_tokens:
            size += 1
        return size

    def _outputs(self, batch: Batch, outputs: Any) -> Iterator[tuple[int, Any]]:
        numbers, residues_BL = batch.row_ids.tolist(), batch.chains[0].residues_BL
        if self.task == "structure":
            yield from zip(numbers, split_folds(outputs, batch.chains, self.model.adapter.alphabet), strict=True)
            return
        values = outputs.softmax(-1) if self.task == "classification" else outputs
        for i, number in enumerate(numbers):
            own = values[i][residues_BL[i]].argmax(-1) if self.task == "per_residue" else values[i]
            yield number, own.cpu().numpy()

    def _table(self, index: pd.Index, found: dict[int, Any], problems: list[str]) -> pd.DataFrame:
        rows = [found.get(number) for number in range(len(problems))]
        table = pd.DataFrame(index=index)
        if self.task == "regression":
            table["prediction"] = [np.nan if value is None else float(value) for value in rows]
        elif self.task == "classification":
            names = [None if value is None else self.classes[int(value.argmax())] for value in rows]
            table["prediction"] = pd.Series(names, index=index, dtype=object)
            for i, name in enumerate(self.classes):
                table[f"p_{name}"] = [np.nan if value is None else float(value[i]) for value in rows]
        elif self.task == "structure":
            table["prediction"] = pd.Series(rows, index=index, dtype=object)
            table["plddt"] = [np.nan if value is None else float(value.plddt.mean()) for value in rows]
        else:
            labels = [None if value is None else [self.classes[int(i)] for i in value] for value in rows]
            table["prediction"] = pd.Series(labels, index=index, dtype=object)
        return table.assign(problem=problems)


def _text(cell: object) -> str:
    return "" if is_missing(cell) else str(cell).strip().upper()


def _num_tokens(row: Row) -> int:
    return sum(map(len, row.tokens))

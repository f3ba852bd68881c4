"""A trained model that predicts new sequences: every row gets a prediction or the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch

from molfun.data.batches import Collate, Row, SequenceRows
from molfun.data.labels import is_missing
from molfun.data.settings import ColumnSettings, Task
from molfun.errors import DataError
from molfun.evaluation.folding import split_folds
from molfun.models import inference
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch, Trunk

Progress = Callable[[int, int], None]


class ReadTrunk(Protocol):
    """What answers a trunk from states that are kept or shared (`molfun.training.shared_prefix`)."""

    @property
    def num_read(self) -> int:
        """Rows whose beginning came from a store."""
        ...

    @property
    def work(self) -> float:
        """What it computes itself, as a share of its trunk."""
        ...

    def __call__(self, batch: Batch) -> Trunk:
        """Return what the trunk gives to the head."""
        ...


class Predictor:
    """Predicts sequences with the weights of a run; `molfun.load` makes one.

    Args:
        model: With its weights.
        columns: Sequence columns that it was trained on, and what happens to long sequences.
        classes: Class names by number; empty for regression.
        precision: Numbers to compute in, and the device.
        max_tokens: Most tokens of a batch, padding included; None takes what suits the device.
        trunk: Answers in place of the model's trunk while it predicts, from states that are kept or shared.

    Example:
        predictor = molfun.load("20260101-120000-binders-ab12")
        table = predictor.predict(["MKTAYIAKQR", "MKTAYIAKQK"])
    """

    def __init__(
        self, model: MolfunStructureModel, columns: ColumnSettings, classes: Sequence[str], *, precision: Precision,
        max_tokens: int | None = None, trunk: ReadTrunk | None = None,
    ) -> None:  # fmt: skip
        self.model = model.to(precision.device).eval()
        self.columns, self.classes, self.precision, self.trunk = columns, tuple(classes), precision, trunk
        # Halved where memory does not hold a batch.
        self.max_tokens = max_tokens or inference.max_tokens(precision.device)

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.columns.task

    @property
    def max_residues(self) -> int:
        """Longest sequence that the model takes whole."""
        return self.model.adapter.max_residues

    @property
    def num_read(self) -> int:
        """Rows whose beginning was not computed but read, since it was loaded."""
        return 0 if self.trunk is None else self.trunk.num_read

    @property
    def work(self) -> float:
        """What it computes itself, as a share of its trunk."""
        return 1.0 if self.trunk is None else self.trunk.work

    def predict(self, sequences: pd.DataFrame | Sequence[str], *, progress: Progress | None = None) -> pd.DataFrame:
        """Predict every row.

        Args:
            sequences: A table with the sequence columns of the training (one by another name will do where there is
                one chain and one column), or sequences of the one chain, or one of them.
            progress: Called with the rows that are done, and how many there are.

        Returns:
            A table with the index of the rows: `prediction` (a float, a class name, a list of class names a residue, or
            a `FoldedProtein`), for classification a column `p_<class>` with the probability of each class, for
            structures `plddt` (mean, 0 to 1), and `problem`: why a row has no prediction, "" where it has one.

        Raises:
            DataError: The table lacks a sequence column.
        """
        return predict_together([self], sequences, progress=progress)[0]

    def reads_as(self, other: Predictor) -> bool:
        """Tell whether another model reads the same sequences as the same tokens, on the same device."""
        ours, theirs = self.model.adapter, other.model.adapter
        return (ours.alphabet, self.max_residues, self.columns.too_long, self.task, self.precision.device) == (
            theirs.alphabet, other.max_residues, other.columns.too_long, other.task, other.precision.device
        )  # fmt: skip

    def _chains(self, sequences: pd.DataFrame | Sequence[str]) -> tuple[pd.Index, list[list[str]]]:
        names = self.columns.sequence
        if isinstance(sequences, str):
            sequences = [sequences]  # one sequence, and not its letters
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

    def _batch_size(self, rows: list[Row], first: int) -> int:
        """Return how many rows from the first on fit into a batch; the last one is the longest of them."""
        if self.task == "structure":
            return 1  # states of pairs grow with the square of the length
        size = 1
        while first + size < len(rows) and (size + 1) * _num_tokens(rows[first + size]) <= self.max_tokens:
            size += 1
        return size

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let what is kept or shared answer the trunk within the block."""
        before, self.model.prefix = self.model.prefix, self.trunk or self.model.prefix
        try:
            yield
        finally:
            self.model.prefix = before

    def _run(self, batch: Batch) -> list[Any]:
        """Return the outputs of each row of a batch that lies on the device."""
        outputs = inference.predict_batch(self.model.eval(), batch, self.precision)
        if self.task == "structure":
            return list(split_folds(outputs, batch.chains, self.model.adapter.alphabet))
        if self.task == "per_residue":
            classes_BL, residues_BL = outputs.argmax(-1).cpu().numpy(), batch.chains[0].residues_BL.cpu().numpy()
            return [own[residues] for own, residues in zip(classes_BL, residues_BL, strict=True)]
        values = outputs.softmax(-1) if self.task == "classification" else outputs
        return list(values.cpu().numpy())

    def _table(self, index: pd.Index, found: dict[int, Any], problems: list[str]) -> pd.DataFrame:
        rows = [found.get(number) for number in range(len(problems))]
        table = pd.DataFrame(index=index)
        if self.task == "regression":
            table["prediction"] = np.array([np.nan if value is None else value for value in rows], dtype=float)
        elif self.task == "classification":
            unknown = np.full(len(self.classes), np.nan)
            shares = np.array([unknown if value is None else value for value in rows], dtype=float)
            shares = shares.reshape(-1, len(self.classes))
            names = [None if value is None else self.classes[int(value.argmax())] for value in rows]
            table["prediction"] = pd.Series(names, index=index, dtype=object)
            for i, name in enumerate(self.classes):
                table[f"p_{name}"] = shares[:, i]
        elif self.task == "structure":
            table["prediction"] = pd.Series(rows, index=index, dtype=object)
            table["plddt"] = [np.nan if value is None else float(value.plddt.mean()) for value in rows]
        else:
            labels = [None if value is None else [self.classes[int(i)] for i in value] for value in rows]
            table["prediction"] = pd.Series(labels, index=index, dtype=object)
        return table.assign(problem=problems)


def predict_together(
    members: Sequence[Predictor], sequences: pd.DataFrame | Sequence[str], *, progress: Progress | None = None
) -> list[pd.DataFrame]:
    """Predict the same rows with several models, each batch with all of them before the next one.

    Rows with the same sequences are predicted once. What is left of a scan is all new to an encoder, whose attention
    looks both ways: one substitution changes the states of every residue, in every block.

    Args:
        members: They read the same tokens (`Predictor.reads_as`); the columns are those of the first one.
        sequences: As in `Predictor.predict`.
        progress: As there.

    Returns:
        A table a member, as `Predictor.predict` returns it.

    Raises:
        DataError: As there.
    """
    index, chains = members[0]._chains(sequences)
    rows, problems = members[0]._encode(chains)
    alike = _alike(rows)
    found: list[dict[int, Any]] = [{} for _ in members]
    with ExitStack() as stack:
        for member in members:
            stack.enter_context(member._reading())
        for chosen, outputs in _predict_rows(members, [same[0] for same in alike.values()]):
            for values, own in zip(found, outputs, strict=True):
                values.update((same.row_id, value) for row, value in zip(chosen, own, strict=True)
                              for same in alike[_key(row)])  # fmt: skip
            if progress:
                progress(len(found[0]), len(rows))
    return [member._table(index, values, problems) for member, values in zip(members, found, strict=True)]


def _predict_rows(members: Sequence[Predictor], rows: list[Row]) -> Iterator[tuple[list[Row], list[list[Any]]]]:
    """Yield (rows, the outputs of each member), rows of about one length together."""
    rows, lead, first = sorted(rows, key=_num_tokens), members[0], 0
    collate = Collate(lead.model.adapter.alphabet, lead.task)
    while first < len(rows):
        chosen = rows[first : first + min(member._batch_size(rows, first) for member in members)]
        try:
            # One object for all of them: by it they know that states of another member are of the same rows.
            batch = collate(chosen).to(lead.precision.device)
            outputs = [member._run(batch) for member in members]
        except (torch.OutOfMemoryError, MemoryError):
            if len(chosen) == 1:
                raise
            lead.max_tokens = max(1, len(chosen) * _num_tokens(chosen[-1]) // 2)
            continue
        first += len(chosen)
        yield chosen, outputs


def _alike(rows: list[Row]) -> dict[tuple[tuple[int, ...], ...], list[Row]]:
    """Return the rows by their tokens."""
    found: dict[tuple[tuple[int, ...], ...], list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found


def _key(row: Row) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, row.tokens))


def _text(cell: object) -> str:
    return "" if is_missing(cell) else str(cell).strip().upper()


def _num_tokens(row: Row) -> int:
    return sum(map(len, row.tokens))

"""Guesses which columns of a table are sequences and which one is the target. Only a proposal: people change it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from molfun.data.companions import mean_of, replicates_of
from molfun.data.labels import number, residue_labels
from molfun.data.notations import is_date, is_nearly_number
from molfun.data.proteins import ABOUT_STRUCTURE, STRUCTURE, Protein, has_structures
from molfun.data.settings import ColumnSettings, Task
from molfun.data.spellings import advice

PROTEIN = re.compile(r"[ACDEFGHIKLMNPQRSTVWYX*]{5,}|[acdefghiklmnpqrstvwyx*]{20,}")
NUCLEOTIDE = re.compile(r"[ACGTUN]+", re.IGNORECASE)
PAIRS = (r"heavy|^v?h(_?seq.*)?$", r"light|^v?l(_?seq.*)?$"), (r"alpha|^tra", r"beta|^trb"), (r"chain_?1", r"chain_?2")
SEQUENCE_NAMES = (
    "sequence", "seq", "protein", "protein_sequence", "aa_sequence", "aa_seq", "mutated_sequence", "x", "peptide",
    "peptide_sequence", "amino_acid_sequence", "aa sequence", "protein sequence", "peptide sequence",
)  # fmt: skip
TARGET_NAMES = (
    "target", "label", "labels", "y", "value", "species", "class", "fitness", "score", "ddg", "dg", "stability", "tm",
    "affinity", "kd", "ki", "ic50", "ec50", "activity", "expression", "measurement", "dms_score", "mean", "average",
    "median",
)  # fmt: skip
NO_TARGET = re.compile(
    r"^unnamed|^(split|set|part|fold|id|ids|row|index|idx|name|entry|gene|accession|uniprot|pdb|mutant|mutation|variant|dist|dy|chain"
    r"|subgroup|group|family|cluster|counts?|n|pos|position|length|len|units?|mask|sd|sem|se|cv|mad|epsilon|os|ox|gn|pe|sv|well"
    r"|plate|batch(?:[ _]no)?)$|std|stderr|error|sigma|_ct$|_id$|_(?:sd|se|sem)$| (?:sd|se|sem)$|^column_\d+$",
    re.IGNORECASE,
)
UNIT_BEHIND = re.compile(r"(?<=\S)\s*(?:\([^()]*\)|\[[^\[\]]*\])$")
SAMPLE_ROWS = 200
MAX_CLASSES = 50


def guess_columns(frame: pd.DataFrame) -> ColumnSettings:
    """Propose sequence columns, target and task.

    Args:
        frame: Table of `read_table`.

    Returns:
        Settings whose `sequence` is empty or whose `target` is "" where nothing fits.
    """
    if has_structures(frame):
        return _of_structures(frame)
    proteins = [name for name in frame.columns if looks_like_protein(frame[name])]
    labels = _label_column(frame, proteins)
    sequences = _sequences(frame, [name for name in proteins if name != labels])
    # Cells too odd to look like protein are for `checks` to judge, where the column's name says what they should be.
    sequences = (
        sequences or [name for name in frame.columns if _plain(name) in SEQUENCE_NAMES and is_text(frame[name])][:1]
    )
    sequences = sequences or [name for name in frame.columns if _is_written_otherwise(frame[name])][:1]
    labels = labels or _label_column(frame, sequences, within=[n for n in frame.columns if n not in proteins])
    if labels and sequences:
        return ColumnSettings(sequence=sequences, target=labels, task="per_residue")
    target, task = _target(frame, sequences)
    return ColumnSettings(sequence=sequences, target=target, task=task)


def _of_structures(frame: pd.DataFrame) -> ColumnSettings:
    """Propose the chains that every structure has; a measured value that was joined to them, else they themselves."""
    proteins = [cell for cell in frame[STRUCTURE] if isinstance(cell, Protein)]
    columns = dict.fromkeys(column for protein in proteins for column in protein.columns)
    shared = [name for name in columns if all(name in protein.columns for protein in proteins)]
    joined = frame.drop(columns=[name for name in (*ABOUT_STRUCTURE, *columns, STRUCTURE) if name in frame])
    target, task = _target(joined, shared)
    return ColumnSettings(sequence=shared, target=target or STRUCTURE, task=task if target else "structure")


def looks_like_protein(column: pd.Series) -> bool:
    """Tell whether most of a column's cells read as one-letter protein sequences of at least 5 residues."""
    text = _sample(column)
    if text.empty or ((text.str.len() < 10).all() and text.nunique() <= len(text) / 2):
        return False
    return bool(text.str.fullmatch(PROTEIN).mean() >= 0.7) and not looks_like_dna(column)


def looks_like_dna(column: pd.Series) -> bool:
    """Tell whether a column's cells consist of nucleotide letters only."""
    text = _sample(column)
    return not text.empty and bool((text.str.fullmatch(NUCLEOTIDE) & (text.str.len() >= 10)).mean() >= 0.9)


def _is_written_otherwise(column: pd.Series) -> bool:
    """Tell whether a column has proteins in three-letter codes, as DNA, with tags, or several in a cell."""
    text = _sample(column)
    if text.empty:
        return False
    is_long = text.str.len() >= 10
    return looks_like_dna(column) or bool((text.map(lambda cell: advice(cell) != "") & is_long).mean() >= 0.7)


def is_text(column: pd.Series) -> bool:
    """Tell whether a column's first filled cell is text."""
    return not _sample(column).empty


def _sample(column: pd.Series) -> pd.Series:
    """Return up to 200 filled text cells, spread over the column; none where the column is no text."""
    if pd.api.types.is_numeric_dtype(column):
        return pd.Series([], dtype=str)
    cells = column.dropna()
    if cells.empty or not isinstance(cells.iloc[0], str):
        return pd.Series([], dtype=str)
    places = np.unique(np.linspace(0, len(cells) - 1, SAMPLE_ROWS).astype(int))
    return cells.iloc[places].astype(str).str.strip()


def _sequences(frame: pd.DataFrame, proteins: list[str]) -> list[str]:
    for pair in PAIRS:
        found = [next((n for n in proteins if re.search(p, n, re.IGNORECASE)), "") for p in pair]
        if all(found) and found[0] != found[1]:
            return found
    for wanted in SEQUENCE_NAMES:
        if named := [name for name in proteins if _plain(name) == wanted]:
            return named[:1]
    # A wild type repeated on every row says nothing; the column with most distinct cells is the measured protein.
    return sorted(proteins, key=lambda name: -frame[name].nunique())[:1]


def _label_column(frame: pd.DataFrame, sequences: list[str], within: list[str] | None = None) -> str:
    """Return the column that has one label for every residue of a sequence column, "" where there is none."""
    for name in sequences if within is None else within:
        for other in sequences:
            if name != other and _labels_residues(frame[name], frame[other]):
                return name
    return ""


def _labels_residues(labels: pd.Series, sequences: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(labels):
        return False
    cells = zip(labels[:SAMPLE_ROWS], sequences[:SAMPLE_ROWS], strict=True)
    rows = [(found, b) for a, b in cells if (found := residue_labels(a)) is not None and isinstance(b, str)]
    # A few that do not fit are mistakes, which `checks` names.
    if not rows or sum(len(a) == len(b.strip()) for a, b in rows) < 0.8 * len(rows):
        return False
    # Secondary structure (H, E, C) reads as protein too: labels use far fewer letters than a sequence.
    letters = {letter for a, _ in rows for letter in a}
    residues = {letter for _, b in rows for letter in b}
    return len(letters) <= 10 and len(letters) < 0.7 * len(residues)


def _target(frame: pd.DataFrame, sequences: list[str]) -> tuple[str, Task]:
    tasks = {
        name: _task(frame[name])
        for name in frame.columns
        if name not in sequences and not NO_TARGET.search(_plain(name))
    }
    known = {name: task for name, task in tasks.items() if task is not None}
    for wanted in TARGET_NAMES:
        for name, task in known.items():
            if _plain(name) == wanted:
                return name, task
    if named := [n for n in frame.columns if _plain(n) in TARGET_NAMES and n not in sequences]:
        is_class = is_text(frame[named[0]]) and not _are_spoilt(frame[named[0]], with_dates=True)
        return named[0], "classification" if is_class else "regression"
    for task in ("regression", "classification"):
        if names := [name for name, found in known.items() if found == task]:
            return mean_of(frame, replicates_of(frame, names[-1])) or names[-1], task
    return "", "regression"


def _task(column: pd.Series) -> Task | None:
    """Return the task that a column could be the target of, None where it is neither a number nor a class."""
    cells = column.dropna()
    if cells.empty or not isinstance(cells.iloc[0], str | int | float | np.number | bool | np.bool_):
        return None
    distinct = cells.nunique()
    if pd.api.types.is_bool_dtype(column):
        return "classification"
    if pd.api.types.is_numeric_dtype(column):
        whole = bool(np.all(np.mod(cells[np.isfinite(cells)], 1) == 0))
        return "classification" if whole and distinct <= 10 and distinct <= len(cells) / 2 else "regression"
    numbers = cells.map(number)
    if numbers.notna().mean() >= 0.7 or _are_measured(numbers):
        # Mostly numbers: the cells that are text are mistakes, or say why there is none, which `checks` names.
        return "regression"
    if _are_spoilt(column, with_dates=numbers.notna().mean() >= 0.2) and (distinct > 10 or distinct > len(cells) / 2):
        return "regression"
    return "classification" if 2 <= distinct <= min(MAX_CLASSES, max(2, len(cells) // 3)) else None


def _are_measured(numbers: pd.Series) -> bool:
    """Tell whether cells are numbers with words among them: a fifth or more, with fractions, and of many values."""
    known = numbers[numbers.notna() & np.isfinite(numbers.astype(float))].astype(float)
    return len(known) >= 0.2 * len(numbers) and known.nunique() > 3 and bool((known % 1 != 0).mean() > 0.5)


def _are_spoilt(column: pd.Series, *, with_dates: bool) -> bool:
    """Tell whether most text cells are numbers, or were before something was written into them."""
    text = _sample(column)
    found = [number(cell) is not None or is_nearly_number(cell) or (with_dates and is_date(cell)) for cell in text]
    return len(found) > 0 and sum(found) >= 0.7 * len(found)


def _plain(name: str) -> str:
    """Return a column's name in lower case and without the unit behind it.

    >>> _plain("Tm (°C)"), _plain("Kd [nM]")
    ('tm', 'kd')
    """
    return UNIT_BEHIND.sub("", name).strip().lower()

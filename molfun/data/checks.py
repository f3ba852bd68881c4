"""Finds what is wrong with a table before anything starts: problems with row, column and value, never an exception.

Cells of the target are judged in `target_checks`, columns that belong to it in `companion_checks`.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from molfun.data.changes import plain_text, same_rows
from molfun.data.companion_checks import check_companions
from molfun.data.footers import is_footer, without_footer
from molfun.data.guess import looks_like_dna
from molfun.data.labels import is_missing
from molfun.data.mutations import looks_like_mutations
from molfun.data.outliers import check_outliers
from molfun.data.problems import Problem, capped
from molfun.data.proteins import has_structures
from molfun.data.row_numbers import file_rows
from molfun.data.settings import ColumnSettings
from molfun.data.spellings import advice
from molfun.data.structure_checks import check_structures
from molfun.data.target_checks import check_target
from molfun.errors import nearest, printable

__all__ = ["MIN_ROWS", "Problem", "check_table"]

MIN_ROWS = 10
SURELY_DNA = 30  # letters
ADVICE = {
    "*": "a stop; remove the row, or only the '*' where it ends the sequence",
    "-": "a gap; the model reads unaligned sequences, remove the gaps",
    ".": "a gap; the model reads unaligned sequences, remove the gaps",
    "X": "an unknown residue, which this model has no letter for; replace it or remove the row",
    " ": "a blank; remove it",
} | dict.fromkeys("0123456789", "a number; remove it")
RARE = dict.fromkeys(
    "BZJUO", "a rare or ambiguous residue, which this model has no letter for; replace it or remove the row"
)


def check_table(frame: pd.DataFrame, columns: ColumnSettings, *, letters: str, max_residues: int) -> list[Problem]:
    """Judge a table for a model.

    Args:
        frame: Table of `read_table`.
        columns: Which columns are used.
        letters: Residues that the model knows, upper case.
        max_residues: Longest sequence that it takes.

    Returns:
        Errors, then warnings; at most 20 of a kind, followed by one that counts the rest. Without errors the table can
        be saved and trained on.
    """
    problems = _check_columns(frame, columns)
    if problems:
        return problems
    problems += _check_footer(frame, columns)
    frame = without_footer(frame, columns.sequence, columns.target)
    chains = {name: _chain(frame[name]) for name in columns.sequence}
    problems += _check_num_rows(frame)
    for name, chain in chains.items():
        problems += _check_empty(frame, name, chain)
        problems += _check_letters(frame, name, chain, letters)
        problems += _check_lengths(frame, name, chain, columns, max_residues)
        problems += _check_kind(frame, name, chain, letters)
    problems += check_structures(frame, columns)
    problems += check_target(frame, columns)
    if columns.task == "regression":
        problems += check_outliers(frame, columns.target)
    problems += check_companions(frame, columns)
    problems += _check_duplicates(frame, columns, chains)
    return [_in_file(frame, problem) for problem in sorted(problems, key=lambda problem: problem.severity)]


def _in_file(frame: pd.DataFrame, problem: Problem) -> Problem:
    """Return a problem whose sentence begins with the file's name, where the table is one that was read from a file."""
    shown, (first, *_) = frame.attrs.get("file"), problem.message.split(" ", 1)
    if not shown or first not in ("Row", "Column"):
        return problem
    return replace(problem, message=f"{shown}, {first.lower()}{problem.message[len(first) :]}")


def _chain(column: pd.Series) -> pd.Series:
    """Return cells as `dataset` will save them, before upper-casing."""
    return column.map(plain_text).astype(object)


def _check_columns(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    problems = []
    if not columns.sequence:
        problems.append(Problem("error", _no_sequence(frame)))
    if not columns.target:
        problems.append(
            Problem("error", "No target column is chosen; choose the column that holds the measured value or class.")
        )
    known = ", ".join(str(name) for name in frame.columns)
    for name in [*columns.sequence, *([columns.target] if columns.target else [])]:
        if name not in frame.columns:
            hint = nearest(name, frame.columns) or f"; the columns are: {known}."
            problems.append(Problem("error", f"The table has no column {name!r}{hint}", column=name))
    names = [*columns.sequence, columns.target]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        problems.append(
            Problem("error", f"Column {name!r} is chosen twice; give each role its own column.", column=name)
        )
    return problems


def _no_sequence(frame: pd.DataFrame) -> str:
    if has_structures(frame):
        return (
            "No sequence column is chosen, as the structures have no chain of the same name; make every chain a row of "
            "its own (data.rows chain, or --rows chain), or join a table with the columns partner_1 and partner_2."
        )
    said = "No sequence column is chosen; choose the column that holds the protein sequences."
    if names := [str(name) for name in frame.columns if looks_like_mutations(frame[name])]:
        said += (
            f" Column {names[0]!r} holds mutations: give the wild type (page Data, or --wild-type), and they are "
            "turned into sequences."
        )
    return said


def _check_footer(frame: pd.DataFrame, columns: ColumnSettings) -> list[Problem]:
    below, name = is_footer(frame, columns.sequence, columns.target), columns.sequence[0]
    cells = zip(file_rows(frame)[below], frame[below].to_dict("records"), strict=True)
    first = ((int(row), next((str(cell) for cell in cells.values() if not is_missing(cell)), ""))
             for row, cells in cells)  # fmt: skip
    return capped(
        Problem("error", f"Row {row}, column {name!r}: {printable(text, 40)!r} stands below the table and is no row of "
                "it; leave it out.", row, name, text)
        for row, text in first
    )  # fmt: skip


def _check_num_rows(frame: pd.DataFrame) -> list[Problem]:
    if len(frame) >= MIN_ROWS:
        return []
    noun = "row" if len(frame) == 1 else "rows"
    return [
        Problem(
            "error", f"The table has {len(frame)} {noun}; expected at least {MIN_ROWS} to train, validate and test on."
        )
    ]


def _check_empty(frame: pd.DataFrame, name: str, chain: pd.Series) -> list[Problem]:
    rows = file_rows(frame)[(chain == "").to_numpy()]
    message = "expected a sequence, found nothing; fill it in or remove the row."
    return capped(Problem("error", f"Row {row}, column {name!r}: {message}", int(row), name) for row in rows)


def _check_letters(frame: pd.DataFrame, name: str, chain: pd.Series, letters: str) -> list[Problem]:
    # Not by upper-case text: that of "ß" are two letters, and known ones.
    unknown = re.compile(f"[^{re.escape(letters + letters.lower())}]")
    rows = file_rows(frame)
    if not unknown.search("".join(chain)):
        return []
    found = ((row, text, unknown.search(text)) for row, text in zip(rows, chain, strict=True))
    return capped(_letter_problem(int(row), name, text, match.start()) for row, text, match in found if match)


def _letter_problem(row: int, name: str, text: str, place: int) -> Problem:
    letter = " " if text[place].isspace() else text[place]
    known = ADVICE | RARE
    said = known.get(letter.upper(), "no residue; correct it or remove the row")
    if spelled := advice(text):
        said = f"no residue; {spelled}"
    message = f"Row {row}, column {name!r}: letter {letter!r} at position {place + 1} is {said}."
    return Problem("error", message, row, name, letter)


def _check_lengths(
    frame: pd.DataFrame, name: str, chain: pd.Series, columns: ColumnSettings, max_residues: int
) -> list[Problem]:
    lengths = chain.str.len().to_numpy(dtype=int)
    long = lengths > max_residues
    if not long.any():
        return []
    if columns.too_long != "refuse":
        used = {"crop": "their first ones are used", "window": "their middle ones are used",
                "skip": "their rows are left out"}[columns.too_long]  # fmt: skip
        message = f"{long.sum()} of {len(frame)} sequences exceed {max_residues} residues; {used}."
        return [Problem("warning", f"Column {name!r}: {message}", column=name)]
    advice = f"the model takes {max_residues}; remove the row, or choose crop, window or skip"
    return capped(
        Problem(
            "error",
            f"Row {row}, column {name!r}: the sequence has {length} residues, {advice}.",
            int(row),
            name,
            str(length),
        )
        for row, length in zip(file_rows(frame)[long], lengths[long], strict=True)
    )


def _check_kind(frame: pd.DataFrame, name: str, chain: pd.Series, letters: str) -> list[Problem]:
    """Judge a column as a whole: DNA, lower case, unknown residues."""
    problems = []
    filled = chain[chain != ""]
    if looks_like_dna(filled):
        # Of short peptides it may be chance; of ten codons and more it is none.
        is_sure = float(filled.str.len().median()) >= SURELY_DNA
        message = f"Column {name!r} has nucleotide letters only (ACGTU); if it is DNA or RNA, translate it first."
        problems.append(Problem("error" if is_sure else "warning", message, column=name))
    upper = chain.str.upper()
    lower = (chain != upper).to_numpy()
    if lower.any():
        row, place = _first_place(frame, chain, lower, r"[a-z]")
        message = (
            f"Column {name!r}: {_some(lower)} lower-case letters (first in row {row}, position {place}); they are read "
            f"as upper case.{_mixed_case(chain[lower])}"
        )
        problems.append(Problem("warning", message, column=name))
    unknown = upper.str.contains("X", regex=False).to_numpy()
    if unknown.any() and "X" in letters:
        row, place = _first_place(frame, chain, unknown, r"[xX]")
        message = (
            f"Column {name!r}: {_some(unknown)} X (first in row {row}, position {place}; "
            f"up to {int(chain[unknown].str.upper().str.count('X').max())} a sequence); the model reads an unknown "
            "residue."
        )
        problems.append(Problem("warning", message, column=name))
    return problems


def _some(chosen: np.ndarray) -> str:
    """Return how many sequences are chosen, and that they have something."""
    return f"{chosen.sum()} of {len(chosen)} sequences {'has' if chosen.sum() == 1 else 'have'}"


def _first_place(frame: pd.DataFrame, chain: pd.Series, chosen: np.ndarray, letters: str) -> tuple[int, int]:
    """Return the row of the file and the position, from 1, of the first of some letters."""
    row = int(chosen.argmax())
    found = re.search(letters, chain.iloc[row])
    return int(file_rows(frame)[row]), found.start() + 1 if found else 1


def _mixed_case(chain: pd.Series) -> str:
    """Return a warning where single small letters stand among capitals, as people mark what they changed."""
    alone = chain.str.contains(r"(?<=[A-Z])[a-z](?=[A-Z])").to_numpy()
    if not alone.any():
        return ""
    found = re.search(r"(?<=[A-Z])[a-z](?=[A-Z])", chain[alone].iloc[0])
    return f" A single {found[0]!r} among capitals may mark a modification (pS) or a mutation." if found else ""


def _check_duplicates(frame: pd.DataFrame, columns: ColumnSettings, chains: dict[str, pd.Series]) -> list[Problem]:
    """Warn of repeated inputs: a random split puts copies into training and test alike."""
    # Rows without a sequence are alike in nothing.
    filled = np.logical_and.reduce([(chain != "").to_numpy() for chain in chains.values()])
    if not filled.all():
        rows = file_rows(frame)[filled].tolist()
        frame = frame[filled].copy()
        frame.attrs["file_rows"] = rows
        chains = {name: chain[filled] for name, chain in chains.items()}
    keys = pd.Series(same_rows([chain.str.upper() for chain in chains.values()]), index=frame.index)
    several = keys.duplicated(keep=False)
    if not several.any():
        return []
    rows = pd.DataFrame({"key": keys, "row": file_rows(frame), "target": frame[columns.target]})[several]
    rows["target"] = rows["target"].map(lambda cell: repr(cell.tolist() if isinstance(cell, np.ndarray) else cell))
    rows["first"] = rows.groupby("key")["row"].transform("first")
    same_input, same_row = rows.duplicated("key"), rows.duplicated(["key", "target"])
    return [
        *_pair_problems(rows[same_row], "repeats row {first} exactly; remove one of them."),
        *_pair_problems(
            rows[same_input & ~same_row], "has the sequence of row {first} with another target; keep one value."
        ),
    ]


def _pair_problems(rows: pd.DataFrame, text: str) -> list[Problem]:
    pairs = zip(rows["row"].tolist(), rows["first"].tolist(), strict=True)
    return capped(Problem("warning", f"Row {row} {text.format(first=first)}", row) for row, first in pairs)

"""Steps of a recipe that would mend something of a table, each with how many rows it changes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from molfun.data import spellings
from molfun.data.changes import plain_text
from molfun.data.companions import mask_of, mean_of, replicates_of, unit_column_of
from molfun.data.footers import without_footer
from molfun.data.guess import looks_like_dna
from molfun.data.labels import is_missing, number
from molfun.data.recipe import Step
from molfun.data.row_steps import DropStep
from molfun.data.sequence_steps import BLANKS, GAPS, LETTERS, ChainsStep, LettersStep, TranslateStep
from molfun.data.settings import ColumnSettings
from molfun.data.units import WITH_UNIT, main_unit, read_unit
from molfun.data.value_steps import MaskStep, MeanStep, MergeStep, NumbersStep
from molfun.errors import DataError

MOST = 0.5  # of the cells; fewer are not mended by what only fits a whole column


def candidates(
    frame: pd.DataFrame, columns: ColumnSettings, *, letters: str, max_residues: int
) -> list[tuple[Step, int]]:
    """Return steps that would change something, each with how many rows, in the order in which they are best done."""
    sequence, target = columns.sequence, columns.target
    if not sequence or not target or {*sequence, target} - set(frame.columns):
        return []
    footer = DropStep(columns=[*sequence, target], why="footer")
    below = num_changes(frame, footer)
    frame = without_footer(frame, sequence, target)
    chains = {name: frame[name].map(plain_text) for name in sequence}
    # Asked of the whole column first: a step that can change nothing is not tried on a million rows.
    found = set().union(*("".join(chain.to_numpy(dtype=object)) for chain in chains.values()))
    steps = [
        *_of_sequences(frame, chains, found),
        *_of_target(frame, columns),
        *_of_numbers(frame[target], columns),
        *_of_rows(columns, chains, set("".join(found).upper()) - set(letters), letters, max_residues),
    ]
    counted = [(step, num_changes(frame, step)) for step in steps]
    return [(step, count) for step, count in [(footer, below), *counted] if count]


def num_changes(frame: pd.DataFrame, step: Step) -> int:
    """Return how many rows a step would change; none where it cannot be done."""
    try:
        return len({change.row for change in step.apply(frame)[1]})
    except DataError:
        return 0


def _of_sequences(frame: pd.DataFrame, chains: dict[str, pd.Series], found: set[str]) -> Iterator[Step]:
    names = list(chains)
    dna = [name for name in names if looks_like_dna(frame[name])]
    if dna:
        yield TranslateStep(columns=dna, source="dna")
    odd = found - set("ABCDEFGHIKLMNPQRSTVWXYZ")
    if any(letter in odd for letter in "'\"`\u2018\u2019\u201c\u201d\u00ab\u00bb"):
        yield LettersStep(columns=names, remove="quotes")
    coded = [
        name
        for name, chain in chains.items()
        if odd & set("- aeily") and _share(chain, spellings.THREE_LETTER.fullmatch) > MOST
    ]
    if coded:
        yield TranslateStep(columns=coded, source="three_letter")
        return
    if odd & set(":/|;,_+"):
        yield from _parted(chains)
    if "-" in odd:
        yield from _tagged(chains)
    removed = {
        "brackets": bool(odd & set("([{<")), "phospho": "p" in odd,
        "blanks": any(BLANKS.fullmatch(letter) for letter in odd), "stops": "*" in odd,
        "gaps": any(GAPS.fullmatch(letter) for letter in odd),
    }  # fmt: skip
    for what, is_there in removed.items():
        if is_there:
            yield LettersStep.parse({"columns": names, "remove": what})


def _parted(chains: dict[str, pd.Series]) -> Iterator[Step]:
    for name, chain in chains.items():
        signs = chain[chain != ""].map(spellings.chain_sign)
        sign = signs.mode().iloc[0] if len(signs) else ""
        if sign and (signs == sign).mean() > MOST:
            yield ChainsStep(column=name, sign=sign, num_chains=int(chain.str.count(f"[{sign}]").max()) + 1)


def _tagged(chains: dict[str, pd.Series]) -> Iterator[Step]:
    filled = pd.concat(list(chains.values()))
    if _share(filled, lambda text: LETTERS["tags"](text) != text):
        yield LettersStep(columns=list(chains), remove="tags")


def _share(chain: pd.Series, tell: object) -> float:
    filled = chain[chain != ""]
    return float(filled.map(lambda text: bool(tell(text))).mean()) if len(filled) and callable(tell) else 0.0


def _of_target(frame: pd.DataFrame, columns: ColumnSettings) -> Iterator[Step]:
    target = columns.target
    if mask := mask_of(frame, columns):
        yield MaskStep(column=target, mask=mask)
    if columns.task != "regression":
        return
    replicates = replicates_of(frame, target)
    if replicates and not mean_of(frame, replicates):
        into = next(name for name in ("mean", f"mean of {target}", "mean (2)") if name not in frame.columns)
        yield MeanStep(columns=replicates, into=into)
    unit_column, unit = unit_column_of(frame, target)
    if unit:
        yield NumbersStep(column=target, read="units", unit=unit, unit_column=unit_column)
    if pd.api.types.is_numeric_dtype(frame[target]):
        return
    yield NumbersStep(column=target, read="commas")
    yield NumbersStep(column=target, read="spread")
    yield NumbersStep(column=target, read="marks")
    yield from _with_units(frame[target], target)
    yield NumbersStep(column=target, read="bounds")


def _with_units(cells: pd.Series, target: str) -> Iterator[Step]:
    """Turn values into one unit where they have several, and take the unit away where all have the same."""
    found = [match for cell in cells if isinstance(cell, str) and (match := WITH_UNIT.fullmatch(cell.strip()))]
    units = {read_unit(match[3]) for match in found}
    if len(units - {""}) > 1:
        if unit := main_unit(read_unit(match[3]) for match in found):
            yield NumbersStep(column=target, read="units", unit=unit)
        return
    yield NumbersStep(column=target, read="units")


def _of_numbers(cells: pd.Series, columns: ColumnSettings) -> Iterator[Step]:
    """Leave out rows with nothing in them, and those with something that is no number, where there are any."""
    yield DropStep(columns=[*columns.sequence, columns.target], why="missing")
    if columns.task == "regression" and cells.map(_is_no_number).any():
        yield DropStep(columns=[columns.target], why="number")


def _is_no_number(cell: object) -> bool:
    if is_missing(cell):
        return False
    value = number(cell)
    return value is None or not math.isfinite(value)


def _of_rows(
    columns: ColumnSettings, chains: dict[str, pd.Series], unknown: set[str], letters: str, max_residues: int
) -> Iterator[Step]:
    sequence, target, task = columns.sequence, columns.target, columns.task
    upper = [chain.str.upper() for chain in chains.values()]
    if unknown:
        yield DropStep(columns=sequence, why="letters", letters=letters)
    if any(chain.str.len().max() > max_residues for chain in upper):
        yield DropStep(columns=sequence, why="longer", longest=max_residues)
    if pd.concat(upper, axis=1).duplicated().any():
        yield DropStep(columns=[*sequence, target], why="copies")
        if task == "regression":
            yield MergeStep(columns=sequence, target=target)
        if task == "classification":
            yield MergeStep(columns=sequence, target=target, how="drop")

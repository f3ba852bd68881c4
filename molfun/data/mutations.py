"""Mutations as people write them (A24G, V39D:G41C, p.Val39Asp), and the sequences that they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from biotite.sequence import ProteinSequence

from molfun.data.labels import is_missing
from molfun.data.problems import Problem, capped
from molfun.data.row_numbers import file_rows
from molfun.errors import DataError, printable

# How public tables call the protein without any mutation.
WILD_TYPES = frozenset(
    {"wt", "_wt", "wildtype", "wild type", "wild-type", "wild_type", "p.=", "p.(=)", "=", "reference", "parent"}
)
SEPARATORS = re.compile(r"[\s:;,+/&|_]+|-(?=[A-Za-z])")
MUTATION = re.compile(r"([A-Z]|[A-Z]{3})(-?\d{1,6})([A-Z]|[A-Z]{3}|[*=])", re.IGNORECASE)
# Which chain is meant: before the mutation ("A:V39D") or behind the residue before, as SKEMPI has it ("VA39D").
CHAIN_BEFORE = re.compile(r"(?<![A-Za-z0-9])([A-Za-z])[:.](?=\s*(?:[A-Z]|[A-Z]{3})-?\d)", re.IGNORECASE)
CHAIN_BEHIND = re.compile(r"([A-Z])([A-Z])(-?\d{1,6})([A-Z])")
ARROWS = re.compile(r"\s*(?:->|=>|[>\u2192])\s*")
OF_OTHER_KINDS = re.compile(r"del|ins|dup|fs|ext|\?", re.IGNORECASE)
SAMPLE_ROWS = 200
MAX_SHOWN = 60
MAX_CHARACTERS = 10_000  # ours have some ten; a cell of this size is no list of mutations


@dataclass(frozen=True)
class Mutation:
    """One substitution.

    Attributes:
        wild: Residue before, one letter.
        number: Its number as written; what the first residue of the wild type is called is another matter.
        mutant: Residue after, one letter; the same as `wild` where nothing changes.
        chain: Of several, "" where the text names none.
    """

    wild: str
    number: int
    mutant: str
    chain: str = ""

    def __str__(self) -> str:
        return f"{self.wild}{self.number}{self.mutant}"


def parse_mutations(text: str) -> tuple[Mutation, ...]:
    """Return the substitutions that a text names, none for the wild type.

    One letter (`A24G`) or three (`Val39Asp`, HGVS's `p.(Val39Asp)`), parted by colons, semicolons, commas, blanks,
    slashes, plus signs or underscores, in HGVS's brackets or not, with an arrow in the middle or not. Of several chains
    each may name its own: `A:V39D`, or `VA39D`.

    Source: HGVS nomenclature, recommendations on protein substitutions (https://hgvs-nomenclature.org).

    Example:
        >>> [str(mutation) for mutation in parse_mutations("p.[Val39Asp;Gly41Cys]")]
        ['V39D', 'G41C']

    Raises:
        DataError: It is no list of substitutions; the sentence has no row, the caller knows it.
    """
    if len(text) > MAX_CHARACTERS:
        raise DataError(f"expected mutations such as A24G or V39D:G41C, found {len(text):,} characters")
    if text.strip().lower() in WILD_TYPES:
        return ()
    inner = ARROWS.sub("", re.sub(r"p\.|[\[\]()]", "", text.strip()))
    inner = CHAIN_BEFORE.sub(r"\1.", inner)
    words = [word for word in SEPARATORS.split(inner) if word]
    if not words:
        raise DataError("expected mutations such as A24G, or WT for the wild type, found nothing")
    if len(words) > 1 and re.search(r"del|ins|dup|fs", inner):
        raise DataError(f"{_shown(text)} is no substitution; give the whole sequence instead")
    found = tuple(_parse_word(word) for word in words)
    places = [(mutation.chain, mutation.number) for mutation in found]
    if len(set(places)) < len(places):
        twice = next(place[1] for place in places if places.count(place) > 1)
        raise DataError(f"residue {twice} is mutated twice in {_shown(text)}; name it once")
    return found


@lru_cache(maxsize=1 << 15)
def _parse_word(word: str) -> Mutation:
    if word[1:2] == ".":
        return replace(_parse_word(word[2:]), chain=word[0].upper())
    if behind := CHAIN_BEHIND.fullmatch(word.upper()):
        word, chain = f"{behind[1]}{behind[3]}{behind[4]}", behind[2]
        return replace(_parse_word(word), chain=chain)
    match = MUTATION.fullmatch(word)
    if match is not None and match[3].lower() in ("del", "dup", "ins", "ext"):
        raise DataError(f"{_shown(word)} is no substitution; give the whole sequence instead")
    if match is None or (len(match[1]) != len(match[3]) and match[3] not in "*="):
        if OF_OTHER_KINDS.search(word):
            advice = "is no substitution; give the whole sequence instead"
        elif re.fullmatch(r"[A-Za-z]+\d+", word) or re.fullmatch(r"\d+[A-Za-z]+", word):
            advice = "lacks a letter; expected the residue before, its number, the residue after"
        else:
            advice = "is no mutation; expected one such as A24G or Val39Asp"
        raise DataError(f"{_shown(word)} {advice}")
    wild = _one_letter(match[1], word)
    if match[3] == "*" or match[3].upper() == "TER":
        raise DataError(f"{_shown(word)} is a stop; give the shortened sequence instead, or remove the row")
    return Mutation(wild, int(match[2]), wild if match[3] == "=" else _one_letter(match[3], word))


def _one_letter(code: str, word: str) -> str:
    letter = code.upper()
    if len(code) == 3:
        try:
            letter = ProteinSequence.convert_letter_3to1(code.upper())
        except KeyError:
            letter = ""
    if not letter or letter not in "ACDEFGHIKLMNPQRSTVWYUO":
        raise DataError(f"{_shown(word)} names no residue {printable(code, MAX_SHOWN)!r}; expected one of the 20")
    return letter


def _shown(text: str) -> str:
    return repr(printable(text.strip(), MAX_SHOWN))


def looks_like_mutations(column: pd.Series) -> bool:
    """Tell whether most of a column's cells are mutations; one that names the wild type alone is none."""
    if pd.api.types.is_numeric_dtype(column):
        return False
    cells = column.dropna()
    sample = [cell for cell in cells.iloc[:: max(1, len(cells) // SAMPLE_ROWS)] if isinstance(cell, str)]
    found = [mutations for cell in sample if (mutations := _parsed(cell)) is not None]
    return len(found) >= 0.7 * max(1, len(sample)) and any(found)


def mutation_columns(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns that hold mutations, each with the chains that its mutations name (none where they do not)."""
    names = [str(name) for name in frame.columns if looks_like_mutations(frame[name])]
    return {name: sorted({mutation.chain for mutation in mutations_of(frame[name])} - {""}) for name in names}


def _parsed(cell: str) -> tuple[Mutation, ...] | None:
    try:
        return parse_mutations(cell)
    except DataError:
        return None


def mutations_of(column: pd.Series) -> list[Mutation]:
    """Return the mutations of all cells that can be read; each cell counts once."""
    cells = column.dropna().unique()
    return [mutation for cell in cells for mutation in _parsed(str(cell)) or ()]


def guess_first_number(wild_type: str, mutations: Iterable[Mutation]) -> int | None:
    """Return how the wild type's first residue is numbered, as most mutations say; None where nothing agrees.

    Args:
        wild_type: Its sequence.
        mutations: Of the table. Where several numberings agree with the same number of them, 1 is preferred, then 0,
            then the one nearest to 1.
    """
    distinct = {(mutation.wild, mutation.number) for mutation in mutations}
    if not distinct or not wild_type:
        return None
    wild = np.array([ord(letter) for letter, _ in distinct])
    numbers = np.array([number for _, number in distinct])
    letters = np.array([ord(letter) for letter in wild_type])
    lowest, highest = int(numbers.min()) - len(letters) + 1, int(numbers.max())
    best: tuple[int, int, int] | None = None
    for first in sorted({1, 0, *range(max(lowest, -10_000), min(highest, 10_000) + 1)}):
        places = numbers - first
        inside = (places >= 0) & (places < len(letters))
        agree = int((letters[places[inside]] == wild[inside]).sum())
        candidate = (agree, -abs(first - 1) if first else 0, first)
        if agree and (best is None or candidate > best):
            best = candidate
    return best[2] if best else None


def apply_mutations(wild_type: str, mutations: Sequence[Mutation], first_number: int = 1) -> str:
    """Return the wild type with mutations.

    Args:
        wild_type: Its sequence, upper case.
        mutations: As `parse_mutations` gives them.
        first_number: Number of its first residue: 1, 0, or where a construct begins.

    Example:
        >>> apply_mutations("MAK", parse_mutations("A2G"))
        'MGK'

    Raises:
        DataError: A residue is not there, or is another one.
    """
    letters = list(wild_type)
    for mutation in mutations:
        place = mutation.number - first_number
        if not 0 <= place < len(letters):
            last = first_number + len(letters) - 1
            raise DataError(
                f"{mutation} lies outside the wild type, whose residues are {first_number} to {last}; correct it or "
                "remove the row"
            )
        if letters[place] != mutation.wild:
            raise DataError(
                f"{mutation} expects {mutation.wild}, but residue {mutation.number} is {letters[place]}; correct it or "
                "remove the row"
            )
        letters[place] = mutation.mutant
    return "".join(letters)


def read_sequences(
    frame: pd.DataFrame, column: str, wild_type: str, first_number: int = 1, *, chain: str = ""
) -> tuple[list[str], list[Problem]]:
    """Return the sequence of every row from its mutations, "" where there is none, and what is wrong with those.

    Args:
        frame: Table of `read_table`.
        column: Of mutations.
        wild_type: Its sequence, upper case.
        first_number: Number of its first residue.
        chain: Of which the mutations are taken, where they name several; "" takes all.
    """
    sequences, problems = [], []
    known: dict[str, str | DataError] = {}
    for row, cell in zip(file_rows(frame), frame[column], strict=True):
        text = "" if is_missing(cell) else str(cell)
        if text not in known:
            known[text] = _sequence(text, wild_type, first_number, chain)
        sequence = known[text]
        if isinstance(sequence, DataError):
            message = f"Row {row}, column {column!r}: {sequence}."
            problems.append(Problem("error", message, int(row), column, printable(text, MAX_SHOWN)))
        sequences.append("" if isinstance(sequence, DataError) else sequence)
    return sequences, capped(problems)


def _sequence(text: str, wild_type: str, first_number: int, chain: str) -> str | DataError:
    try:
        own = [mutation for mutation in parse_mutations(text) if not chain or mutation.chain == chain]
        return apply_mutations(wild_type, own, first_number)
    except DataError as error:
        return error


def differences(sequence: str, wild_type: str, first_number: int = 1) -> tuple[Mutation, ...]:
    """Return the mutations that turn the wild type into a sequence of the same length.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = enumerate(zip(wild_type, sequence, strict=True), start=first_number)
    return tuple(Mutation(wild, number, mutant) for number, (wild, mutant) in pairs if wild != mutant)


def consensus(sequences: Iterable[str]) -> str:
    """Return the most frequent letter at each place, of sequences of one length; "" where lengths differ.

    Of a deep mutational scan this is the wild type.
    """
    distinct = list(sequences)
    if not distinct or len({len(sequence) for sequence in distinct}) > 1:
        return ""
    letters = np.array([list(sequence) for sequence in distinct], dtype="<U1").reshape(len(distinct), -1)
    found = []
    for place in range(letters.shape[1]):
        names, counts = np.unique(letters[:, place], return_counts=True)
        found.append(str(names[counts.argmax()]))
    return "".join(found)

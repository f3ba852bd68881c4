"""Steps of a recipe that make or mend sequences."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Literal

import pandas as pd

from molfun.data import spellings
from molfun.data.changes import Change, Cleaned, added, find, kept, mapped, plain_text, shown
from molfun.data.mutations import guess_first_number, mutations_of, read_sequences
from molfun.data.row_numbers import file_rows
from molfun.errors import DataError
from molfun.settings import Settings

GAPS, STOPS, BLANKS, QUOTES = (
    re.compile(r"[-.~]+"),
    re.compile(r"\*+\s*$"),
    re.compile(r"[\s\d\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"),
    re.compile(r"""^['"`\u2018-\u201f\u00ab\u00bb]+|['"`\u2018-\u201f\u00ab\u00bb]+$"""),
)
LETTERS: dict[str, Callable[[str], str]] = {
    "gaps": partial(GAPS.sub, ""), "stops": partial(STOPS.sub, ""), "blanks": partial(BLANKS.sub, ""),
    "quotes": partial(QUOTES.sub, ""), "tags": spellings.without_tags, "brackets": partial(spellings.BRACKETS.sub, ""),
    "phospho": partial(spellings.PHOSPHO.sub, ""),
}  # fmt: skip


class MutationsStep(Settings):
    """Builds the column `into` from mutations of a wild type; of one chain where the mutations name several."""

    kind: Literal["mutations"] = "mutations"
    column: str
    wild_type: str
    first_number: int = 1
    into: str = "sequence"
    chain: str = ""

    def title(self) -> str:
        """Say what it does."""
        of_chain = f" of chain {self.chain}" if self.chain else ""
        return f"Sequences from the mutations in '{self.column}'{of_chain}"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with the new column; rows whose mutations do not fit have nothing there."""
        find(frame, self.column)
        wild_type = "".join(self.wild_type.split()).upper()
        if not wild_type:
            raise DataError("Sequences from mutations need the wild type's sequence; paste it.")
        sequences, _ = read_sequences(frame, self.column, wild_type, self.first_number, chain=self.chain)
        return added(frame, self.into, [text or None for text in sequences], frame[self.column])


def plan_mutations(
    frame: pd.DataFrame,
    column: str,
    wild_type: str,
    first_number: int | None,
    *,
    chain: str = "",
    into: str = "sequence",
) -> MutationsStep:
    """Return the step that builds sequences, with the number of the first residue found where it is not given.

    Args:
        frame: Table of `read_table`.
        column: Of mutations.
        wild_type: Its sequence, upper case.
        first_number: Of its first residue, None to find it.
        chain: Whose mutations count, "" where they name at most one.
        into: Name of the column that is made.

    Raises:
        DataError: The column is absent, names several chains of which none is chosen, or no mutation fits.
    """
    mutations = mutations_of(find(frame, column))
    chains = sorted({mutation.chain for mutation in mutations} - {""})
    if len(chains) > 1 and chain not in chains:
        raise DataError(
            f"The mutations in {column!r} name the chains {', '.join(chains)}; say which of them the wild type is."
        )
    own = [mutation for mutation in mutations if not chain or mutation.chain == chain]
    first = guess_first_number(wild_type, own) if first_number is None else first_number
    if first is None:
        raise DataError(f"No mutation in {column!r} fits to this wild type; is it the right sequence?")
    return MutationsStep(column=column, wild_type=wild_type, first_number=first, into=into, chain=chain)


class LettersStep(Settings):
    """Takes what is no residue out of sequences: gaps, a stop at the end, blanks and digits, tags, remarks."""

    kind: Literal["letters"] = "letters"
    columns: list[str]
    remove: Literal["gaps", "stops", "blanks", "quotes", "tags", "brackets", "phospho"]

    def title(self) -> str:
        """Say what it does."""
        what = {
            "gaps": "gaps ('-', '.')", "stops": "stops at the end ('*')", "blanks": "blanks and digits",
            "quotes": "quotation marks", "tags": "names of tags and end groups ('HIS-', '-NH2')",
            "brackets": "remarks in brackets", "phospho": "marks of phosphorylation ('pS')",
        }  # fmt: skip
        return f"Remove {what[self.remove]} from sequences"

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with clean sequences."""
        return mapped(frame, self.columns, lambda cell: LETTERS[self.remove](str(cell).strip()))


class TranslateStep(Settings):
    """Writes sequences with one letter a residue: from DNA or RNA, or from three-letter codes."""

    kind: Literal["translate"] = "translate"
    columns: list[str]
    source: Literal["dna", "three_letter"]

    def title(self) -> str:
        """Say what it does."""
        names = " and ".join(f"'{name}'" for name in self.columns)
        what = {"dna": f"Translate the DNA in {names} into protein",
                "three_letter": f"Write the three-letter codes in {names} with one letter a residue"}  # fmt: skip
        return what[self.source]

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with proteins; a row of no whole number of codons has nothing there."""
        read: Callable[[str], str] = spellings.translate if self.source == "dna" else spellings.one_letter
        return mapped(frame, self.columns, lambda cell: read(str(cell).strip()))


class ChainsStep(Settings):
    """Parts several chains that stand in one cell into columns of their own, `<column>_1` and on."""

    kind: Literal["chains"] = "chains"
    column: str
    sign: str
    num_chains: int = 2

    def title(self) -> str:
        """Say what it does."""
        return f"Part the chains in '{self.column}' at '{self.sign}'"

    def names(self) -> list[str]:
        """Return the columns that it makes."""
        return [f"{self.column}_{i}" for i in range(1, self.num_chains + 1)]

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table with one column a chain; a row of fewer chains has nothing in the last ones."""
        if not self.sign.strip():
            raise DataError("chains need a sign that parts them; expected one such as ':'")
        cells = [[part.strip() for part in plain_text(cell).split(self.sign)] for cell in find(frame, self.column)]
        too_many = next((i for i, parts in enumerate(cells) if len(parts) > self.num_chains), None)
        if too_many is not None:
            raise DataError(
                f"row {file_rows(frame)[too_many]} has {len(cells[too_many])} chains; expected {self.num_chains}"
            )
        even = [parts + [""] * (self.num_chains - len(parts)) for parts in cells]
        made = {name: [parts[i] or None for parts in even] for i, name in enumerate(self.names())}
        cleaned = frame.assign(**{name: pd.Series(chain, frame.index, dtype=object) for name, chain in made.items()})
        names = ", ".join(made)
        changes = [Change(int(row), self.column, shown(cell), f"{len(parts)} chains in {names}")
                   for row, cell, parts in zip(file_rows(frame), frame[self.column], cells, strict=True)]  # fmt: skip
        return kept(cleaned, frame), changes

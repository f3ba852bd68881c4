"""Proteins that people name on a command line: as letters, or as a file that holds them."""

from __future__ import annotations

from contextlib import suppress


def sequences_of(word: str) -> list[str]:
    """Return the sequences of a file, where a word is the name of one; else the word itself, not judged.

    Raises:
        DataError: The file cannot be read, or has no column with sequences.
    """
    from molfun.data.changes import plain_text
    from molfun.data.tables import read_table
    from molfun.errors import DataError
    from molfun.home import expanded

    path, is_file = expanded(word), False
    with suppress(OSError, ValueError):  # a sequence is too long for a name
        is_file = path.is_file()
    if not is_file:
        return [word]
    table = read_table(path)
    if "sequence" not in table:
        raise DataError(
            f"{word} has no column 'sequence', but {', '.join(map(str, table.columns))}; give the wild type as FASTA, "
            "or rename the column that has it."
        )
    return [plain_text(cell) for cell in table["sequence"]]

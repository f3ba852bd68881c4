"""Ugly files: each gives the right table, or an error that says where and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from molfun.data.checks import check_table
from molfun.data.row_numbers import file_rows
from molfun.data.tables import guess_columns, read_table
from molfun.errors import DataError
from tests.data.ugly_files import Ugly, corpus

FILES = corpus()
LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
# File, row, column: what was found; what to do.
OF_A_CELL = re.compile(r"\S+, row \d+, column '[^']+': .+[,;] .+\.", re.DOTALL)


def problems(path: Path, *, with_warnings: bool) -> list[str]:
    """Return what is wrong with a file: the reader's sentence, or what the checks find."""
    try:
        frame = read_table(path)
    except DataError as error:
        return [str(error)]
    found = check_table(frame, guess_columns(frame), letters=LETTERS, max_residues=510)
    # Few rows are enough here.
    found = [problem for problem in found if not problem.message.startswith("The table has ")]
    return [problem.message for problem in found if with_warnings or problem.severity == "error"]


@pytest.mark.parametrize(
    "file", [f for f in FILES.values() if not f.says], ids=[n for n, f in FILES.items() if not f.says]
)
def test_an_ugly_file_gives_the_right_table(tmp_path: Path, file: Ugly) -> None:
    (tmp_path / file.name).write_bytes(file.content)
    assert problems(tmp_path / file.name, with_warnings=False) == []
    frame = read_table(tmp_path / file.name)
    columns = guess_columns(frame)
    assert (columns.target, columns.task, len(columns.sequence)) == (file.target, file.task, 1)
    assert frame[columns.sequence[0]].tolist() == list(file.sequences)
    assert frame[file.target].tolist() == list(file.values)
    assert file_rows(frame).tolist() == list(file.rows)


@pytest.mark.parametrize("file", [f for f in FILES.values() if f.says], ids=[n for n, f in FILES.items() if f.says])
def test_an_ugly_file_that_cannot_be_read_says_where_and_what_to_do(tmp_path: Path, file: Ugly) -> None:
    (tmp_path / file.name).write_bytes(file.content)
    found = problems(tmp_path / file.name, with_warnings=True)
    assert any(all(part in message for part in file.says) for message in found), found
    if ", column '" in file.says[0]:
        assert all(OF_A_CELL.fullmatch(message) for message in found if message.startswith(file.says[0])), found
    assert (tmp_path / file.name).read_bytes() == file.content


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(FILES) >= 150

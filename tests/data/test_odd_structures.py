"""Odd and broken structure files: each gives the right chains, or a sentence that says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molfun.data.proteins import C_ALPHA
from molfun.data.structure_files import read_structure
from molfun.data.structure_tables import read_structures
from molfun.errors import DataError
from tests.data.odd_structures import Odd, corpus

FILES = corpus()
READ = [file for file in FILES.values() if file.chains]
REFUSED = [file for file in FILES.values() if not file.chains]


@pytest.mark.parametrize("file", READ, ids=lambda file: file.name)
def test_an_odd_file_gives_the_right_chains(tmp_path: Path, file: Odd) -> None:
    (tmp_path / file.name).write_bytes(file.content)
    protein = read_structure(tmp_path / file.name)
    assert {chain.id: chain.sequence for chain in protein.chains} == dict(file.chains)
    for chain in protein.chains:
        assert len(chain.positions) == len(chain.mask) == len(chain.numbers) == len(chain.places) == len(chain)
        assert np.isfinite(chain.positions).all()
        assert not chain.positions[~chain.mask].any()
        assert (np.diff(chain.places) > 0).all()
    first = protein.chains[0]
    assert np.flatnonzero(~first.mask[:, C_ALPHA]).tolist() == list(file.unresolved)
    assert not len(file.numbers) or first.numbers.tolist() == list(file.numbers)
    assert not len(file.places) or first.places.tolist() == list(file.places)
    assert all(any(part in note for note in protein.notes) for part in file.notes), protein.notes
    assert bool(protein.notes) == bool(file.notes)
    assert file.look is None or file.look(protein)


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name)
def test_a_broken_file_says_what_is_wrong_and_what_to_do(tmp_path: Path, file: Odd) -> None:
    (tmp_path / file.name).write_bytes(file.content)
    with pytest.raises(DataError) as raised:
        read_structure(tmp_path / file.name)
    message = str(raised.value)
    assert all(part in message for part in file.says), message
    assert message.startswith(file.name)
    assert message.endswith(".")
    assert (tmp_path / file.name).read_bytes() == file.content


def test_a_folder_of_them_is_refused_with_every_bad_file_or_read_without_these(tmp_path: Path) -> None:
    for file in FILES.values():
        if len(file.content) < 1000 * 1000:
            (tmp_path / file.name).write_bytes(file.content)
    with pytest.raises(DataError, match=r"structures cannot be used; correct or remove them, or choose to skip"):
        read_structures(tmp_path)
    frame = read_structures(tmp_path, on_problem="skip")
    reasons = dict(frame.attrs["skipped"])
    small = [file for file in REFUSED if len(file.content) < 1000 * 1000]
    assert {file.name for file in small} <= set(reasons)
    # The others have the name of a file before them: good.pdb and good.cif.
    assert all("has the name of another file" in reasons[name] for name in set(reasons) - {file.name for file in small})
    assert len(frame) + len(reasons) == len(list(tmp_path.iterdir()))


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(FILES) >= 90

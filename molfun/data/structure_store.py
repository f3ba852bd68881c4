"""Structures of a dataset on disk: plain arrays beside its rows, all residues one behind the other, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.data.atoms import NUM_ATOMS
from molfun.data.proteins import Protein, ProteinChain
from molfun.errors import DataError

STORE = "structures"
# Arrays of all residues: dtype, and shape of one residue.
ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "positions": ("<f4", (NUM_ATOMS, 3)), "mask": ("|b1", (NUM_ATOMS,)), "numbers": ("<i8", ()),
    "insertions": ("<U1", ()), "places": ("<i8", ()), "b_factors": ("<f4", ()),
}  # fmt: skip
# What a row says of its structure: the name, its first residue in the arrays, how many, its chains as JSON
# [[id, number of the sequence column from 1, residues], ...], and the hash of all that.
ROW_COLUMNS = ("structure_name", "structure_first", "structure_length", "structure_chains", "structure_sha256")


def structure_rows(proteins: Sequence[Protein]) -> pd.DataFrame:
    """Return what rows say of their structures, columns `ROW_COLUMNS`; chains are in the order of sequence columns."""
    lengths = np.array([protein.num_residues for protein in proteins], dtype=np.int64)
    chains = [_chains_text(protein) for protein in proteins]
    hashes = [_content_hash(text, _arrays_of(protein.chains)) for text, protein in zip(chains, proteins, strict=True)]
    values = ([protein.name for protein in proteins], np.cumsum(lengths) - lengths, lengths, chains, hashes)
    return pd.DataFrame(dict(zip(ROW_COLUMNS, values, strict=True)))


def structure_arrays(proteins: Sequence[Protein]) -> dict[str, NDArray[Any]]:
    """Return the arrays of all residues of all rows."""
    return _arrays_of([chain for protein in proteins for chain in protein.chains])


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays into a new folder, one file each.

    Raises:
        OSError: They cannot be written.
    """
    (folder / STORE).mkdir()
    for name, array in arrays.items():
        np.save(folder / STORE / f"{name}.npy", array, allow_pickle=False)


@dataclass(frozen=True, eq=False)
class StructureStore:
    """The arrays of a dataset, read where they are asked for."""

    arrays: Mapping[str, NDArray[Any]]

    def protein(self, facts: Mapping[str, Any], sequences: Sequence[str], columns: Sequence[str]) -> Protein:
        """Return the structure of a row.

        Args:
            facts: Its cells of `ROW_COLUMNS`.
            sequences: Its letters, one text a sequence column.
            columns: Names of these columns.

        Raises:
            DataError: The arrays are not those that were saved.
        """
        first, text = int(facts["structure_first"]), str(facts["structure_chains"])
        chains, used = [], [0] * len(sequences)
        for name, column, length in json.loads(text):
            own = {key: np.array(array[first : first + length]) for key, array in self.arrays.items()}
            letters = sequences[column - 1][used[column - 1] : used[column - 1] + length]
            chains.append(ProteinChain(name, letters, **own, column=columns[column - 1]))
            first, used[column - 1] = first + length, used[column - 1] + length
        if _content_hash(text, _arrays_of(chains)) != facts["structure_sha256"]:
            raise DataError(
                f"The structure {facts['structure_name']!r} is damaged on disk; save the dataset again from its files."
            )
        return Protein(str(facts["structure_name"]), tuple(chains))


def open_store(folder: Path, rows: pd.DataFrame, num_columns: int) -> StructureStore:
    """Open the arrays that belong to rows, without reading them.

    Raises:
        DataError: One is absent, a link, of another type or size than the rows say, or the rows contradict themselves.
    """
    if problem := _row_problem(rows, num_columns):
        raise DataError(problem)
    total = int(rows["structure_length"].sum())
    return StructureStore({name: _open(folder / STORE, name, total) for name in ARRAYS})


def _open(folder: Path, name: str, total: int) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        raise DataError(f"{STORE}/{path.name} is absent or a link.")
    dtype, shape = ARRAYS[name]
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError):
        raise DataError(f"{STORE}/{path.name} is damaged.") from None
    if not isinstance(array, np.memmap) or array.dtype.str != dtype or array.shape != (total, *shape):
        raise DataError(f"{STORE}/{path.name} holds something else than the structures of the rows.")
    return array


def _row_problem(rows: pd.DataFrame, num_columns: int) -> str:
    """Return in which way rows do not describe their structures; "" where they do."""
    first, length = rows["structure_first"], rows["structure_length"]
    if not (pd.api.types.is_integer_dtype(first) and pd.api.types.is_integer_dtype(length)):
        return "the places of structures are missing"
    if (length <= 0).any() or not np.array_equal(first, np.cumsum(length) - length):
        return "the places of structures are wrong"
    letters = rows[[f"chain_{i}" for i in range(1, num_columns + 1)]].map(len)
    for text, expected in zip(rows["structure_chains"], letters.itertuples(index=False), strict=True):
        if _lengths(text, num_columns) != list(expected):
            return "a structure has other chains than its sequences"
    return ""


def _lengths(text: Any, num_columns: int) -> list[int]:
    """Return the residues of each sequence column as a row's chains say; none where they say nothing sound."""
    try:
        found = json.loads(text)
        lengths = [0] * num_columns
        for name, column, length in found:
            is_sound = isinstance(name, str) and type(column) is int and type(length) is int
            if not is_sound or not 1 <= column <= num_columns or length <= 0:
                return []
            lengths[column - 1] += length
    except (ValueError, TypeError, RecursionError):
        return []
    return lengths


def _chains_text(protein: Protein) -> str:
    number = {name: i for i, name in enumerate(protein.columns, start=1)}
    return json.dumps([[chain.id, number[chain.column], len(chain)] for chain in protein.chains])


def _arrays_of(chains: Sequence[ProteinChain]) -> dict[str, NDArray[Any]]:
    return {
        name: np.concatenate([getattr(chain, name) for chain in chains]).astype(dtype)
        for name, (dtype, _) in ARRAYS.items()
    }


def _content_hash(chains: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(chains.encode())
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()

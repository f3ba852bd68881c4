"""A predicted structure as arrays and as a file: chains, atoms, what the model says of its own certainty. No torch."""

from __future__ import annotations

import io
import string
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import biotite.structure as bs
import numpy as np
import pandas as pd
from biotite.sequence import ProteinSequence
from biotite.structure.io.pdb import PDBFile
from biotite.structure.io.pdbx import CIFFile, set_structure
from numpy.typing import NDArray

from molfun.data.atoms import NUM_ATOMS, atom_exists, atom_names, residue_numbers
from molfun.errors import DataError
from molfun.plain_files import open_plain

CHAIN_IDS = string.ascii_uppercase + string.ascii_lowercase + string.digits  # all that a PDB file has
CONTACT_ANGSTROM = 8.0
"""Residues whose C-beta atoms (C-alpha of glycine) are nearer than this touch, as contact maps have it."""

ARRAYS = {"positions": np.float32, "plddt": np.float32, "contacts": np.float16}
# Far more than any model folds; a file that says more is none of ours.
MAX_RESIDUES = 20_000
MAX_UNPACKED_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class FoldedProtein:
    """What a model predicts for one row; R residues of all chains, one chain behind the other.

    Attributes:
        sequences: One letter a residue, one entry a chain.
        positions: float32 [R, 14, 3], in angstrom, atoms in the order of `molfun.data.atoms`.
        plddt: float32 [R], the lDDT of each C-alpha that the model expects, 0 to 1.
        contacts: float16 [R, R], probability that two residues touch.
    """

    sequences: tuple[str, ...]
    positions: NDArray[np.float32]
    plddt: NDArray[np.float32]
    contacts: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of residues."""
        return sum(map(len, self.sequences))

    @property
    def chain_numbers(self) -> NDArray[np.int64]:
        """Number of the chain of each residue, from 0, int64 [R]."""
        return np.repeat(np.arange(len(self.sequences)), [len(chain) for chain in self.sequences])

    def moved(self, positions: NDArray[np.float32]) -> FoldedProtein:
        """Return the same structure elsewhere in space."""
        return FoldedProtein(self.sequences, positions.astype(np.float32), self.plddt, self.contacts)

    def atoms(self, values: NDArray[np.floating] | None = None) -> bs.AtomArray:
        """Return its atoms as biotite has them; chains are A to Z, a to z, 0 to 9, residues count from 1.

        Args:
            values: float [R], taken as B factors; None takes 100 times the pLDDT, as AlphaFold's files have it.
        """
        factors = 100.0 * self.plddt if values is None else values
        letters, number = "".join(self.sequences), np.concatenate([np.arange(len(s)) + 1 for s in self.sequences])
        is_there = atom_exists()[residue_numbers(letters)]
        residue, place = is_there.nonzero()
        array = bs.AtomArray(len(residue))
        array.coord = self.positions[residue, place]
        array.chain_id = np.array([CHAIN_IDS[i % len(CHAIN_IDS)] for i in self.chain_numbers])[residue]
        array.res_id = number[residue]
        array.res_name = np.array([_three_letters(letter) for letter in letters])[residue]
        names = np.array([[*atom_names(x), *[""] * (NUM_ATOMS - len(atom_names(x)))] for x in letters])
        array.atom_name = names[residue, place]
        array.element = array.atom_name.astype("U1")
        array.set_annotation("b_factor", np.asarray(factors, dtype=float)[residue])
        array.set_annotation("occupancy", np.ones(len(residue)))
        return array

    def to_pdb(self, values: NDArray[np.floating] | None = None) -> str:
        """Return its PDB file; `values` as in `atoms`."""
        file, text = PDBFile(), io.StringIO()
        file.set_structure(self.atoms(values))
        file.write(text)
        return text.getvalue()

    def to_cif(self) -> str:
        """Return its mmCIF file, with 100 times the pLDDT as B factors."""
        file, text = CIFFile(), io.StringIO()
        set_structure(file, self.atoms(), data_block="predicted")
        file.write(text)
        return text.getvalue()

    def write(self, path: Path) -> None:
        """Write it as what its name ends in: .npz, .cif or .pdb."""
        if path.suffix == ".npz":
            self.save(path)
        else:
            path.write_text(self.to_cif() if path.suffix == ".cif" else self.to_pdb(), encoding="utf-8")

    def save(self, path: Path) -> None:
        """Write its arrays; nothing is left half written."""
        aside = path.with_name(f".{path.name}")
        with aside.open("wb") as file:
            arrays = {name: getattr(self, name).astype(dtype) for name, dtype in ARRAYS.items()}
            np.savez_compressed(file, sequences=np.array(self.sequences, dtype=np.str_), **arrays)
        aside.replace(path)


def write_structures(predictions: pd.DataFrame, folder: Path, *, ending: str) -> pd.DataFrame:
    """Write the structures of predicted rows as files, row_1 and so on in the order of the table.

    Args:
        predictions: `prediction` has a `FoldedProtein` in each row that could be predicted.
        folder: Made where it is absent.
        ending: "npz" (arrays, `load_folded` reads them), "cif" or "pdb".

    Returns:
        The table with the names of the files as `prediction`, None in rows without one.
    """
    folder.mkdir(exist_ok=True)
    names: list[str | None] = []
    for number, protein in enumerate(predictions["prediction"], start=1):
        name = f"row_{number}.{ending}"
        if isinstance(protein, FoldedProtein):
            protein.write(folder / name)
        names.append(name if isinstance(protein, FoldedProtein) else None)
    return predictions.assign(prediction=pd.Series(names, index=predictions.index, dtype=object))


def load_folded(path: Path) -> FoldedProtein:
    """Read what `FoldedProtein.save` wrote; nothing in it is ever run.

    Raises:
        DataError: It is no such file.
    """
    try:
        with open_plain(path) as file, np.load(file, allow_pickle=False) as found:
            if sum(member.file_size for member in found.zip.infolist()) > MAX_UNPACKED_BYTES:
                raise ValueError("it unpacks to more than any prediction has")
            chains = tuple(str(chain) for chain in found["sequences"])
            arrays = {name: np.asarray(found[name], dtype=dtype) for name, dtype in ARRAYS.items()}
        size = sum(map(len, chains))
        shapes = {"positions": (size, NUM_ATOMS, 3), "plddt": (size,), "contacts": (size, size)}
        is_sound = 0 < size <= MAX_RESIDUES and all(arrays[name].shape == shape for name, shape in shapes.items())
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path.name} is no predicted structure that can be read: {error}. Predict it again.") from None
    if not is_sound:
        raise DataError(f"{path.name} is damaged: its arrays do not have the size of its sequences. Predict it again.")
    return FoldedProtein(chains, **arrays)


def _three_letters(letter: str) -> str:
    return "UNK" if letter not in "ACDEFGHIKLMNPQRSTVWY" else str(ProteinSequence.convert_letter_1to3(letter))

"""Atoms of a PDB or mmCIF text as columns, with what else the file says: biotite reads, and errors say where and what.

Which atoms belong to a protein is decided by `structure_chains`.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, field, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from molfun.errors import DataError, printable

if TYPE_CHECKING:
    from biotite.structure.io.pdbx import CIFBlock, CIFCategory

ATOM_RECORDS = ("ATOM  ", "HETATM")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
RESOLUTION = re.compile(r"REMARK   2 RESOLUTION\.\s+(\d+\.?\d*)")
FIRST_YEAR = 71  # of the Protein Data Bank; its dates have two digits
# What biotite raises for files that are not what they should be.
UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True, eq=False)
class Atoms:
    """Columns of atoms, one entry an atom, in the order of the file.

    Attributes:
        chain: str, as authors name it.
        number: int64, residue number of the author.
        insertion: str, insertion code or "".
        residue: str, three-letter name.
        name: str, name of the atom.
        location: str, id of the alternate location or "".
        occupancy: float32.
        b_factor: float32.
        position: float32 [atoms, 3], in angstrom.
        is_hetero: bool, True for HETATM records.
        place: int64, place in the full sequence of the chain, from 1; 0 where the file does not tell.
    """

    chain: NDArray[np.str_]
    number: NDArray[np.int64]
    insertion: NDArray[np.str_]
    residue: NDArray[np.str_]
    name: NDArray[np.str_]
    location: NDArray[np.str_]
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    position: NDArray[np.float32]
    is_hetero: NDArray[np.bool_]
    place: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.name)

    def __getitem__(self, chosen: Any) -> Atoms:
        """Return some atoms, chosen as numpy arrays are indexed."""
        return Atoms(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def __add__(self, more: Atoms) -> Atoms:
        """Return these atoms and others behind them."""
        pairs = ((one.name, getattr(self, one.name), getattr(more, one.name)) for one in fields(self))
        return Atoms(**{name: np.concatenate([first, second]) for name, first, second in pairs})


@dataclass(frozen=True, eq=False)
class StructureText:
    """What a file says.

    Attributes:
        atoms: Of the first model.
        full: Three-letter names of the full sequence of a chain, by the chain's id, where the file has them.
        date: As in `Protein`.
        resolution: As there.
        method: As there.
    """

    atoms: Atoms
    full: dict[str, list[str]] = field(default_factory=dict)
    date: str = ""
    resolution: float = float("nan")
    method: str = ""


def read_pdb(text: str, shown: str) -> StructureText:
    """Read the text of a PDB file.

    Raises:
        DataError: It has no atom, or a line is not what the format says; the line is named.
    """
    lines = text.splitlines()
    chosen = _first_model(lines)
    if not chosen:
        _refuse_loose(lines, shown)
        raise DataError(f"{shown} has no ATOM record; expected a PDB file with atoms, save the structure again.")
    for number in chosen:
        _refuse_line(lines[number], f"{shown}, line {number + 1}")
    try:
        # Warned of are elements that are guessed from names, which nothing here reads, and numbers beyond float32.
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore")
            atoms = _pdb_atoms([lines[number] for number in chosen])
    except UNREADABLE as error:
        raise DataError(f"{shown} is no readable PDB file ({printable(str(error), 80)}); save it again.") from None
    return StructureText(atoms[~_is_behind(lines, chosen)], _seqres(lines), *_pdb_facts(lines))


def _pdb_atoms(lines: list[str]) -> Atoms:
    from biotite.structure.io.pdb import PDBFile

    file = PDBFile.read(io.StringIO("\n".join(map(_filled, lines))))
    found = file.get_structure(model=1, altloc="all", extra_fields=["b_factor", "occupancy"])
    return Atoms(
        _chain_ids(lines), found.res_id.astype(np.int64), found.ins_code, found.res_name, found.atom_name,
        np.char.strip(found.altloc_id), found.occupancy.astype(np.float32), found.b_factor.astype(np.float32),
        found.coord, found.hetero, np.zeros(len(found), dtype=np.int64),
    )  # fmt: skip


def _first_model(lines: list[str]) -> list[int]:
    """Return the numbers of the lines with atoms of the first model."""
    found: list[int] = []
    for number, line in enumerate(lines):
        if line.startswith("ENDMDL") or (line.startswith("MODEL ") and found):
            break
        if line.startswith(ATOM_RECORDS):
            found.append(number)
    return found


def _refuse_loose(lines: list[str], shown: str) -> None:
    """Refuse atoms that are parted by blanks or tabs."""
    for number, line in enumerate(lines, start=1):
        if re.match(r"ATOM\s+\d", line):
            raise DataError(
                f"{shown}, line {number}: expected the fixed columns of the PDB format, found fields parted by "
                "blanks or tabs; save it again as PDB or mmCIF."
            )


def _refuse_line(line: str, place: str) -> None:
    """Refuse an atom whose columns are not where the format has them."""
    advice = "the file is cut off, or its columns are shifted; save it again"
    for first in (30, 38, 46):
        cell = line[first : first + 8]
        if not _is_number(cell):
            shown = printable(repr(cell.strip()), 40) if cell.strip() else "nothing"
            raise DataError(f"{place}: expected a number in columns {first + 1}-{first + 8}, found {shown}; {advice}.")
    if not re.fullmatch(r"\s*(?:-?\d+|[A-Za-z][0-9A-Za-z]{3})\s*", line[22:26]):
        raise DataError(f"{place}: expected a residue number in columns 23-26, found {line[22:26]!r}; {advice}.")
    if not line[12:16].strip() or not line[17:20].strip():
        raise DataError(f"{place}: expected the names of atom and residue in columns 13-20, found a blank; {advice}.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _filled(line: str) -> str:
    """Return a line with occupancy 1 and B factor 0 where it has none, as many programs write it."""
    line = line.ljust(80)
    occupancy = line[54:60] if _is_number(line[54:60]) else "  1.00"
    b_factor = line[60:66] if _is_number(line[60:66]) else "  0.00"
    return f"{line[:54]}{occupancy}{b_factor}{line[66:76]}    "


def _chain_ids(lines: list[str]) -> NDArray[np.str_]:
    """Return the chain id of each atom: where it is blank the segment's, else A, or _ where there is an A."""
    ids = np.array([line[21].strip() or line[72:76].strip() for line in lines])
    return np.where(ids == "", "_" if "A" in ids else "A", ids)


def _is_behind(lines: list[str], chosen: list[int]) -> NDArray[np.bool_]:
    """Return which atoms are HETATM records behind the end (TER) of their chain: ligands and waters."""
    ended: set[str] = set()
    found, last, atoms = {}, "", set(chosen)
    for number, line in enumerate(lines[: chosen[-1] + 1]):
        if number in atoms:
            last = line[21]
            found[number] = line.startswith("HETATM") and last in ended
        elif line.startswith("TER"):
            ended.add(last)
    return np.array([found[number] for number in chosen], dtype=bool)


def _seqres(lines: list[str]) -> dict[str, list[str]]:
    full: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("SEQRES") and len(line) > 19:
            full.setdefault(line[11].strip() or "A", []).extend(line[19:70].split())
    return full


def _pdb_facts(lines: list[str]) -> tuple[str, float, str]:
    """Return date, resolution and method."""
    header = next((line for line in lines if line.startswith("HEADER")), "")
    method = " ".join(line[10:79].strip() for line in lines if line.startswith("EXPDTA"))
    resolution = next((float(found[1]) for line in lines if (found := RESOLUTION.match(line))), float("nan"))
    return _pdb_date(header[50:59]), resolution, " ".join(method.lower().split())


def _pdb_date(text: str) -> str:
    """Return a date such as 06-JUL-90 as ISO date, "" where it is none.

    >>> _pdb_date("06-JUL-90"), _pdb_date("28-APR-06"), _pdb_date("XX-XXX-XX")
    ('1990-07-06', '2006-04-28', '')
    """
    found = re.fullmatch(r"(\d\d)-([A-Z]{3})-(\d\d)", text.strip().upper())
    if not found or found[2] not in MONTHS:
        return ""
    year = int(found[3])
    return iso_date(f"{1900 + year if year >= FIRST_YEAR else 2000 + year}-{MONTHS.index(found[2]) + 1:02}-{found[1]}")


def iso_date(text: str) -> str:
    """Return an ISO date, "" where the text is none."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""


def read_cif(text: str, shown: str) -> StructureText:
    """Read the text of an mmCIF file: its first block with atoms.

    Raises:
        DataError: It has no atom, lacks a column, or cannot be read.
    """
    from biotite.file import DeserializationError, InvalidFileError
    from biotite.structure.io.pdbx import CIFFile

    try:
        file = CIFFile.read(io.StringIO(text))
        block = next((block for name in file if "atom_site" in (block := file[name])), None)
        if block is None:
            raise DataError(f"{shown} has no atoms (atom_site); expected an mmCIF file of a structure, save it again.")
        with np.errstate(
            over="ignore"
        ):  # a number too large for float32 is no coordinate, and infinity is known as such
            atoms = _cif_atoms(block["atom_site"], shown)
        return StructureText(atoms, _poly_seq(block), *_cif_facts(block))
    except (*UNREADABLE, DeserializationError, InvalidFileError) as error:
        said = printable(" ".join(str(error).split()), 80)
        raise DataError(f"{shown} is no readable mmCIF file ({said}); it may be cut off, save it again.") from None


def _cif_atoms(site: CIFCategory, shown: str) -> Atoms:
    """Return the atoms of the first model."""

    def column(names: tuple[str, ...], kind: Any, missing: Any, *, is_needed: bool = False) -> Any:
        for name in names:
            if name in site:
                return site[name].as_array(kind, missing)
        if is_needed:
            raise DataError(
                f"{shown} has atoms without {names[0]}; expected the columns of mmCIF, save the structure again."
            )
        return np.full(site.row_count, missing, dtype=kind)

    model = column(("pdbx_PDB_model_num",), str, "1")
    atoms = Atoms(
        chain=column(("auth_asym_id", "label_asym_id"), str, "", is_needed=True),
        number=column(("auth_seq_id", "label_seq_id"), np.int64, 0),
        insertion=column(("pdbx_PDB_ins_code",), str, ""),
        residue=column(("auth_comp_id", "label_comp_id"), str, "", is_needed=True),
        name=column(("auth_atom_id", "label_atom_id"), str, "", is_needed=True),
        location=column(("label_alt_id",), str, ""),
        occupancy=column(("occupancy",), np.float32, 1.0),
        b_factor=column(("B_iso_or_equiv",), np.float32, np.nan),
        position=np.stack([column((f"Cartn_{axis}",), np.float32, np.nan, is_needed=True) for axis in "xyz"], axis=1),
        is_hetero=column(("group_PDB",), str, "ATOM") == "HETATM",
        place=column(("label_seq_id",), np.int64, 0),
    )
    return atoms[model == model[0]] if len(atoms) else atoms


def _poly_seq(block: CIFBlock) -> dict[str, list[str]]:
    """Return the full sequences by the authors' chain ids; of several residues at one place the first."""
    if "entity_poly_seq" not in block or "label_entity_id" not in block["atom_site"]:
        return {}
    residues = block["entity_poly_seq"]
    full: dict[str, dict[int, str]] = {}
    entities, places = residues["entity_id"].as_array(str), residues["num"].as_array(int)
    for entity, place, name in zip(entities, places, residues["mon_id"].as_array(str), strict=True):
        full.setdefault(str(entity), {}).setdefault(int(place), str(name))
    site = block["atom_site"]
    ids = site["auth_asym_id" if "auth_asym_id" in site else "label_asym_id"].as_array(str)
    pairs = dict.fromkeys(zip(ids.tolist(), site["label_entity_id"].as_array(str).tolist(), strict=True))
    found: dict[str, list[str]] = {}
    for chain, entity in pairs:
        names = full.get(entity, {})
        if names and sorted(names) == list(range(1, len(names) + 1)):
            found.setdefault(chain, [names[place] for place in sorted(names)])
    return found


def _cif_facts(block: CIFBlock) -> tuple[str, float, str]:
    """Return date, resolution and method."""
    resolution = float("nan")
    for category, name in (("refine", "ls_d_res_high"), ("em_3d_reconstruction", "resolution"),
                           ("reflns", "d_resolution_high")):  # fmt: skip
        cell = _first(block, category, name)
        if np.isnan(resolution) and _is_number(cell):
            resolution = float(cell)
    when = iso_date(_first(block, "pdbx_database_status", "recvd_initial_deposition_date"))
    return when, resolution, " ".join(_first(block, "exptl", "method").lower().split())


def _first(block: CIFBlock, category: str, name: str) -> str:
    """Return the first cell of a column, "" where there is none."""
    if category not in block or name not in block[category]:
        return ""
    cells = block[category][name].as_array(str, "")
    return str(cells[0]) if len(cells) else ""

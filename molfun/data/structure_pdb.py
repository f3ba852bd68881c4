"""Reads the text of a PDB file: lines are looked at first, so that errors name them; then biotite reads the atoms."""

from __future__ import annotations

import io
import re
import warnings

import numpy as np
from numpy.typing import NDArray

from molfun.data.structure_atoms import UNREADABLE, Atoms, StructureText, is_number, iso_date
from molfun.errors import DataError, printable

ATOM_RECORDS = ("ATOM  ", "HETATM")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
RESOLUTION = re.compile(r"REMARK   2 RESOLUTION\.\s+(\d+\.?\d*)")
FIRST_YEAR = 71  # of the Protein Data Bank; its dates have two digits


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
        if not is_number(cell):
            shown = printable(repr(cell.strip()), 40) if cell.strip() else "nothing"
            raise DataError(f"{place}: expected a number in columns {first + 1}-{first + 8}, found {shown}; {advice}.")
    if not re.fullmatch(r"\s*(?:-?\d+|[A-Za-z][0-9A-Za-z]{3})\s*", line[22:26]):
        raise DataError(f"{place}: expected a residue number in columns 23-26, found {line[22:26]!r}; {advice}.")
    if not line[12:16].strip() or not line[17:20].strip():
        raise DataError(f"{place}: expected the names of atom and residue in columns 13-20, found a blank; {advice}.")


def _filled(line: str) -> str:
    """Return a line with occupancy 1 and B factor 0 where it has none, as many programs write it."""
    line = line.ljust(80)
    occupancy = line[54:60] if is_number(line[54:60]) else "  1.00"
    b_factor = line[60:66] if is_number(line[60:66]) else "  0.00"
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

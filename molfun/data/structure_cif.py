"""Reads the text of an mmCIF file with biotite; columns that a program left out are filled in where that can be."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from molfun.data.structure_atoms import UNREADABLE, Atoms, StructureText, is_number, iso_date
from molfun.errors import DataError, printable

if TYPE_CHECKING:
    from biotite.structure.io.pdbx import CIFBlock, CIFCategory


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
        # A number too large for float32 is no coordinate, and infinity is known as such.
        with np.errstate(over="ignore"):
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
        if np.isnan(resolution) and is_number(cell):
            resolution = float(cell)
    when = iso_date(_first(block, "pdbx_database_status", "recvd_initial_deposition_date"))
    return when, resolution, " ".join(_first(block, "exptl", "method").lower().split())


def _first(block: CIFBlock, category: str, name: str) -> str:
    """Return the first cell of a column, "" where there is none."""
    if category not in block or name not in block[category]:
        return ""
    cells = block[category][name].as_array(str, "")
    return str(cells[0]) if len(cells) else ""

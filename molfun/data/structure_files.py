"""Reads one PDB or mmCIF file into a `Protein`, or says why it cannot: sizes first, then what the file is, then atoms.

`structure_pdb` and `structure_cif` read the text, `structure_chains` makes chains, `structure_tables` reads folders.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import numpy as np

from molfun.data import limits
from molfun.data.proteins import C_ALPHA, Protein, ProteinChain
from molfun.data.structure_atoms import StructureText
from molfun.data.structure_chains import build_chains
from molfun.data.structure_cif import read_cif
from molfun.data.structure_pdb import read_pdb
from molfun.errors import DataError, printable
from molfun.plain_files import open_plain

MAX_STRUCTURE_BYTES = 100 * 1024 * 1024
MIN_RESIDUES = 5
ENDINGS = (".pdb", ".ent", ".pdb1", ".cif", ".mmcif", ".pdbx")
GZIP = b"\x1f\x8b"
HEAD = 4_096
# First bytes of what is sent or saved in the place of a structure.
OTHERS = {
    b"BZh": "is compressed by bzip2; unpack it, or pack it by gzip", b"PK\x03\x04": "is an archive; unpack it first",
    b"\xfd7zXZ": "is compressed by xz; unpack it, or pack it by gzip",
    b"%PDF-": "is a PDF; choose the structure itself",
    b"\x89PNG": "is a picture; choose the structure itself",
    b"MMTF": "is in the format MMTF; save it as mmCIF",
}  # fmt: skip
PDB_RECORD = re.compile(
    r"^(?:ATOM\s|HETATM|HEADER|TITLE |COMPND|REMARK|CRYST1|MODEL |SEQRES|OBSLTE|SOURCE|AUTHOR|EXPDTA|USER  |PARENT)",
    re.MULTILINE,
)
CIF_START = re.compile(r"\s*(?:#[^\n]*\n\s*)*data_", re.IGNORECASE)
# Mean distance of N and C-alpha is 1.46 angstrom; what is beyond these is another unit, or other columns.
SHORTEST_ANGSTROM, LONGEST_ANGSTROM = 1.2, 1.8


def read_structure(path: Path, *, name: str = "", min_residues: int = MIN_RESIDUES) -> Protein:
    """Read the protein chains of a structure: first model, most occupied locations, no water, ligand or nucleic acid.

    Args:
        path: PDB or mmCIF file, plain or packed by gzip; what it is, is told by its content.
        name: File name to show, where `path` is an upload's temporary copy.
        min_residues: Chains with fewer residues that have a C-alpha are left out; the protein's notes name them.

    Example:
        >>> from molfun.data.example_structures import example_path
        >>> read_structure(example_path("5pti"))
        Protein('5pti', chains A, 58 aa)

    Raises:
        DataError: The file is missing, too large, no structure, damaged, or has no such chain.
    """
    shown = limits.shown_name(name or Path(path).name)
    text = _text(_unpacked(Path(path), shown), shown)
    found = _parsed(text, shown)
    chains, notes = build_chains(found, min_residues)
    if not chains:
        raise DataError(
            f"{shown} has no protein chain of {min_residues} or more residues. {' '.join(notes[-3:])} Choose another "
            "file, or lower that number."
        )
    _refuse_units(chains, shown)
    return Protein(stem(shown), tuple(chains), found.date, found.resolution, found.method, tuple(notes))


def stem(name: str) -> str:
    """Return the name of a structure: without folder, ending and packing.

    >>> stem("pdb/1ABC.pdb.gz"), stem("1abc-assembly1.cif"), stem("my.model.PDB"), stem("C:\\\\data\\\\1abc.ent")
    ('1ABC', '1abc-assembly1', 'my.model', '1abc')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    last = last[: -len(".gz")] if last.lower().endswith(".gz") else last
    ending = next((ending for ending in ENDINGS if last.lower().endswith(ending)), "")
    return last[: len(last) - len(ending)] or last


def is_structure_name(name: str) -> bool:
    """Tell whether a file name ends as those of structures do."""
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


def _unpacked(path: Path, shown: str) -> bytes:
    """Return the content of a file, unpacked where it is packed, never more than the limit."""
    try:
        with open_plain(path) as file:
            content = file.read(MAX_STRUCTURE_BYTES + 1)
    except (OSError, ValueError):
        raise DataError(f"There is no readable file {printable(str(path), 500)}; check the path.") from None
    if not content.strip():
        raise DataError(f"{shown} is empty ({len(content)} bytes); expected a PDB or mmCIF file.")
    if content.startswith(GZIP):
        content = _gunzipped(content, shown)
    if len(content) > MAX_STRUCTURE_BYTES:
        raise DataError(
            f"{shown} has more than {MAX_STRUCTURE_BYTES // 1024**2} MB, which is the limit; keep the model and the "
            "chains that you need."
        )
    return content


def _gunzipped(content: bytes, shown: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(MAX_STRUCTURE_BYTES + 1)
    except (EOFError, OSError, zlib.error):
        raise DataError(
            f"{shown} is packed by gzip, and the packing is damaged or cut off; download or copy it again."
        ) from None


def _text(content: bytes, shown: str) -> str:
    """Return the text of a file.

    Raises:
        DataError: It is none.
    """
    for start, sentence in OTHERS.items():
        if content.startswith(start):
            raise DataError(f"{shown} {sentence}.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:HEAD] or b"dataBlocks" in content[:HEAD]:
        raise DataError(
            f"{shown} is no text; expected a PDB or mmCIF file. A BinaryCIF file can be had as mmCIF from its database."
        )
    # Latin-1 reads every byte as one letter, so that columns stay where they are.
    return content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _parsed(text: str, shown: str) -> StructureText:
    if CIF_START.match(text):
        return read_cif(text, shown)
    if PDB_RECORD.search(text[: 100 * HEAD]):
        return read_pdb(text, shown)
    first = printable(" ".join(text.split())[:60], 60)
    raise DataError(
        f"{shown} is no structure: expected a PDB file (ATOM records) or an mmCIF file (data_...), found text that "
        f"starts with {first!r}; choose another file."
    )


def _refuse_units(chains: list[ProteinChain], shown: str) -> None:
    """Refuse coordinates that are no protein in angstrom: no atom known, another unit, shifted columns, all zero."""
    positions, mask = np.concatenate([c.positions for c in chains]), np.concatenate([c.mask for c in chains])
    both = mask[:, 0] & mask[:, C_ALPHA]
    if both.sum() < 3:
        return
    middle = float(np.median(np.linalg.norm(positions[both, 0] - positions[both, C_ALPHA], axis=1)))
    if not SHORTEST_ANGSTROM <= middle <= LONGEST_ANGSTROM:
        raise DataError(
            f"{shown}: atoms N and CA of a residue lie {middle:.2f} apart, expected about 1.46 angstrom; the file has "
            "another unit, or its columns are shifted. Save it again."
        )

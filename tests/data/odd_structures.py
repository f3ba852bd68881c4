"""A corpus of broken and odd structure files: what each holds, and the chains or the sentence that it gives."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

SEQUENCE = "MKTAYIAKQRQS"
NAMES = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE", "K": "LYS",
    "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "V": "VAL",
    "W": "TRP", "Y": "TYR", "X": "UNK",
}  # fmt: skip
# A residue of an ideal helix: N, CA, C, O, CB as (radius, angle in degrees, height) in angstrom, 100 degrees and 1.5
# angstrom a residue, so that bonds and the peptide bond have their lengths (Parry and Suzuki 1969, Biopolymers 7:189).
HELIX = {
    "N": (1.55, -27.2, -0.87), "CA": (2.28, 0.0, 0.0), "C": (1.66, 26.5, 1.06), "O": (2.00, 23.2, 2.27),
    "CB": (3.30, -18.3, -0.69),
}  # fmt: skip


@dataclass(frozen=True)
class Atom:
    """One record; its fields are those of the format."""

    name: str
    residue: str
    chain: str
    number: int
    position: tuple[float, float, float]
    insertion: str = " "
    location: str = " "
    occupancy: float = 1.0
    b_factor: float = 20.0
    record: str = "ATOM"
    model: int = 1
    place: int | None = None

    def pdb(self, serial: int = 1) -> str:
        """Return the line of a PDB file."""
        x, y, z = self.position
        name = self.name if len(self.name) == 4 else f" {self.name:<3}"
        return (
            f"{self.record:<6}{serial:>5} {name}{self.location}{self.residue:>3} {self.chain}{self.number:>4}"
            f"{self.insertion}   {x:8.3f}{y:8.3f}{z:8.3f}{self.occupancy:6.2f}{self.b_factor:6.2f}          "
            f"{self.name[0]:>2}  \n"
        )


def helix(sequence: str = SEQUENCE, *, chain: str = "A", first: int = 1, shift: float = 0.0) -> list[Atom]:
    """Return the atoms of an ideal helix, residue by residue; another shift is another place in space."""
    atoms = []
    for i, letter in enumerate(sequence):
        for name, (radius, angle, height) in HELIX.items():
            if letter == "G" and name == "CB":
                continue
            turn = np.deg2rad(angle + 100 * i)
            place = (radius * np.cos(turn) + shift, radius * np.sin(turn), height + 1.5 * i)
            atoms.append(Atom(name, NAMES[letter], chain, first + i, place, place=i + 1))
    return atoms


def pdb(atoms: Sequence[Atom], *, before: str = "", after: str = "END\n") -> str:
    """Return the text of a PDB file."""
    return before + "".join(atom.pdb(i + 1) for i, atom in enumerate(atoms)) + after


COLUMNS = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id",
    "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy",
    "B_iso_or_equiv", "auth_seq_id", "auth_comp_id", "auth_asym_id", "auth_atom_id", "pdbx_PDB_model_num",
)  # fmt: skip


def cif(
    atoms: Sequence[Atom], *, full: str = "", leave_out: Sequence[str] = (), before: str = "", author: str = ""
) -> str:
    """Return an mmCIF file; `full` is the whole sequence of entity 1, `author` another name of the chain."""
    rows = []
    for i, atom in enumerate(atoms):
        cells = (
            atom.record, i + 1, atom.name[0], atom.name, atom.location.strip() or ".", atom.residue, atom.chain, 1,
            atom.place or ".", atom.insertion.strip() or "?", *(f"{x:.3f}" for x in atom.position),
            f"{atom.occupancy:.2f}", f"{atom.b_factor:.2f}", atom.number, atom.residue, author or atom.chain, atom.name,
            atom.model,
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, map(str, cells), strict=True)))
    kept = [name for name in COLUMNS if name not in leave_out]
    text = "data_test\n#\n" + before
    if full:
        lines = "".join(f"1 {i} {NAMES[letter]} n\n" for i, letter in enumerate(full, start=1))
        names = ("entity_id", "num", "mon_id", "hetero")
        text += "loop_\n" + "".join(f"_entity_poly_seq.{name}\n" for name in names) + lines + "#\n"
    text += "loop_\n" + "".join(f"_atom_site.{name}\n" for name in kept)
    return text + "".join(" ".join(row[name] for name in kept) + "\n" for row in rows) + "#\n"


def seqres(sequence: str, chain: str = "A") -> str:
    """Return SEQRES records, 13 residues a line."""
    names = [NAMES[letter] for letter in sequence]
    return "".join(
        f"SEQRES {i // 13 + 1:>3} {chain} {len(names):>4}  {' '.join(names[i : i + 13])}\n"
        for i in range(0, len(names), 13)
    )


def change(atoms: Sequence[Atom], number: int, **fields: object) -> list[Atom]:
    """Return the atoms with fields of one residue changed."""
    return [Atom(**{**vars(atom), **fields}) if atom.number == number else atom for atom in atoms]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Odd:
    """One file and what has to come of it.

    Attributes:
        content: Bytes of the file.
        chains: Sequence of each chain by its id; empty where the file is to be refused.
        unresolved: Places (from 0) in chain A of residues without a C-alpha.
        numbers: Residue numbers of chain A; empty: not looked at.
        places: Places of chain A; empty: not looked at.
        says: Parts of the sentence that refuses the file, or of a note.
        look: Further look at the protein.
    """

    name: str
    content: bytes
    chains: Mapping[str, str] = field(default_factory=dict)
    unresolved: Sequence[int] = ()
    numbers: Sequence[int] = ()
    places: Sequence[int] = ()
    says: Sequence[str] = ()
    notes: Sequence[str] = ()
    look: Callable[[object], bool] | None = None


def odd(name: str, content: str | bytes, chains: Mapping[str, str] | str = "", **more: object) -> Odd:
    """Return an odd file; a text of `chains` is the sequence of chain A."""
    known = {"A": chains} if isinstance(chains, str) and chains else chains or {}
    return Odd(name, content.encode() if isinstance(content, str) else content, known, **more)  # type: ignore[arg-type]


def packed(text: str) -> bytes:
    """Return a text packed by gzip, without time or name."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as file:
        file.write(text.encode())
    return target.getvalue()


def containers() -> Iterator[Odd]:
    """Files that are packed, renamed, sent in another encoding, or no structure at all."""
    good = pdb(helix())
    yield odd("good.pdb", good, SEQUENCE)
    yield odd("good.cif", cif(helix(), full=SEQUENCE), SEQUENCE)
    yield odd("packed.pdb.gz", packed(good), SEQUENCE)
    yield odd("packed-without-name.pdb", packed(good), SEQUENCE)
    yield odd("unpacked.cif.gz", cif(helix(), full=SEQUENCE), SEQUENCE)
    yield odd("cif-inside.pdb", cif(helix(), full=SEQUENCE), SEQUENCE)
    yield odd("pdb-inside.cif", good, SEQUENCE)
    yield odd("windows.PDB", good.replace("\n", "\r\n"), SEQUENCE)
    yield odd("old-mac.ent", good.replace("\n", "\r"), SEQUENCE)
    yield odd("marked.pdb", b"\xef\xbb\xbf" + good.encode(), SEQUENCE)
    yield odd("utf16.pdb", good.encode("utf-16"), SEQUENCE)
    yield odd("umlaut.pdb", "REMARK  Größe\n".encode("latin-1") + good.encode(), SEQUENCE)
    yield odd("crlf.cif", cif(helix(), full=SEQUENCE).replace("\n", "\r\n"), SEQUENCE)
    yield odd("empty.pdb", b"", says=("empty.pdb is empty (0 bytes)", "expected a PDB or mmCIF file"))
    yield odd("blank.cif", b" \n\n", says=("blank.cif is empty (3 bytes)",))
    yield odd("cut.pdb.gz", packed(good)[:-40], says=("cut.pdb.gz is packed by gzip", "cut off", "copy it again"))
    broken = bytearray(packed(good))
    broken[40] ^= 0xFF
    yield odd("broken.pdb.gz", bytes(broken), says=("broken.pdb.gz", "damaged"))
    yield odd("page.pdb", "<!DOCTYPE html><html>Not found</html>", says=("page.pdb is no structure", "<!DOCTYPE"))
    yield odd("table.cif", "sequence,y\nMKT,1\n", says=("table.cif is no structure", "'sequence,y MKT,1'"))
    yield odd("fasta.pdb", ">1abc\nMKTAYIAK\n", says=("fasta.pdb is no structure", "'>1abc"))
    yield odd("picture.pdb", b"\x89PNG\r\n\x1a\n\0\0", says=("picture.pdb is a picture",))
    yield odd("archive.cif", b"PK\x03\x04" + bytes(40), says=("archive.cif is an archive",))
    yield odd("binary.cif", b"\x83\xa7encoder\xaadataBlocks\x91", says=("binary.cif is no text", "BinaryCIF"))
    yield odd("numbers.pdb", struct.pack("<40f", *range(40)), says=("numbers.pdb is no text",))
    bomb = packed("ATOM\n" + " " * (101 * 1024**2))
    yield odd("bomb.pdb.gz", bomb, says=("bomb.pdb.gz has more than 100 MB",))


def lines() -> Iterator[Odd]:
    """PDB files whose lines are not what the format says."""
    text = pdb(helix())
    rows = text.splitlines(keepends=True)
    cut = rows[59][:47] + "\n"
    yield odd("cut.pdb", "".join(rows[:59]) + cut, says=("cut.pdb, line 60", "columns 47-54", "cut off"))
    yield odd("cut-between.pdb", "".join(rows[:30]), SEQUENCE[:6])
    yield odd("no-end.pdb", pdb(helix(), after=""), SEQUENCE)
    shifted = "".join(row[:30] + " " + row[30:] if row.startswith("ATOM") else row for row in rows)
    yield odd("shifted.pdb", shifted, says=("shifted.pdb",))
    blanks = "".join(" ".join(row.split()) + "\n" for row in rows)
    yield odd("blanks.pdb", blanks, says=("blanks.pdb, line 1", "parted by blanks", "save it again"))
    yield odd(
        "tabs.pdb",
        "".join("\t".join(row.split()) + "\n" for row in rows),
        says=("tabs.pdb, line 1", "fixed columns", "save it again"),
    )
    stars = rows[3].replace(rows[3][30:38], "********")
    yield odd("stars.pdb", "".join([*rows[:3], stars, *rows[4:]]), says=("stars.pdb, line 4", "'********'"))
    no_number = rows[5][:22] + "    " + rows[5][26:]
    yield odd(
        "no-number.pdb", "".join([*rows[:5], no_number, *rows[6:]]), says=("no-number.pdb, line 6", "residue number")
    )
    yield odd("short-lines.pdb", "".join(row[:54] + "\n" for row in rows), SEQUENCE)
    yield odd("no-occupancy.pdb", "".join(row[:54] + " " * 12 + row[66:] for row in rows[:-1]), SEQUENCE)
    yield odd("no-element.pdb", "".join(row[:76] + "\n" for row in rows), SEQUENCE)
    yield odd(
        "only-header.pdb", "HEADER    HYDROLASE   06-JUL-90   1ABC\n", says=("only-header.pdb has no ATOM record",)
    )
    nan = text.replace(rows[6][30:54], "     nan     nan     nan")
    yield odd("nan.pdb", nan, SEQUENCE, unresolved=(1,))
    everywhere = "".join(row[:30] + "     nan" * 3 + row[54:] if row.startswith("ATOM") else row for row in rows)
    yield odd(
        "all-nan.pdb", everywhere, says=("all-nan.pdb has no protein chain", "0 amino acid residues with a C-alpha")
    )
    zeros = "".join(row[:30] + "   0.000" * 3 + row[54:] if row.startswith("ATOM") else row for row in rows)
    yield odd("zeros.pdb", zeros, says=("zeros.pdb", "lie 0.00 apart"))
    nanometres = [Atom(**{**vars(a), "position": tuple(x / 10 for x in a.position)}) for a in helix()]  # type: ignore[arg-type]
    yield odd("nanometres.pdb", pdb(nanometres), says=("nanometres.pdb", "lie 0.14 apart", "another unit"))
    far = change(helix(), 3, position=(9999.0, 9999.0, 9999.0))
    yield odd("placeholders.pdb", pdb(far), SEQUENCE, unresolved=(2,))
    large = [row[:22] + f"A{number - 10_000:03}" + row[26:] if (number := 9_995 + int(row[22:26])) > 9_999
             else row[:22] + f"{number}" + row[26:] for row in rows[:-1]]  # fmt: skip
    yield odd("hybrid.pdb", "".join(large), SEQUENCE, numbers=range(9_996, 10_008))


def residues() -> Iterator[Odd]:
    """Residues that are altered, doubled, missing, or none of a protein."""
    whole = helix()
    mse = [Atom(**{**vars(a), "record": "HETATM"}) for a in change(whole, 1, residue="MSE")]
    selenium = Atom("SE", "MSE", "A", 1, (0.0, 5.0, 1.0), record="HETATM", place=1)
    yield odd("mse.pdb", pdb([*mse[:5], selenium, *whole[5:]]), SEQUENCE, look=lambda p: bool(p.chains[0].mask[0, 6]))
    yield odd("sep.cif", cif(change(whole, 12, residue="SEP", record="HETATM")), SEQUENCE)
    yield odd("force-field.pdb", pdb(change(whole, 9, residue="HIE")), SEQUENCE[:8] + "H" + SEQUENCE[9:])
    yield odd("unknown.pdb", pdb(change(whole, 5, residue="UNK")), SEQUENCE[:4] + "X" + SEQUENCE[5:])
    yield odd("nobody-knows.pdb", pdb(change(whole, 5, residue="QQQ")), SEQUENCE[:4] + "X" + SEQUENCE[5:])
    yield odd("selenocysteine.pdb", pdb(change(whole, 5, residue="SEC")), SEQUENCE[:4] + "C" + SEQUENCE[5:])
    yield odd("d-form.pdb", pdb(change(whole, 5, residue="DAL")), SEQUENCE[:4] + "A" + SEQUENCE[5:])
    waters = [Atom("O", "HOH", "A", 100 + i, (30.0, 3.0 * i, 0.0), record="HETATM") for i in range(20)]
    ligand = [Atom("C1", "ATP", "A", 90, (20.0, 0.0, 0.0), record="HETATM")]
    yield odd("waters.pdb", pdb([*whole, *waters, *ligand]), SEQUENCE)
    yield odd("only-water.pdb", pdb(waters), says=("only-water.pdb has no protein chain", "no amino acid residue"))
    free = [Atom(**{**vars(a), "record": "HETATM", "number": 200}) for a in helix("G", shift=20.0)]
    yield odd("free-glycine.pdb", pdb(whole, after="TER\n") + pdb(free), SEQUENCE)
    no_place = [Atom(**{**vars(a), "place": None}) for a in free]
    yield odd("free-glycine.cif", cif([*whole, *no_place], full=SEQUENCE), SEQUENCE)
    dna = [Atom(name, "DA", "B", i, (40.0, 3.0 * i, 1.0 * k)) for i in range(8) for k, name in enumerate(("P", "C1'"))]
    yield odd("with-dna.pdb", pdb([*whole, *dna]), SEQUENCE, notes=("Chain B is left out: no amino acid residue",))
    yield odd("only-dna.pdb", pdb(dna), says=("only-dna.pdb has no protein chain", "Chain B is left out"))
    yield odd("short-chain.pdb", pdb([*whole, *helix("MKT", chain="B", shift=30.0)]), SEQUENCE,
              notes=("Chain B is left out: 3 amino acid residues with a C-alpha; expected 5 or more.",))  # fmt: skip
    yield odd("hydrogens.pdb", pdb([*whole, Atom("H", "MET", "A", 1, (0.0, 0.0, 9.0))]), SEQUENCE)
    no_alpha = [a for a in whole if not (a.number == 4 and a.name == "CA")]
    yield odd("no-alpha.pdb", pdb(no_alpha), SEQUENCE, unresolved=(3,))
    only_alpha = [a for a in whole if a.name == "CA"]
    yield odd("only-alpha.pdb", pdb(only_alpha), SEQUENCE, look=lambda p: p.chains[0].mask.sum() == len(SEQUENCE))
    twice = [whole[0], Atom(**{**vars(whole[0]), "position": (50.0, 0.0, 0.0)}), *whole[1:]]
    yield odd("atom-twice.pdb", pdb(twice), SEQUENCE, look=lambda p: p.chains[0].positions[0, 0, 0] < 10)
    yield odd("chains-of-one-name.pdb", pdb([*whole, *helix(shift=30.0)]), SEQUENCE,
              notes=("12 residues stand twice; the first of each is read.",))  # fmt: skip


def locations() -> Iterator[Odd]:
    """Atoms and residues in several places."""

    def both(first: float, second: float, *, residue: str = "ALA", ids: str = "AB") -> list[Atom]:
        found = []
        for atom in helix():
            if atom.number != 4:
                found.append(atom)
                continue
            x, y, z = atom.position
            found.append(Atom(**{**vars(atom), "location": ids[0], "occupancy": first}))
            moved = {"location": ids[1], "occupancy": second, "position": (x + 0.5, y, z), "residue": residue}
            found.append(Atom(**{**vars(atom), **moved}))
        return found

    own = helix()[3 * 5 + 1].position[0]
    yield odd("first.pdb", pdb(both(0.6, 0.4)), SEQUENCE, look=_at(own))
    yield odd("second.pdb", pdb(both(0.4, 0.6)), SEQUENCE, look=_at(own + 0.5))
    yield odd("tie.pdb", pdb(both(0.5, 0.5)), SEQUENCE, look=_at(own))
    yield odd("second.cif", cif(both(0.4, 0.6)), SEQUENCE, look=_at(own + 0.5))
    yield odd("numbered.pdb", pdb(both(0.4, 0.6, ids="12")), SEQUENCE, look=_at(own + 0.5))
    mixed = both(0.4, 0.6, residue="PHE")
    changed = SEQUENCE[:3] + "F" + SEQUENCE[4:]
    yield odd("two-residues.pdb", pdb(mixed), changed, look=_at(own + 0.5))
    yield odd("two-residues.cif", cif(mixed, full=SEQUENCE), changed, look=_at(own + 0.5))
    second = [Atom(**{**vars(a), "model": 2}) for a in helix(shift=50.0)]
    yield odd("models.cif", cif([*helix(), *second]), SEQUENCE, look=lambda p: p.chains[0].positions[0, 0, 0] < 10)
    models = f"MODEL        1\n{pdb(helix(), after='')}ENDMDL\nMODEL        2\n{pdb(second[:-1], after='')}ENDMDL\n"
    yield odd("models.pdb", models, SEQUENCE, look=lambda p: p.chains[0].positions[0, 0, 0] < 10)
    yield odd("models-unended.pdb", models.replace("ENDMDL\n", ""), SEQUENCE)
    yield odd("models-from-7.pdb", models.replace("        2", "        9").replace("        1", "        7"), SEQUENCE)


def _at(x: float) -> Callable[[object], bool]:
    """Return whether the C-alpha of the fourth residue lies at x."""
    return lambda protein: abs(float(protein.chains[0].positions[3, 1, 0]) - x) < 0.01  # type: ignore[attr-defined]


def numbering() -> Iterator[Odd]:
    """Gaps, residue numbers of all kinds, full sequences that fit or do not, names of chains."""
    whole = helix()
    gap = [a for a in whole if a.number not in (5, 6)]
    observed = SEQUENCE[:4] + SEQUENCE[6:]
    yield odd("gap.pdb", pdb(gap), observed, places=(1, 2, 3, 4, 7, 8, 9, 10, 11, 12))
    yield odd("gap-seqres.pdb", pdb(gap, before=seqres(SEQUENCE)), SEQUENCE, unresolved=(4, 5), numbers=range(1, 13))
    yield odd("gap-poly-seq.cif", cif(gap, full=SEQUENCE), SEQUENCE, unresolved=(4, 5), places=range(1, 13))
    tail = pdb(whole, before=seqres("GS" + SEQUENCE + "HHH"))
    yield odd("tails.pdb", tail, "GS" + SEQUENCE + "HHH", unresolved=(0, 1, 14, 15, 16), numbers=range(-1, 16))
    other = pdb(whole, before=seqres("W" * 20))
    yield odd("other-seqres.pdb", other, SEQUENCE, notes=("do not follow the full sequence",))
    negative = helix(first=-3)
    yield odd("negative.pdb", pdb(negative), SEQUENCE, numbers=range(-3, 9), places=range(1, 13))
    yield odd("negative.cif", cif(negative), SEQUENCE, numbers=range(-3, 9))
    skip = [Atom(**{**vars(a), "number": a.number + (90 if a.number > 6 else 0)}) for a in whole]
    yield odd("numbers-jump-chain-goes-on.pdb", pdb(skip), SEQUENCE, places=range(1, 13))
    back = [Atom(**{**vars(a), "number": a.number - (40 if a.number > 6 else 0)}) for a in whole]
    yield odd("numbers-go-back.pdb", pdb(back), SEQUENCE, places=range(1, 13))
    yield odd("numbers-go-back-seqres.pdb", pdb(back, before=seqres("M" + SEQUENCE)), "M" + SEQUENCE, unresolved=(0,))
    letters = [Atom(**{**vars(a), "number": 3 if a.number in (3, 4, 5) else a.number,
                       "insertion": {4: "A", 5: "B"}.get(a.number, " ")}) for a in whole]  # fmt: skip
    yield odd("insertions.pdb", pdb(letters), SEQUENCE, numbers=(1, 2, 3, 3, 3, *range(6, 13)), places=range(1, 13),
              look=lambda p: p.chains[0].insertions[2:5].tolist() == ["", "A", "B"])  # fmt: skip
    yield odd("insertions.cif", cif(letters), SEQUENCE, numbers=(1, 2, 3, 3, 3, *range(6, 13)))
    blank = [Atom(**{**vars(a), "chain": " "}) for a in whole]
    yield odd("no-chain.pdb", pdb(blank), SEQUENCE)
    both = pdb([*whole, *(Atom(**{**vars(a), "chain": " "}) for a in helix("AAAAAA", shift=30.0))])
    yield odd("one-chain-named.pdb", both, {"A": SEQUENCE, "_": "AAAAAA"})
    segments = "".join(row[:72] + "B   " + row[76:] if row.startswith("ATOM") else row
                       for row in pdb(blank).splitlines(keepends=True))  # fmt: skip
    yield odd("segments.pdb", segments, {"B": SEQUENCE})
    small = [Atom(**{**vars(a), "chain": "a"}) for a in helix("AAAAAA", shift=30.0)]
    yield odd("small-letters.pdb", pdb([*whole, *small]), {"A": SEQUENCE, "a": "AAAAAA"})
    yield odd("author-names.cif", cif(whole, full=SEQUENCE, author="HEAVY"), {"HEAVY": SEQUENCE})
    yield odd("mixed-up.pdb", pdb([a for pair in zip(whole, helix(chain="B", shift=30.0), strict=True) for a in pair]),
              {"A": SEQUENCE, "B": SEQUENCE})  # fmt: skip


def columns() -> Iterator[Odd]:
    """mmCIF files with fewer columns, other order, or damage."""
    whole = helix()
    few = ("pdbx_PDB_ins_code", "pdbx_PDB_model_num", "type_symbol", "occupancy", "B_iso_or_equiv", "group_PDB",
           "label_alt_id", "auth_atom_id", "auth_comp_id", "label_entity_id")  # fmt: skip
    yield odd("few-columns.cif", cif(whole, leave_out=few), SEQUENCE)
    yield odd("label-only.cif", cif(whole, leave_out=("auth_asym_id", "auth_seq_id", "auth_comp_id")), SEQUENCE)
    yield odd("no-x.cif", cif(whole, leave_out=("Cartn_x",)), says=("no-x.cif has atoms without Cartn_x",))
    nameless = ("label_atom_id", "auth_atom_id")
    yield odd("no-names.cif", cif(whole, leave_out=nameless), says=("no-names.cif has atoms without auth_atom_id",))
    text = cif(whole, full=SEQUENCE)
    yield odd("cut.cif", text[:-60], says=("cut.cif is no readable mmCIF file", "cut off"))
    yield odd("no-atoms.cif", "data_test\n_entry.id TEST\n", says=("no-atoms.cif has no atoms (atom_site)",))
    yield odd("words.cif", text.replace(" 20.00 ", " high ", 1), says=("words.cif is no readable mmCIF file", "high"))
    yield odd("second-block.cif", "data_first\n_entry.id A\n#\n" + text, SEQUENCE)
    yield odd("comment.cif", "# made by hand\n#\n" + text, SEQUENCE)
    unknown = text.replace(f"{whole[5].position[0]:.3f}", "?", 1)
    yield odd("question.cif", unknown, SEQUENCE)
    about = (
        "_pdbx_database_status.recvd_initial_deposition_date 2019-12-24\n_exptl.method 'ELECTRON MICROSCOPY'\n"
        "_em_3d_reconstruction.resolution 3.1\n#\n"
    )
    yield odd("facts.cif", cif(whole, before=about), SEQUENCE,
              look=lambda p: (p.date, p.method, p.resolution) == ("2019-12-24", "electron microscopy", 3.1),
              )  # fmt: skip
    header = (
        "HEADER    HYDROLASE                               06-JUL-90   1ABC\nEXPDTA    X-RAY DIFFRACTION\n"
        "REMARK   2 RESOLUTION.    2.50 ANGSTROMS.\n"
    )
    yield odd("facts.pdb", pdb(whole, before=header), SEQUENCE,
              look=lambda p: (p.date, p.method, p.resolution) == ("1990-07-06", "x-ray diffraction", 2.5))  # fmt: skip
    no_date = header.replace("06-JUL-90", "99-XXX-90").replace("2.50 ANGSTROMS.", "NOT APPLICABLE.")
    yield odd("no-facts.pdb", pdb(whole, before=no_date), SEQUENCE,
              look=lambda p: p.date == "" and p.resolution != p.resolution)  # fmt: skip
    yield odd("quo'te é.pdb", pdb(whole), SEQUENCE)


def corpus() -> dict[str, Odd]:
    """Return all of them by name."""
    families = (containers, lines, residues, locations, numbering, columns)
    return {file.name: file for family in families for file in family()}

"""Sequences that are written in another way than one letter a residue: three-letter codes, codons, tags and chemical
groups at the ends, modifications in brackets, several chains in one cell.
"""

from __future__ import annotations

import re

from biotite.sequence import CodonTable, ProteinSequence

THREE_LETTERS = (
    "Ala", "Arg", "Asn", "Asp", "Cys", "Gln", "Glu", "Gly", "His", "Ile", "Leu", "Lys", "Met", "Phe", "Pro", "Ser",
    "Thr", "Trp", "Tyr", "Val", "Sec", "Pyl", "Xaa",
)  # fmt: skip
# biotite would read selenocysteine as cysteine.
_RARE = {"SEC": "U", "PYL": "O", "XAA": "X"}
_CODE = f"(?:{'|'.join(THREE_LETTERS)})"
# "METPRO" may be one letter a residue; "Met-Pro" and "MetPro" may not.
THREE_LETTER = re.compile(rf"(?i:(?:H-)?{_CODE}(?:[-\s]+{_CODE})+(?:-(?:OH|NH2))?)|(?:{_CODE}){{3,}}")
# What people call what stands before or behind a protein, and chemists the ends of a peptide.
_TAG = (
    r"(?:(?:N-?)?\d{0,2}x?\(?His\)?(?:-?tag|_?x?\d{1,2})?|FLAG|HA|c?-?Myc|GST|MBP|SUMO|Strep(?:II|-tag)?|Avi(?:-?tag)?|"
    r"V5|TEV|TrxA?|e?GFP|mCherry|Halo|SNAP)"
)
_GROUP = r"H2N|NH2|Ac|Acetyl|Boc|Fmoc|Biotin|FITC"
# A body without gaps: "HIS-" at the start of an aligned sequence are residues.
TAGGED = re.compile(
    rf"((?:(?:(?i:{_TAG})|{_GROUP})-)*(?:H-(?=.*-))?)([A-Za-z*\s]{{5,}}?)((?:-(?i:{_TAG}|COOH|CO2H|OH|NH2|CONH2|amide))*)"
)
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>")
PHOSPHO = re.compile(r"(?<=[A-Z])p(?=[STY])|^p(?=[STY][A-Z])")
CHAINS = re.compile(r"[A-Za-z*]{5,}(?:\s*([:/|;,_+])\s*[A-Za-z*]{5,})(?:\s*\1\s*[A-Za-z*]{5,}){0,2}")
NUCLEOTIDES = re.compile(r"[ACGTUN\s]+", re.IGNORECASE)
_CODONS = dict(CodonTable.default_table().codon_dict().items())


def chain_sign(text: str) -> str:
    """Return what parts the chains that stand in one cell, "" where there is one chain.

    >>> chain_sign("MKTAYIAK:EVQLVESG"), chain_sign("MKTAYIAK")
    (':', '')
    """
    found = CHAINS.fullmatch(text.strip())
    return str(found[1]) if found else ""


def advice(text: str) -> str:
    """Return what a sequence with an unknown letter is, and what to do about all of it; "" where nothing is known.

    >>> advice("Met-Lys-Thr")
    'the sequence is in three-letter codes; write one letter a residue'
    """
    text = text.strip()
    if THREE_LETTER.fullmatch(text):
        return "the sequence is in three-letter codes; write one letter a residue"
    if sign := chain_sign(text):
        return f"{sign!r} seems to part two chains; give each a column of its own"
    if (found := TAGGED.fullmatch(text)) and (found[1] or found[3]):
        return f"{(found[1] or found[3])!r} names a tag or a chemical group; write its residues, or remove it"
    if found := BRACKETS.search(text):
        return f"{found[0][:40]!r} is a remark within the sequence; remove it, the model reads plain residues"
    return ""


def without_tags(text: str) -> str:
    """Return a sequence without the names of tags and chemical groups at its ends.

    >>> without_tags("6xHis-MKTAYIAK-NH2"), without_tags("HIS--KTAY-AK")
    ('MKTAYIAK', 'HIS--KTAY-AK')
    """
    found = TAGGED.fullmatch(text.strip())
    return found[2].strip() if found else text


def one_letter(text: str) -> str:
    """Return a sequence of three-letter codes with one letter a residue; other text as it is.

    >>> one_letter("H-Met-Lys-Thr-NH2"), one_letter("MKT")
    ('MKT', 'MKT')
    """
    if not THREE_LETTER.fullmatch(text.strip()):
        return text
    codes = re.findall(_CODE, re.sub(r"^H-|-(?:OH|NH2)$", "", text.strip()), re.IGNORECASE)
    return "".join(_RARE.get(code.upper()) or ProteinSequence.convert_letter_3to1(code.upper()) for code in codes)


def translate(text: str) -> str:
    """Return the protein that DNA or RNA stands for: standard code, from its first letter, without the last stop.

    A codon with an unknown letter is X. Of letters that are no whole number of codons nothing is known: "".

    >>> translate("ATGAAAACC TAA"), translate("augaaa"), translate("ATGA")
    ('MKT', 'MK', '')
    """
    letters = "".join(text.split()).upper().replace("U", "T")
    if not letters or len(letters) % 3 or not NUCLEOTIDES.fullmatch(letters):
        return ""
    protein = "".join(_CODONS.get(letters[i : i + 3], "X") for i in range(0, len(letters), 3))
    return protein.removesuffix("*")

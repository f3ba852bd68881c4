"""A corpus of ugly tables, as people send them: what each file holds, and the table or the sentence that it gives."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

SEQS = ("MKTAYIAKQRQISFVKSHFSRQ", "EVQLVESGGGLVQPGGSLRLSC", "GSHMLEDPVDAAKLMNPQRSTW", "MSKGEELFTGVVPILVELDGDV")
NUMBERS = (1.5, -2.25, 30.0, 0.125)
TABLE = "sequence,y\n" + "".join(f"{seq},{value}\n" for seq, value in zip(SEQS, NUMBERS, strict=True))


@dataclass(frozen=True)
class Ugly:
    """One file and what has to come of it: a table, or a sentence that holds every part of `says`."""

    name: str
    content: bytes
    target: str = "y"
    values: Sequence[Any] = NUMBERS
    sequences: Sequence[str] = SEQS
    rows: Sequence[int] = (2, 3, 4, 5)
    task: str = "regression"
    says: Sequence[str] = ()


def encodings() -> Iterator[Ugly]:
    """The same table in every encoding, with and without a mark."""
    named = TABLE.replace("sequence,y", "sequence,größe")
    marked = {"utf-8-sig": "", "utf-16": "", "utf-32": ""}
    for encoding in ("utf-8", "cp1252", "latin-1", "iso8859-15", *marked, "utf-16-le", "utf-16-be"):
        yield Ugly(f"{encoding}.csv", named.encode(encoding), target="größe")
    for encoding, mark in (("utf-16-be", b"\xfe\xff"), ("utf-32-be", b"\0\0\xfe\xff")):
        yield Ugly(f"mark-{encoding}.tsv", mark + named.replace(",", "\t").encode(encoding), target="größe")
    yield Ugly("mac.csv", named.replace("\n", "\r").encode("mac_roman"), target="größe")
    yield Ugly(
        "quotes.csv", TABLE.replace("sequence", "\u201cname\u201d,sequence").replace("\n", "\n\u2019,").encode()[:-4],
    )  # fmt: skip
    mixed = TABLE.encode().replace(b"GSHM", b"GS\xe9HM") + "é,1\n".encode()
    yield Ugly("two-encodings.csv", mixed, says=("two-encodings.csv, row 4", "0xE9", "UTF-8"))
    broken = b"\xff\xfe" + TABLE.encode("utf-16-le")[:-1]
    yield Ugly("cut-utf16.csv", broken, says=("cut-utf16.csv, row 5", "UTF-16", "save it again"))
    yield Ugly(
        "nul.csv", TABLE.replace("30.0", "\x0030.0").encode(), says=("nul.csv", "row 4", "NUL", "save it again as CSV")
    )


def line_ends() -> Iterator[Ugly]:
    """Windows, the classic Mac, all of them at once, none at the end, blank lines."""
    yield Ugly("windows.csv", TABLE.replace("\n", "\r\n").encode())
    yield Ugly("classic-mac.csv", TABLE.replace("\n", "\r").encode())
    yield Ugly("mixed-ends.csv", TABLE.replace("\n", "\r\n", 2).replace("30.0\n", "30.0\r").encode())
    yield Ugly("no-end.csv", TABLE.rstrip().encode())
    yield Ugly("blank-end.csv", (TABLE + "\n\n \n").encode())
    yield Ugly("blank-start.csv", ("\n\n" + TABLE).encode(), rows=(4, 5, 6, 7))
    yield Ugly("blank-between.csv", TABLE.replace("-2.25\n", "-2.25\n\n\n").encode(), rows=(2, 3, 6, 7))
    yield Ugly("only-separators.csv", (TABLE + ",\n,\n").encode())
    yield Ugly("form-feed.csv", (TABLE + "\x0c\n").encode())
    yield Ugly("ctrl-z.csv", (TABLE + "\n").encode())


def separators() -> Iterator[Ugly]:
    """What parts the cells, whatever the ending says."""
    for name, sign in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")):
        for ending in ("csv", "tsv", "txt"):
            yield Ugly(f"{name}.{ending}", TABLE.replace(",", sign).encode())
    yield Ugly("blanks.txt", TABLE.replace(",", "   ").encode())
    yield Ugly("aligned.txt", TABLE.replace("sequence,", f"{'sequence':<25}").replace(",", "   ").encode())
    yield Ugly("comma-blank.csv", TABLE.replace(",", ", ").encode())
    yield Ugly("tab-blank.csv", TABLE.replace(",", " \t ").encode())
    yield Ugly("told.csv", ("sep=;\n" + TABLE.replace(",", ";")).encode(), rows=(3, 4, 5, 6))
    yield Ugly("told-windows.csv", ("sep=\t\r\n" + TABLE.replace(",", "\t")).encode(), rows=(3, 4, 5, 6))
    yield Ugly("told-quoted.csv", ('"sep=|"\n' + TABLE.replace(",", "|")).encode(), rows=(3, 4, 5, 6))
    yield Ugly("all-quoted.csv", ('"' + TABLE.strip().replace(",", '","').replace("\n", '"\n"') + '"').encode())
    yield Ugly("last-empty.csv", (TABLE.replace("\n", ",\n")).encode())
    yield Ugly("three-empty.csv", (TABLE.replace("\n", ",,,\n")).encode())
    notes = TABLE.replace("sequence,", "note,sequence,").replace("\n", '\n"a, b; c",').rsplit("\n", 1)[0]
    yield Ugly("quoted-separators.csv", notes.encode())
    yield Ugly("line-in-cell.csv", notes.replace("a, b; c", "a\nb").encode())
    yield Ugly("quote-in-cell.csv", notes.replace("a, b; c", 'a ""b"" c').encode())


def headers() -> Iterator[Ugly]:
    """What stands above the first row, or does not."""
    yield Ugly("titled.csv", ("Screen of Monday\n" + TABLE).encode(), rows=(3, 4, 5, 6))
    yield Ugly("titled-twice.csv", ("Screen\nplate 7\n\n" + TABLE).encode(), rows=(5, 6, 7, 8))
    yield Ugly("comments.csv", ("# made by a reader\n# version 2\n" + TABLE).encode(), rows=(4, 5, 6, 7))
    yield Ugly("comment-between.csv", TABLE.replace("-2.25\n", "-2.25\n# plate 2,\n").encode(), rows=(2, 3, 5, 6))
    yield Ugly("comment-header.tsv", ("#" + TABLE).replace(",", "\t").encode())
    yield Ugly("capitals.csv", TABLE.replace("sequence,y", "SEQUENCE,Y").encode(), target="Y")
    yield Ugly("blanks-in-names.csv", TABLE.replace("sequence,y", " sequence , y ").encode())
    yield Ugly("unit-in-name.csv", TABLE.replace("sequence,y", "sequence,Tm (°C)").encode(), target="Tm (°C)")
    yield Ugly("unit-row.csv", TABLE.replace("y\n", "y\n,nM\n").encode(), target="y (nM)", rows=(3, 4, 5, 6))
    yield Ugly("rule.txt", TABLE.replace(",", "|").replace("y\n", "y\n---|---\n").encode(), rows=(3, 4, 5, 6))
    yield Ugly(
        "twice.csv", (TABLE + TABLE).encode(), values=NUMBERS * 2, sequences=SEQS * 2, rows=(2, 3, 4, 5, 7, 8, 9, 10)
    )
    merged = TABLE.replace("sequence,y\n", "sequence,assay,\n,y,z\n").replace("\n", ",1\n").replace("y,z,1", "y,z")
    yield Ugly("merged.csv", merged.replace("assay,,1", "assay,").encode(), target="assay y", rows=(3, 4, 5, 6))
    yield Ugly("index.csv", "".join(f"{i or ''},{line}\n" for i, line in enumerate(TABLE.split())).encode())
    yield Ugly("unnamed-last.csv", TABLE.replace("sequence,y", "sequence,y,").replace("5\n", "5,a\n").encode())
    yield Ugly("only-header.csv", b"sequence,y\n", says=("only-header.csv", "header but no rows", "expected"))
    yield Ugly("empty.csv", b"", says=("empty.csv", "0 bytes", "expected a table"))
    yield Ugly("blank.csv", b"\n \n\t\n", says=("blank.csv", "blank lines", "expected a table"))
    yield Ugly("only-comments.csv", b"# a\n# b\n", says=("only-comments.csv", "only comments", "expected"))
    yield Ugly(
        "none.csv",
        TABLE.split("\n", 1)[1].encode(),
        says=("none.csv, row 1, column 1", SEQS[0][:6], "add a header row"),
    )
    short = "MKTAY,1.5\nEVQLV,2.5\nGSHML,3.5\nMSKGE,1.0\n"
    yield Ugly("none-short.csv", short.encode(), says=("none-short.csv, row 1", "MKTAY", "add a header row"))
    double = TABLE.replace("sequence,y\n", "sequence,y,y\n")
    yield Ugly("same-name.csv", double.encode(), says=("same-name.csv, row 1, column 3", "'y'", "its own name"))
    long = TABLE.replace("sequence", "s" * 300)
    yield Ugly("long-name.csv", long.encode(), says=("long-name.csv, row 1, column 1", "300 characters", "short names"))


def broken_rows() -> Iterator[Ugly]:
    """Rows that do not fit the header."""
    yield Ugly(
        "too-long.csv",
        TABLE.replace("30.0", "30.0,7").encode(),
        says=("too-long.csv, row 4", "expected 2", "found 3", "'7'", "quote"),
    )
    yield Ugly(
        "comma-number.csv",
        TABLE.replace("30.0", "30,5").encode(),
        says=("comma-number.csv, row 4", "'5'", "decimal points"),
    )
    yield Ugly(
        "too-short.csv",
        TABLE.replace(",30.0", "").encode(),
        says=("too-short.csv, row 4, column 'y'", "found nothing", "remove"),
    )
    open_quote = TABLE.replace("GSHM", '"GSHM')
    yield Ugly("open-quote.csv", open_quote.encode(), says=("open-quote.csv, row 4", "never closed", "close"))
    yield Ugly(
        "inner-quote.csv", TABLE.replace("GSHM", '"GS"HM').encode(), says=("inner-quote.csv, row 4", "quotation mark")
    )
    yield Ugly("cut.csv", TABLE[:-20].encode(), says=("cut.csv, row 5, column 'y'", "found nothing"))
    missing = TABLE.replace("GSHMLEDPVDAAKLMNPQRSTW", "")
    yield Ugly(
        "no-sequence.csv",
        missing.encode(),
        says=("no-sequence.csv, row 4, column 'sequence'", "found nothing", "remove"),
    )


def numbers() -> Iterator[Ugly]:
    """Numbers as programs of all countries write them."""
    table = TABLE.replace(",", ";")
    yield Ugly("comma-semicolon.csv", table.replace(".", ",").encode())
    yield Ugly("comma-tab.tsv", TABLE.replace(",", "\t").replace(".", ",").encode())
    quoted = "sequence,y\n" + "".join(
        f'{seq},"{str(v).replace(".", ",")}"\n' for seq, v in zip(SEQS, NUMBERS, strict=True)
    )
    yield Ugly("comma-quoted.csv", quoted.encode())
    spelled: dict[str, tuple[Sequence[str], Sequence[float]]] = {
        "thousands": (("1,234.5", "2,000.0", "12.5", "1,000,000"), (1234.5, 2000.0, 12.5, 1e6)),
        "continental": (("1.234,5", "2.000,0", "12,5", "1.000.000,0"), (1234.5, 2000.0, 12.5, 1e6)),
        "swiss": (("1'234.5", "2'000", "12.5", "1'000'000"), (1234.5, 2000.0, 12.5, 1e6)),
        "french": (("1\u202f234,5", "2\u202f000,0", "12,5", "0,5"), (1234.5, 2000.0, 12.5, 0.5)),
        "long-minus": (("\u22121.5", "\u22122.25", "30", "0.125"), (-1.5, -2.25, 30, 0.125)),
        "en-dash": (("\u20131.5", "2", "30", "0.125"), (-1.5, 2, 30, 0.125)),
        "plus": (("+1.5", "+2", "-30", "+0.125"), (1.5, 2, -30, 0.125)),
        "exponents": (("1.5e-3", "2E5", "3e+2", "1e0"), (1.5e-3, 2e5, 300, 1)),
        "bare-points": ((".5", "1.", "-.25", "3"), (0.5, 1, -0.25, 3)),
        "hard-blanks": (("\u00a01.5", "2\u00a0", "3", "4"), (1.5, 2, 3, 4)),
        "unseen": (("\u200b1.5", "2\ufeff", "3", "4"), (1.5, 2, 3, 4)),
        "apostrophe": (("'1.5", "'2", "'3", "'4"), (1.5, 2, 3, 4)),
        "many-digits": (("0.1234567890123456789", "2", "3", "4"), (0.1234567890123456789, 2, 3, 4)),
    }
    for name, (cells, values) in spelled.items():
        yield Ugly(f"{name}.tsv", _column(cells), values=values)
    for name, cell in (
        ("na", "NA"), ("nan", "NaN"), ("hash-na", "#N/A"), ("n.d.", "n.d."), ("dash", "-"), ("em-dash", "—"),
        ("question", "?"), ("null", "null"), ("none", "None"), ("point", "."),
    ):  # fmt: skip
        yield Ugly(
            f"missing-{name}.tsv", _column(("1.5", "2", cell, "4")),
            says=(f"missing-{name}.tsv, row 4, column 'y'", "found nothing", "remove"),
        )  # fmt: skip


def spoilt_numbers() -> Iterator[Ugly]:
    """Cells that are no number any more: what they were has to be said by the person who sent them."""
    for name, cell, says in (
        ("infinite", "inf", "finite"),
        ("word", "high", "correct or remove"),
        ("bound", "<5", "a bound is no number"),
        ("at-least", "≥ 5", "a bound is no number"),
        ("about", "~5", "a bound is no number"),
        ("unit", "12.3 nM", "without its unit"),
        ("micro", "12 µM", "without its unit"),
        ("degrees", "61.2 °C", "without its unit"),
        ("percent", "50%", "without the percent sign"),
        ("spread", "1.2 ± 0.1", "mean alone"),
        ("spread-ascii", "1.2 +/- 0.1", "mean alone"),
        ("range", "1.2-1.5", "a range is no number"),
        ("power", "1.5 x 10^-3", "1.5e-3"),
        ("two-points", "1.2.3", "correct or remove"),
        ("date-month", "1-Mar", "turned it into a date"),
        ("date-german", "1. Mrz", "turned it into a date"),
        ("date-year", "Mar-24", "turned it into a date"),
        ("date-points", "01.03.2024", "turned it into a date"),
        ("date-slashes", "3/1/2024", "turned it into a date"),
        ("date-iso", "2024-03-01", "turned it into a date"),
        ("time", "01:30:00", "turned it into a date"),
        ("ref", "#REF!", "a formula of the spreadsheet failed"),
        ("div", "#DIV/0!", "a formula of the spreadsheet failed"),
        ("hashes", "########", "a formula of the spreadsheet failed"),
        ("underscore", "1_000", "correct or remove"),
    ):
        found = cell if cell == "inf" else repr(cell)
        yield Ugly(
            f"{name}.tsv", _column(("1.5", "2", cell, "4", "7.5", "8", "9.25", "1")),
            says=(f"{name}.tsv, row 4, column 'y'", "expected a finite number", f"found {found};", says),
        )  # fmt: skip
    yield Ugly(
        "two-signs.csv", b"sequence;y;z\nMKTAYIAK;1,5;1.234\nEVQLVESG;2,5;2.500\n",
        says=("two-signs.csv, row 2, column 'z'", "one decimal sign", "'1.234'", "write 1234 or 1,234"),
    )  # fmt: skip
    yield Ugly(
        "date-class.csv", _classes(("MARCH1", "SEPT2", "1-Mar", "MARCH1", "SEPT2", "2-Sep", "MARCH1", "SEPT2")),
        says=("date-class.csv, row 4, column 'y'", "'1-Mar'", "turned it into a date"),
    )  # fmt: skip


def targets() -> Iterator[Ugly]:
    """Classes and labels of residues."""
    words = ("yes", "no", "yes", "no", "no", "yes", "yes", "no")
    seqs = tuple(seq[i:] for i in (0, 2) for seq in SEQS)
    rows = tuple(range(2, 10))
    for name, (yes, no) in {
        "yes-no": ("yes", "no"), "true-false": ("TRUE", "FALSE"), "german": ("löslich", "unlöslich"),
        "na-class": ("NA", "PA"), "signs": ("+", "-"),
    }.items():  # fmt: skip
        cells = tuple(yes if word == "yes" else no for word in words)
        yield Ugly(f"{name}.csv", _classes(cells), values=cells, sequences=seqs, rows=rows, task="classification")
    whole = tuple(int(word == "yes") for word in words)
    yield Ugly(
        "zero-one.csv", _classes(tuple(map(str, whole))), values=whole, sequences=seqs, rows=rows, task="classification"
    )
    labels = tuple("H" * (len(seq) - 5) + "CCCCC" for seq in SEQS)
    for name, write in {
        "letters": str,
        "semicolons": ";".join,
        "blanks": " ".join,
        "python-list": lambda label: str(list(label)),
        "json-list": lambda label: json.dumps(list(label)),
    }.items():
        cells = tuple(write(label) for label in labels)
        yield Ugly(f"residues-{name}.tsv", _column(cells), values=cells, task="per_residue")
    short = (*labels, *(label[2:] for label in labels), labels[0][4:])
    yield Ugly(
        "residues-short.tsv", _column(short),
        says=("residues-short.tsv, row 10, column 'y'", "19 residues", "found 18", "correct the labels"),
    )  # fmt: skip


def odd_sequences() -> Iterator[Ugly]:
    """Letters that no model knows, and sequences that are none."""
    for name, seq, letter in (
        ("stop", "MKTAYIAK*QISFVKSHF", "*"), ("gap", "MKTAYI--RQISFVKSHF", "-"), ("digit", "MKTAYI4KRQISFVKSHF", "4"),
        ("selenium", "MKTAYIUKRQISFVKSHF", "U"), ("any", "MKTAYIJKRQISFVKSHF", "J"),
        ("greek", "MKTAYIαKRQISFVKSHF", "α"),
        ("bracket", "MKTAYI[KRQISFVKSHF", "["), ("slash", "MKTAYIAK/QISFVKSHF", "/"),
    ):  # fmt: skip
        yield Ugly(
            f"letter-{name}.csv", TABLE.replace(SEQS[2], seq).encode(),
            says=(f"letter-{name}.csv, row 4, column 'sequence'", repr(letter), "position"),
        )  # fmt: skip
    yield Ugly(
        "lower.csv", TABLE.replace(SEQS[2], SEQS[2].lower()).encode(), sequences=(*SEQS[:2], SEQS[2].lower(), SEQS[3])
    )
    dna = "".join(f"{'ATGGCCATTGTAATGGGCCGC' * 2},{i}.5\n" for i in range(6))
    yield Ugly("dna.csv", ("sequence,y\n" + dna).encode(), says=("dna.csv", "column 'sequence'", "DNA", "translate"))
    yield Ugly(
        "long.csv",
        TABLE.replace(SEQS[2], SEQS[2] * 40).encode(),
        says=("long.csv, row 4, column 'sequence'", "880", "510"),
    )


def fasta() -> Iterator[Ugly]:
    """FASTA as it comes out of web pages, aligners and old programs."""
    good = "".join(f">s{i} y={v}\n{seq}\n" for i, (seq, v) in enumerate(zip(SEQS, NUMBERS, strict=True)))
    for ending in ("fasta", "fa", "faa", "fas", "txt", "csv"):
        yield Ugly(f"plain.{ending}", good.encode(), rows=(1, 2, 3, 4))
    spelled = {
        "windows": good.replace("\n", "\r\n"),
        "classic-mac": good.replace("\n", "\r"),
        "wrapped": good.replace("ISFV", "ISFV\n"),
        "blank-lines": good.replace(">", "\n\n>"),
        "blanks-within": good.replace("MKTAYI", "MKT AYI"),
        "comments": "; made by hand\n" + good,
        "hash-comments": "# made by hand\n" + good,
        "bars": good.replace(" y=", "|y="),
        "brackets": good.replace(" y=", " [y=").replace("\nM", "]\nM").replace("\nE", "]\nE").replace("\nG", "]\nG"),
        "no-keys": good.replace(" y=", " some text "),
        "commas": good.replace(" y=", ","),
        "capitals": good.replace(" y=-2", " Y=-2"),
        "no-end": good.rstrip(),
        "indented": good.replace("\n", "\n ").rstrip(" "),
    }
    for name, text in spelled.items():
        target = "value" if name in ("no-keys", "commas") else "y"
        yield Ugly(f"fasta-{name}.fasta", text.encode(), target=target, rows=(1, 2, 3, 4))
    yield Ugly("fasta-utf16.fasta", good.encode("utf-16"), rows=(1, 2, 3, 4))
    yield Ugly(
        "fasta-headless.fasta", good.replace(">s0 y=1.5\n", "").encode(),
        says=("fasta-headless.fasta", "row 1", "MKTAYI", "add the missing '>' line"),
    )  # fmt: skip
    yield Ugly(
        "fasta-table.fasta", TABLE.encode(), says=("fasta-table.fasta", "row 1", "sequence,y", "name the file .csv")
    )
    yield Ugly(
        "fasta-empty-record.fasta", good.replace(SEQS[2] + "\n", "").encode(),
        says=("fasta-empty-record.fasta, row 3, column 'sequence'", "found nothing", "remove"),
    )  # fmt: skip
    yield Ugly("fasta-empty.fasta", b"", says=("fasta-empty.fasta", "0 bytes"))
    yield Ugly(
        "fasta-no-value.fasta", good.replace(" y=30.0", "").encode(),
        says=("fasta-no-value.fasta, row 3, column 'y'", "found nothing", "remove"),
    )  # fmt: skip
    yield Ugly(
        "fasta-word.fasta", good.replace("y=30.0", "y=high").encode(),
        says=("fasta-word.fasta, row 3, column 'y'", "'high'", "correct or remove"),
    )  # fmt: skip


def workbooks() -> Iterator[Ugly]:
    """Excel files."""
    head, body = ["sequence", "y"], [list(row) for row in zip(SEQS, NUMBERS, strict=True)]
    yield Ugly("plain.xlsx", _book([head, *body]))
    yield Ugly("text-numbers.xlsx", _book([head, *([seq, str(v)] for seq, v in body)]))
    yield Ugly("comma-numbers.xlsx", _book([head, *([seq, str(v).replace(".", ",")] for seq, v in body)]))
    yield Ugly("lead.xlsx", _book([[], [], [None, *head], *([None, *row] for row in body)]), rows=(4, 5, 6, 7))
    yield Ugly("titled.xlsx", _book([["Screen of Monday"], [], head, *body]), rows=(4, 5, 6, 7))
    yield Ugly("gaps.xlsx", _book([head, *body[:2], [], *body[2:]]), rows=(2, 3, 5, 6))
    yield Ugly("second-sheet.xlsx", _book([], [head, *body]))
    merged = [["sequence", "assay", None], [None, "y", "z"], *([*row, 1] for row in body)]
    yield Ugly(
        "merged.xlsx",
        _book(merged, change=lambda sheet: sheet.merge_cells("B1:C1")),
        target="assay y",
        rows=(3, 4, 5, 6),
    )
    yield Ugly("units.xlsx", _book([head, [None, "nM"], *body]), target="y (nM)", rows=(3, 4, 5, 6))
    yield Ugly("under-other-name.csv", _book([head, *body]))
    yield Ugly("coloured.xlsx", _book([head, *body], change=_colour))
    yield Ugly("hidden.xlsx", _book([["note", *head], *(["a", *row] for row in body)], change=_hide))
    for name, cell, says in (
        ("date", datetime.datetime(2024, 3, 1), "turned it into a date"),
        ("time", datetime.time(1, 30), "turned it into a date"),
        ("failed", "#REF!", "a formula of the spreadsheet failed"),
        ("divided", "#DIV/0!", "a formula of the spreadsheet failed"),
        ("word", "high", "correct or remove"),
    ):
        rows = [head, *body, [SEQS[0][2:], cell], [SEQS[1][2:], 1.0], [SEQS[2][2:], 2.0]]
        yield Ugly(
            f"{name}.xlsx", _book(rows), says=(f"{name}.xlsx, row 6, column 'y'", "expected a finite number", says)
        )
    yield Ugly(
        "formula.xlsx", _book([head, *body[:2], [SEQS[2], "=1+1"], body[3]]),
        says=("formula.xlsx, row 4, column 'y'", "found nothing", "remove"),
    )  # fmt: skip
    yield Ugly("empty.xlsx", _book([]), says=("empty.xlsx", "empty", "expected a header and rows"))
    yield Ugly("no-rows.xlsx", _book([head]), says=("no-rows.xlsx", "no rows", "expected"))
    yield Ugly("cut.xlsx", _book([head, *body])[:-200], says=("cut.xlsx", "no readable Excel file", "save it as"))
    yield Ugly("text.xlsx", TABLE.encode(), says=("text.xlsx", "'sequence,y", "rename it to end in .csv"))


def other_files() -> Iterator[Ugly]:
    """What is sent under the name of a table."""
    frame = pd.DataFrame({"sequence": SEQS, "y": NUMBERS})
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    yield Ugly("plain.parquet", buffer.getvalue(), rows=(1, 2, 3, 4))
    yield Ugly("parquet.csv", buffer.getvalue(), rows=(1, 2, 3, 4))
    yield Ugly("instrument.xls", TABLE.replace(",", "\t").encode())
    yield Ugly(
        "cut.parquet", buffer.getvalue()[:-9], says=("cut.parquet", "no readable Parquet file", "write it again")
    )
    yield Ugly(
        "page.csv", b"<!DOCTYPE html><html><body>Log in</body>", says=("page.csv", "a web page", "save the table")
    )
    yield Ugly("page.xls", b"<html><table></table></html>", says=("page.xls", "a web page", "save the table"))
    yield Ugly("answer.csv", b'{"error": "not found"}', says=("answer.csv", "JSON", "CSV"))
    yield Ugly("data.xml.csv", b'<?xml version="1.0"?><a/>', says=("data.xml.csv", "XML", "CSV"))
    yield Ugly("paper.csv", b"%PDF-1.7\n%\xe2\xe3", says=("paper.csv", "a PDF", "as CSV"))
    yield Ugly("picture.csv", b"\x89PNG\r\n\x1a\n\0\0", says=("picture.csv", "a picture", "as CSV"))
    yield Ugly("packed.csv", gzip.compress(TABLE.encode()), says=("packed.csv", "compressed", "unpack"))
    yield Ugly("packed.csv.gz", gzip.compress(TABLE.encode()), says=("packed.csv.gz", "compressed", "unpack"))
    yield Ugly("bz.csv", bz2.compress(TABLE.encode()), says=("bz.csv", "compressed", "unpack"))
    yield Ugly("xz.csv", lzma.compress(TABLE.encode()), says=("xz.csv", "compressed", "unpack"))
    yield Ugly("archive.csv", _zip({"t.csv": TABLE}), says=("archive.csv", "compressed", "unpack"))
    yield Ugly("letter.csv", _zip({"word/document.xml": "<a/>"}), says=("letter.csv", "Word", "spreadsheet"))
    yield Ugly("sheet.ods", _zip({"content.xml": "<a/>"}), says=("sheet.ods", "OpenDocument", ".xlsx"))
    yield Ugly("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), says=("old.xls", "old format", ".xlsx"))
    yield Ugly("database.csv", _database(), says=("database.csv", "a database", "as CSV"))
    yield Ugly("letter.rtf.csv", b"{\\rtf1 hello}", says=("letter.rtf.csv", "a document", "as CSV"))
    yield Ugly("strange.bin", TABLE.encode(), says=("strange.bin", "unknown ending '.bin'", "expected CSV"))
    yield Ugly("noise.csv", bytes(range(256)) * 4, says=("noise.csv", "no text file", "row", "expected CSV"))


def lab_exports() -> Iterator[Ugly]:
    """What instruments, lab programs and databases write."""
    lines = TABLE.split()[1:]
    facts = "Instrument:,SpectraMax\nDate:,2024-03-01\n\nWell,Name,sequence,y\n"
    yield Ugly(
        "plate-reader.csv", (facts + "".join(f"A{i},s{i},{line}\n" for i, line in enumerate(lines))).encode(),
        rows=(5, 6, 7, 8),
    )  # fmt: skip
    yield Ugly(
        "geneious.csv",
        ("Name,Sequence Length,Sequence,% Identity,y\n" + "".join(
            f"v{i},22,{line.split(',')[0]},9{i}%,{line.split(',')[1]}\n" for i, line in enumerate(lines))).encode(),
    )  # fmt: skip
    yield Ugly(
        "benchling.csv",
        ("Entity ID,AA Sequence,y,Created At,Author\n" + "".join(
            f"BNCH-{i},{line},2024-03-01T10:00:00Z,ab\n" for i, line in enumerate(lines))).encode(),
    )  # fmt: skip
    yield Ugly(
        "uniprot.tsv",
        ("Entry\tReviewed\tLength\tSequence\ty\n" + "".join(
            f"P{i}\treviewed\t22\t{line}\n".replace(",", "\t") for i, line in enumerate(lines))).encode(),
    )  # fmt: skip
    yield Ugly(
        "snapgene.fasta",
        "".join(f">v{i} (22 aa) y = {line.split(',')[1]}\n{line.split(',')[0]}\n" for i, line in enumerate(lines))
        .encode(),
        rows=(1, 2, 3, 4),
    )  # fmt: skip
    for name, content, says in (
        ("record.txt", "LOCUS       X  60 aa\nORIGIN\n 1 mktay\n//\n", "a GenBank record"),
        ("align.txt", "CLUSTAL W (1.83) multiple sequence alignment\n\nv1 MKT-AY\n", "an alignment"),
        ("align.csv", "# STOCKHOLM 1.0\nv1 MKT-AY\n//\n", "an alignment"),
        ("model.txt", "HEADER    HYDROLASE\nATOM      1  N   MET A   1\n", "a structure"),
        ("entry.txt", "ID   X_ECOLI  Reviewed; 60 AA.\nAC   P1;\nSQ   SEQUENCE\n", "a UniProt or EMBL record"),
    ):
        yield Ugly(name, content.encode(), says=(name, says, "FASTA"))


def odd_spellings() -> Iterator[Ugly]:
    """Sequences that are not written one letter a residue, or with something around them."""
    invisible = {
        "right-to-left": "\u200f{}\u200e",
        "quoted": "'{}'",
        "smart-quotes": "\u201c{}\u201d",
        "soft": "{}\u00ad",
    }
    for name, form in invisible.items():
        yield Ugly(f"{name}.csv", _sequences([form.format(seq) for seq in SEQS]))
    yield Ugly("smart-names.csv", TABLE.replace("sequence,y", "\u201csequence\u201d,\u201cy\u201d").encode())
    first = "row 2, column 'sequence'"
    for name, form, says in (
        ("tag", "HIS-{}", "'HIS-' names a tag"), ("tag-6", "6xHis-{}", "'6xHis-' names a tag"),
        ("ends", "NH2-{}-COOH", "'NH2-' names a tag or a chemical group"),
        ("peptide", "Ac-{}-NH2", "'Ac-' names a tag or a chemical group"),
        ("two-chains", "{0}:{0}", "':' seems to part two chains"), ("slash", "{0}/{0}", "'/' seems to part two chains"),
        ("oxidised", "{}M(Oxidation)K", "'(Oxidation)' is a remark"),
        ("mass", "{}M[+15.99]K", "'[+15.99]' is a remark"),
        ("hard-blank", "{}\u00a0MK", "is a blank; remove it"), ("numbered", "1 {} 22", "is a number; remove it"),
    ):  # fmt: skip
        content = _sequences([form.format(seq) for seq in SEQS])
        yield Ugly(f"spelled-{name}.csv", content, says=(f"spelled-{name}.csv, {first}", says))
    codes = {"M": "Met", "K": "Lys", "T": "Thr", "A": "Ala", "Y": "Tyr"}
    three = ["-".join(codes[letter] for letter in "MKTAYAKT" + extra) for extra in ("M", "K", "T", "A")]
    yield Ugly(
        "three-letters.csv", _sequences(three), says=(f"three-letters.csv, {first}", "three-letter codes", "one letter")
    )
    broken = [f'"{seq[:10]}\n{seq[10:]}"' for seq in SEQS]
    yield Ugly("line-in-sequence.csv", _sequences(broken), says=("line-in-sequence.csv, row 2", "is a blank; remove"))
    blocks = [" ".join((seq[:10], seq[10:20], seq[20:])) for seq in SEQS]
    yield Ugly("blocks.csv", _sequences(blocks), says=(f"blocks.csv, {first}", "position 11 is a blank; remove it"))
    small = [f"{seq[:4]}p{'S' + seq[4:]}" for seq in SEQS]
    yield Ugly(
        "phospho.csv", _sequences(small), says=("phospho.csv", "column 'sequence'", "position 5", "modification")
    )
    runs = [seq[:4] + "XXXXXX" + seq[4:] for seq in SEQS]
    yield Ugly("unknown-runs.csv", _sequences(runs), says=("unknown-runs.csv", "first in row 2, position 5; up to 6"))


def below_and_beside() -> Iterator[Ugly]:
    """Rows below a table, and columns that say more of its target."""
    for name, note in (
        ("notes", "Notes: measured at 25 C"),
        ("mean", "Mean"),
        ("sd", "SD"),
        ("legend", "* outlier of plate 2"),
    ):
        number = ",2.5" if name in ("mean", "sd") else ""
        yield Ugly(
            f"below-{name}.csv", (TABLE + f"\n{note}{number}\n").encode(),
            says=(f"below-{name}.csv, row 7, column 'sequence'", "stands below the table", "leave it out"),
        )  # fmt: skip
    many = [seq[i:] for i in range(4) for seq in SEQS]
    values = [1.5, 2.25, 3.75, 5.5] * 4
    yield Ugly(
        "replicates.csv",
        ("sequence,rep1,rep2\n" + "".join(
            f"{s},{v},{v + 0.1:.2f}\n" for s, v in zip(many, values, strict=True))).encode(),
        says=("replicates.csv", "column 'rep2'", "'rep1' and 'rep2'", "take their mean"),
    )  # fmt: skip
    yield Ugly(
        "unit-column.csv",
        ("sequence,IC50,unit\n" + "".join(
            f"{s},{v},{'nM' if v > 2 else 'uM'}\n" for s, v in zip(many, values, strict=True))).encode(),
        says=("unit-column.csv", "column 'unit'", "nM, uM", "turn all values into nM"),
    )  # fmt: skip
    words = ["NB" if i % 2 else f"{i}.5" for i in range(16)]
    yield Ugly(
        "words-among-numbers.csv", _sequences(many, words, "affinity"),
        says=("words-among-numbers.csv, row 3, column 'affinity'", "expected a finite number, found 'NB'"),
    )  # fmt: skip
    whole = ["no" if i > 10 else f"{i}" for i in range(36)]
    yield Ugly(
        "words-make-classes.csv", _sequences([seq[i:] for i in range(9) for seq in SEQS], whole, "label"),
        says=("words-make-classes.csv", "column 'label'", "11 numbers and 25 words ('no'", "choose regression"),
    )  # fmt: skip
    truth = ["TRUE", "False", "yes", "1"] * 4
    yield Ugly("truths.csv", _sequences(many, truth), says=("'1', 'TRUE', 'yes'", "write them alike"))
    lopsided = ["no"] * 15 + ["yes"]
    yield Ugly("lopsided.csv", _sequences(many, lopsided), says=("94% of the rows", "stratified"))
    for name, cell in (("spread", "8.4 \u00b1 0.1"), ("brackets", "8.4 (0.1)"), ("footnote", "8.4*")):
        cells = [cell if i == 2 else str(v) for i, v in enumerate(values)]
        says = (f"cell-{name}.csv, row 4, column 'y'", "expected a finite number")
        yield Ugly(f"cell-{name}.csv", _sequences(many, cells), says=says)


def labels_of_residues() -> Iterator[Ugly]:
    """Labels that read as numbers, masks, FASTA with a line of labels."""
    flags = ["1" * 4 + "0" * (len(seq) - 4) for seq in SEQS]
    yield Ugly("zeros-and-ones.csv", _sequences(SEQS, flags), values=flags, task="per_residue")
    turned = ["0" * 4 + "1" * (len(seq) - 4) for seq in SEQS]
    yield Ugly("zeros-first.csv", _sequences(SEQS, turned), values=turned, task="per_residue")
    head = [["sequence", "y"], *([seq, flag] for seq, flag in zip(SEQS, flags, strict=True))]
    yield Ugly("zeros-and-ones.xlsx", _book(head), values=flags, task="per_residue")
    partly = [flag[:-3] + "???" for flag in flags]
    yield Ugly("question-marks.csv", _sequences(SEQS, partly), values=partly, task="per_residue")
    three = "".join(f">s{i}\n{seq}\n{'H' * 4 + 'C' * (len(seq) - 4)}\n" for i, seq in enumerate(SEQS))
    structure = ["H" * 4 + "C" * (len(seq) - 4) for seq in SEQS]
    yield Ugly(
        "three-lines.fasta", three.encode(), target="labels", values=structure, rows=(1, 2, 3, 4), task="per_residue"
    )
    masked = "sequence,y,mask\n" + "".join(
        f"{seq},{label},{'1' * 20 + '0' * (len(seq) - 20)}\n" for seq, label in zip(SEQS, structure, strict=True)
    )
    yield Ugly(
        "mask.csv", masked.encode(), says=("mask.csv", "column 'mask'", "looks like a mask", "take their labels away")
    )


def sheets() -> Iterator[Ugly]:
    """Workbooks with more than a table."""
    head, body = ["sequence", "y"], [list(row) for row in zip(SEQS, NUMBERS, strict=True)]
    yield Ugly("read-me-first.xlsx", _book([["Read me"], ["two sheets"], ["x@y.z"]], [head, *body]))
    yield Ugly("key-first.xlsx", _book([["name", "meaning"], ["y", "fitness"], ["z", "none"]], [head, *body]))
    grouped = [["family", *head], *([None if i % 2 else f"F{i}", *row] for i, row in enumerate(body))]
    yield Ugly("merged-down.xlsx", _book(grouped, change=lambda sheet: sheet.merge_cells("A2:A3")))
    yield Ugly(
        "note-below.xlsx", _book([head, *body, [], ["Notes: by AB at 25 C"]]),
        says=("note-below.xlsx, row 7, column 'sequence'", "stands below the table"),
    )  # fmt: skip


def _sequences(seqs: Sequence[str], cells: Sequence[str] = (), target: str = "y") -> bytes:
    cells = cells or [str(value) for value in NUMBERS]
    return (f"sequence,{target}\n" + "".join(f"{s},{c}\n" for s, c in zip(seqs, cells, strict=True))).encode()


def _column(cells: Sequence[str]) -> bytes:
    seqs = [seq[i:] for i in (0, 2, 3) for seq in SEQS]
    return ("sequence\ty\n" + "".join(f"{seq}\t{cell}\n" for seq, cell in zip(seqs, cells, strict=False))).encode()


def _classes(cells: Sequence[str]) -> bytes:
    return _column(cells).replace(b"\t", b",")


def _book(*sheets: Sequence[Sequence[Any]], change: Callable[[Any], None] | None = None) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(list(row))
        if change:
            change(sheet)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _colour(sheet: Any) -> None:
    sheet["A2"].fill = openpyxl.styles.PatternFill("solid", fgColor="FFFF00")
    sheet["Z90"].fill = openpyxl.styles.PatternFill("solid", fgColor="FFFF00")


def _hide(sheet: Any) -> None:
    sheet.column_dimensions["A"].hidden = True


def _zip(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def _database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        connection = sqlite3.connect(path)
        connection.execute("create table t (y real)")
        connection.commit()
        connection.close()
        return path.read_bytes()


KINDS = (
    encodings, line_ends, separators, headers, broken_rows, numbers, spoilt_numbers, targets, odd_sequences, fasta,
    workbooks, other_files, lab_exports, odd_spellings, below_and_beside, labels_of_residues, sheets,
)  # fmt: skip


def corpus() -> dict[str, Ugly]:
    """Return every file of the corpus by its kind and name."""
    return {f"{kind.__name__}/{file.name}": file for kind in KINDS for file in kind()}

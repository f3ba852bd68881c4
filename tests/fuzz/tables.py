"""Tables to draw: text with odd headers, quotes and cells; workbooks cell by cell; Parquet of any types; FASTA."""

from __future__ import annotations

import html
import io
import zipfile
from functools import cache
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.fuzz.damage import damaged

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
HEADERS = (
    "sequence", "seq", "heavy", "light", "target", "label", "score", "split", "group", "id", "aligned", "row",
    "chain_1", "", " ", "a\nb", "\x1b[31m", "x" * 300, "=1+1", "ß", "\u202eevil", "<b>", "![i](http://x/y.png)", "NaN",
    "Sequence", "1", "index",
)  # fmt: skip
ODD = (
    "", " ", "NA", "nan", "None", "inf", "-inf", "1e999", "1,5", "<0.5", "~3", "1_0", "٣", "0x10", "9" * 400, "-0",
    "true", "=1+1", '"', '""', "a\nb", "a\tb", "\x1b[2J", "\u2028", "\ufeff", "test", "val", "train", "[0, 1]", "HHEEC",
    "[", "]", "?", "A" * 5_000, "-" * 30, "acdef", "ACDEF*", "2024-01-01", "#N/A", "1.0", "1", "\u202e", "'", "nan;nan",
    "*", "X" * 20,
)  # fmt: skip
TARGETS = {
    "score": st.floats(-5, 5).map(str),
    "label": st.sampled_from(["low", "high", "1", "NA"]),
    "species": st.sampled_from(["0", "1"]),
    "states": st.just("HEC"),
}

some_headers = st.lists(st.sampled_from(HEADERS), min_size=1, max_size=5, unique=True)
proteins = st.text(RESIDUES, min_size=5, max_size=30)
cells = st.one_of(proteins, st.sampled_from(ODD), st.floats().map(str), st.integers().map(str), st.text(max_size=8))


@st.composite
def grids(draw: Any) -> list[list[str]]:
    """Draw a header and rows: half of them like a table that people have; odd cells are strewn into some."""
    is_sound = draw(st.booleans())
    names = ["sequence", draw(st.sampled_from([*TARGETS]))] if is_sound else draw(some_headers)
    if is_sound:
        length = {"min_size": 3, "max_size": 3} if names[1] == "states" else {"min_size": 5, "max_size": 30}
        kinds = [st.text(RESIDUES, **length), TARGETS[names[1]]]
    else:
        kinds = [draw(st.sampled_from([proteins, *TARGETS.values(), cells])) for _ in names]
    num_rows = draw(st.integers(10, 14) if is_sound else st.integers(0, 12))
    rows = [[draw(kind) for kind in kinds] for _ in range(num_rows)]
    for _ in range(draw(st.sampled_from([0, 0, 1, 3])) if rows else 0):
        rows[draw(st.integers(0, num_rows - 1))][draw(st.integers(0, len(names) - 1))] = draw(cells)
    return [names, *rows]


@st.composite
def texts(draw: Any) -> bytes:
    """Draw a text table with one of many separators, quotes, line ends and encodings."""
    grid = draw(grids())
    separator = draw(st.sampled_from([",", ",", ",", "\t", ";", "|", ":", " "]))
    quote = draw(st.sampled_from(["", "", '"', "'"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in grid]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return end.join(lines).encode(encoding, "replace")


fields = st.sampled_from(
    ["value=1.5", "[organism=Homo sapiens]", "|kd=3|x", "a=b=c", "=", "x=", ";y=2;", "1.5", "\t", "id=9"]
)
headers = st.lists(st.one_of(fields, fields, st.text(max_size=12)), max_size=4).map(" ".join)


@st.composite
def fasta(draw: Any) -> bytes:
    """Draw FASTA records with odd headers, blank lines, comments and text before the first one."""
    sequences = st.one_of(proteins, proteins, proteins, st.sampled_from(ODD))
    records = draw(st.lists(st.tuples(headers, sequences), min_size=draw(st.sampled_from([0, 1, 10])), max_size=14))
    same = draw(st.sampled_from(["", "", " value=1", " kd=0.5 x"]))
    before = draw(st.sampled_from(["", "", "", "", "", "", "\n", "; comment\n", "ACDEF\n", "\ufeff"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    body = "".join(f">{header}{same}{i % 3}{end}{sequence}{end}" for i, (header, sequence) in enumerate(records))
    return (before + body).encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"])), "replace")


ROW_NUMBERS = ["", "", "", "", "", "", ' r="1"', ' r="2"', ' r="7"', ' r="70000"', ' r="-1"', ' r="x"']
PLACES = ["A1", "B2", "A3", "C1", "D5"] * 4 + ["XFD1", "XFD1048576", "A99999999999", "ZZZ1", "ZZZZ1", "a1", "1A", "A0"]
TYPES = ["n", "n", "n", "str", "str", "s", "b", "d", "e", "inlineStr", "", "x"]
VALUES = ["1", "1", "2", "1.5", "0", "-1", "99", "1e999", "NaN", "abc", "", "2024-01-01", "9" * 40, "44000", "-9e9"]
STYLES = ["", "", "", ' s="1"', ' s="99"', ' s="x"']
FORMULAS = ["", "", "", "<f>1+1</f>", "<f>HYPERLINK(&quot;http://x&quot;)</f>"]
SIZES = ["", '<dimension ref="A1:B2"/>', '<dimension ref="A1:XFD1048576"/>', '<dimension ref="x"/>']


@st.composite
def sheets(draw: Any) -> bytes:
    """Draw a workbook whose first sheet is written by hand: odd places, types, sizes, formulas, rows out of order."""
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        inner = "".join(draw(st.lists(_sheet_cells(), max_size=4)))
        rows.append(f"<row{draw(st.sampled_from(ROW_NUMBERS))}>{inner}</row>")
    return workbook(f"{draw(st.sampled_from(SIZES))}<sheetData>{''.join(rows)}</sheetData>")


@st.composite
def _sheet_cells(draw: Any) -> str:
    place, kind, value, style, formula = (
        draw(st.sampled_from(choices)) for choices in (PLACES, TYPES, VALUES, STYLES, FORMULAS)
    )
    inner = f"<is><t>{value}</t></is>" if kind == "inlineStr" else f"{formula}<v>{value}</v>"
    return f'<c r="{place}" t="{kind}"{style}>{inner}</c>'


@st.composite
def books(draw: Any) -> bytes:
    """Draw a workbook of text."""
    rows = []
    for row in draw(grids()):
        texts = [html.escape("".join(letter for letter in cell if letter.isprintable())) for cell in row]
        rows.append("".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts))
    return workbook(f"<sheetData>{''.join(f'<row>{row}</row>' for row in rows)}</sheetData>")


@cache
def _empty_workbook() -> dict[str, bytes]:
    file = io.BytesIO()
    openpyxl.Workbook().save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def workbook(inner: str, **more: bytes) -> bytes:
    """Return an .xlsx file with this XML in its first sheet, and with further members."""
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<?xml version="1.0"?><worksheet xmlns="{space}">{inner}</worksheet>'.encode("utf-8", "replace")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (_empty_workbook() | {"xl/worksheets/sheet1.xml": sheet} | more).items():
            archive.writestr(name, content)
    return file.getvalue()


def three(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Draw the three cells of a Parquet column, with gaps."""
    return st.lists(st.none() | values, min_size=3, max_size=3)


PARQUET_COLUMNS = st.one_of(
    st.tuples(st.just(pa.string()), three(cells)),
    st.tuples(st.just(pa.dictionary(pa.int8(), pa.string())), three(proteins)),
    st.tuples(st.just(pa.float64()), three(st.floats())),
    st.tuples(st.just(pa.int64()), three(st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.just(pa.bool_()), three(st.booleans())),
    st.tuples(st.just(pa.timestamp("us")), st.integers(-(2**62), 2**62).map(lambda value: [value, None, 0])),
    st.sampled_from(
        [
            (pa.float16(), [0.5, None, 1.0]),
            (pa.uint8(), [0, 255, None]),
            (pa.list_(pa.int32()), [[0, 1], None, []]),
            (pa.list_(pa.string()), [["H", None], ["E"], []]),
            (pa.list_(pa.list_(pa.int8())), [[[0]], None, []]),
            (pa.struct([("x", pa.int8())]), [{"x": 1}, None, {"x": None}]),
            (pa.map_(pa.string(), pa.int8()), [[("a", 1)], None, []]),
            (pa.binary(), [b"\xff", None, b""]),
            (pa.duration("s"), [1, None, 3]),
            (pa.date32(), [0, None, 2**30]),
            (pa.decimal128(30, 5), [1, None, 10**20]),
            (pa.null(), [None, None, None]),
        ]
    ),
)


@st.composite
def parquets(draw: Any) -> bytes:
    """Draw a Parquet file with columns of any type; half of them as people have them."""
    file = io.BytesIO()
    if draw(st.booleans()):
        names, *rows = draw(grids().filter(lambda grid: len(grid) > 1))
        arrays = [pa.array(list(column)) for column in zip(*rows, strict=True)]
    else:
        names = draw(some_headers | st.just(["a.b", "a", "__index_level_0__"]))
        columns = [draw(PARQUET_COLUMNS) for _ in names]
        arrays = [pa.array(values, type=kind) for kind, values in columns]
    table = pa.Table.from_arrays(arrays, names=names)
    pq.write_table(pa.concat_tables([table] * draw(st.sampled_from([1, 1, 5]))), file)
    return file.getvalue()


@st.composite
def fasta_and_values(draw: Any) -> tuple[bytes, bytes]:
    """Draw FASTA records and a table of values that belong together, one of them spoilt in half of the cases."""
    ids = draw(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=10, max_size=14, unique=True))
    records = "".join(f">{name} x\n{draw(proteins)}\n" for name in ids).encode()
    odd = st.sampled_from(["0.5", "1", "high", "", "NaN"])
    values = "id,y\n" + "".join(f"{name},{draw(odd)}\n" for name in draw(st.permutations(ids))[:12])
    if draw(st.booleans()):
        return records, values.encode()
    return draw(damaged(st.just(records)) | fasta()), draw(damaged(st.just(values.encode())) | texts())


anything = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
FILES = {
    "csv": st.one_of(texts(), texts(), texts(), damaged(texts()), anything),
    "fasta": st.one_of(fasta(), fasta(), fasta(), damaged(fasta()), anything),
    "xlsx": st.one_of(sheets(), books(), damaged(books())),
    "parquet": st.one_of(parquets(), damaged(parquets())),
}

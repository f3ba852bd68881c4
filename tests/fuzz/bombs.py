"""Small files that would unpack to gigabytes or keep a reader busy for hours; run as a process with little memory.

python -m tests.fuzz.bombs FOLDER writes them into a folder, reads each, and prints what each was refused with.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from molfun.data.tables import read_table
from molfun.errors import MolfunError
from molfun.runs.files import read_json
from molfun.tracking.reader import read_events, read_metrics
from molfun.yaml_files import load_mapping
from tests.fuzz.specs import laughs
from tests.fuzz.tables import workbook

MEMORY_BYTES = 4 * 1024**3  # of addresses; libraries alone take 1.5 GB of them
SECONDS = 30.0
MEGA = 1024**2


def zeros() -> bytes:
    """Return a workbook of 250 kB whose sheet has 250 MB."""
    return workbook("<sheetData/>" + " " * (250 * MEGA))


def many_parts() -> bytes:
    """Return a workbook of 20,000 members."""
    file = io.BytesIO(workbook("<sheetData/>"))
    with zipfile.ZipFile(file, "a") as archive:
        for number in range(20_000):
            archive.writestr(f"x/{number}", b"")
    return file.getvalue()


def far_cells() -> bytes:
    """Return a workbook whose 200 rows lie far apart, each with a cell in the last column."""
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>1</v></c><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 999_000, 5000)
    )
    return workbook(f"<sheetData>{rows}</sheetData>")


def laughing_sheet() -> bytes:
    """Return a workbook whose XML has entities within entities."""
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    sheet = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><worksheet><sheetData>&a9;</sheetData></worksheet>'
    return workbook("", **{"xl/worksheets/sheet1.xml": sheet.encode()})


def repeated_rows() -> bytes:
    """Return a Parquet file of a few kB with 20 million rows."""
    file = io.BytesIO()
    with pq.ParquetWriter(file, pa.schema([("x", pa.int8())])) as writer:
        piece = pa.table({"x": pa.array([1] * 1_000_000, pa.int8())})
        for _ in range(20):
            writer.write_table(piece)
    return file.getvalue()


def repeated_text() -> bytes:
    """Return a Parquet file of about a megabyte in which 100,000 rows share one text of a megabyte."""
    file = io.BytesIO()
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["A" * MEGA]))
    pq.write_table(pa.table({"seq": text}), file)
    return file.getvalue()


def many_fields() -> bytes:
    """Return FASTA in which each of 20,000 records has fields of its own."""
    return "".join(f">a k{i}=1 l{i}=2\nACDEF\n" for i in range(20_000)).encode()


def wide_and_long() -> bytes:
    """Return CSV with a wide header over a million short rows."""
    return b",".join(b"c%d" % i for i in range(900)) + b"\n" + b"1\n" * 1_000_000


def many_metrics(names: int) -> bytes:
    """Return a metrics file whose every row has one metric, all of them so many."""
    rows = [json.dumps({"kind": "step", "segment": 0, "step": i, f"m{i % names}": 1.0}) for i in range(60_000)]
    return "\n".join(rows).encode() + b"\n"


REFUSED: dict[str, Callable[[], bytes]] = {
    "zeros.xlsx": zeros,
    "parts.xlsx": many_parts,
    "far.xlsx": far_cells,
    "laughs.xlsx": laughing_sheet,
    "endless.xlsx": lambda: workbook('<sheetData><row r="999999999999"><c><v>1</v></c></row></sheetData>'),
    "rows.parquet": repeated_rows,
    "text.parquet": repeated_text,
    "fields.fasta": many_fields,
    "wide.csv": wide_and_long,
    "columns.csv": lambda: b"," * 2_000_000 + b"\n1\n",
    "line.csv": lambda: b"A" * 20_000_000,
    "cell.csv": lambda: b"seq,y\n" + b"A" * 5_000_000 + b",1\n",
    "quote.csv": lambda: b'seq,y\n"' + b"A,1\n" * 5_000_000,
    "rows.csv": lambda: b"a\n" * 5_000_000,
    "header.fasta": lambda: b">" + b"a" * 5_000_000 + b"\nACDEF\n",
    "digits.fasta": lambda: b">x " + b"1" * 1_000_000 + b"x\nACDEF\n",
    "blanks.fasta": lambda: b">k=" + b" " * 1_000_000 + b"x\nACDEF\n",
    "laughs.yaml": lambda: laughs(30),
    "deep.yaml": lambda: b"a: " + b"[" * 500_000,
    "large.yaml": lambda: b"a: 1\n" * 1_000_000,
    "keys.yaml": lambda: b"? " * 400_000,
}
READ: dict[str, Callable[[], bytes]] = {
    "names.jsonl": lambda: many_metrics(60_000),
    "gaps.jsonl": lambda: many_metrics(900),
    "line.jsonl": lambda: b"x" * (60 * MEGA) + b'\n{"kind": "step", "step": 1}\n',
    "deep.jsonl": lambda: b"[" * 5_000_000 + b"\n",
    "events.jsonl": lambda: b"{}\n" * 500_000,
    "deep.json": lambda: b'{"a":' * 2_000_000,
    "large.json": lambda: b" " * (40 * MEGA),
    "digits.json": lambda: b'{"a": ' + b"9" * 10_000_000 + b"}",
}


def read(path: Path) -> str:
    """Read a file as its ending says; return the sentence of its refusal, "" where there is none."""
    try:
        if path.suffix == ".yaml":
            load_mapping(path)
        elif path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".jsonl":
            read_metrics(path)
            read_events(path)
        else:
            read_table(path)
    except MolfunError as error:
        return str(error)
    return ""


def main(folder: Path) -> None:
    """Write and read every file; print {name: [seconds, sentence]} as JSON."""
    found = {}
    for name, make in (REFUSED | READ).items():
        path = folder / name
        path.write_bytes(make())
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.RLIM_INFINITY))
        started = time.process_time()
        sentence = read(path)
        found[name] = (round(time.process_time() - started, 2), sentence)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        path.unlink()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

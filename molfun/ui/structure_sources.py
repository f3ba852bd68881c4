"""Structure files on their way into the app: uploads of PDB and mmCIF files become a table with a row each."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.guess import guess_columns
from molfun.data.limits import shown_name
from molfun.data.proteins import STRUCTURE, Protein
from molfun.data.splits import guess_split
from molfun.data.structure_files import ENDINGS, stem
from molfun.data.structure_tables import OnProblem, RowsOf, join_values, read_structures
from molfun.data.tables import FORMATS, read_table
from molfun.errors import DataError
from molfun.ui import shell, text
from molfun.ui.sources import UPLOAD_MB, Source

MAX_UPLOADS = 2_000  # more come faster from a folder of this machine
SHOWN = 10
LONG = 40
ROWS: dict[RowsOf, str] = {"file": "File", "chain": "Chain"}
PROBLEMS: dict[OnProblem, str] = {"refuse": "Refuse", "skip": "Leave out"}

Upload = tuple[str, bytes]


def draw_structure_upload() -> Source | None:
    """Draw the upload of structure files and what becomes of them; return the table, None while there is none."""
    files = st.file_uploader(
        "Structure files", type=[*(ending.removeprefix(".") for ending in ENDINGS), "gz"], accept_multiple_files=True,
        key="data.structures", max_upload_size=UPLOAD_MB,
        help="PDB or mmCIF, also packed by gzip; one structure a file, of which the first model is read.",
    )  # fmt: skip
    left, middle, right = st.columns([1, 1, 2])
    with left:
        rows = st.segmented_control(
            "A row is a", list(ROWS), default="file", required=True, format_func=ROWS.__getitem__, key="data.rows",
            persist_state="session",
            help="File: all chains of a structure together. Chain: each chain by itself, for models of single chains.",
        )  # fmt: skip
    with middle:
        policy = st.segmented_control(
            "Bad files", list(PROBLEMS), default="refuse", required=True, format_func=PROBLEMS.__getitem__,
            key="data.bad_files", persist_state="session",
            help="What becomes of files that cannot be read; each is named with the reason.",
        )  # fmt: skip
    with right:
        values = st.file_uploader(
            "Values (optional)", type=[ending.removeprefix(".") for ending in FORMATS], key="data.structure_values",
            max_upload_size=UPLOAD_MB,
            help="A table with the names of the structures and something measured, such as affinities; partner_1 and "
            "partner_2 name the chains of a complex.",
        )  # fmt: skip
    st.caption("Many files of this machine come faster from the command line: `molfun fit FOLDER`.")
    if not files:
        return None
    uploads = [(file.name, file.getvalue()) for file in files]
    table = None if values is None else (values.name, values.getvalue())
    try:
        return structure_source(uploads, table, rows=rows or "file", on_problem=policy or "refuse")
    except DataError as error:  # one file a line
        raise DataError(str(error).replace("\n  ", "\n\n- ")) from None


def structure_source(
    files: Sequence[Upload], values: Upload | None = None, *, rows: RowsOf = "file", on_problem: OnProblem = "refuse"
) -> Source:
    """Return uploaded structure files as a table.

    Args:
        files: (name as the browser sent it, content) of each.
        values: A table of values, joined by name.
        rows: Whether a file is one row or each of its chains is.
        on_problem: What becomes of bad files.

    Raises:
        DataError: A file is bad and none may be, none is left, or the values name none of the structures.
    """
    if len(files) > MAX_UPLOADS:
        raise DataError(
            f"{len(files):,} files were chosen, the page takes {MAX_UPLOADS:,}; put them into a folder of this machine "
            "and use `molfun fit FOLDER`."
        )
    digest = hashlib.sha256()
    for name, content in [*files, *([values] if values else [])]:
        digest.update(name.encode(errors="replace") + b"\0" + hashlib.sha256(content).digest())
    key = f"structures-{digest.hexdigest()[:12]}-{rows}-{on_problem}"
    frame = _read(key, list(files), values, rows, on_problem)
    name = stem(shown_name(files[0][0])) if len(files) == 1 else "Structures"
    about = {"source": text.plural(len(files), "structure file")}
    if values:
        about["source"] += f", values of {shown_name(values[0])}"
    return Source(key, name, frame, guess_columns(frame), guess_split(frame), about)


@st.cache_data(max_entries=4, show_spinner="Reading the structures")
def _read(
    key: str, _files: Sequence[Upload], _values: Upload | None, rows: RowsOf, on_problem: OnProblem
) -> pd.DataFrame:
    # The names that the browser sends are shown, and never become names of files.
    with tempfile.TemporaryDirectory(prefix="molfun-upload-") as folder:
        paths = [Path(folder) / str(number) for number in range(len(_files))]
        for path, (_, content) in zip(paths, _files, strict=True):
            path.write_bytes(content)
        frame = read_structures(paths, on_problem=on_problem, rows=rows, names=[name for name, _ in _files])
        if _values is None:
            return frame
        table = Path(folder) / "values"
        table.write_bytes(_values[1])
        return join_values(frame, read_table(table, name=_values[0]))


def preview_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of structures as people read it: what a file says of itself first, atoms left out."""
    proteins = [cell if isinstance(cell, Protein) else None for cell in frame[STRUCTURE]]
    chains = [", ".join(chain.id for chain in protein.chains) if protein else "" for protein in proteins]
    resolved = [sum(chain.num_resolved for chain in protein.chains) if protein else 0 for protein in proteins]
    titles = {"name": "Name", "num_residues": "Residues", "resolution": "Resolution (Å)", "date": "Date",
              "method": "Method"}  # fmt: skip
    own = frame[[name for name in titles if name in frame]].rename(columns=titles)
    place = 1 if "Name" in own else 0
    own.insert(place, "Chains", chains)
    own.insert(place + 2, "With a C-alpha", resolved)
    return pd.concat([own, frame.drop(columns=[STRUCTURE, *(name for name in titles if name in frame)])], axis=1)


def narrow_columns(shown: pd.DataFrame) -> dict[str, Any]:
    """Return how wide the columns of a preview are: dates are whole, sequences do not push the rest aside."""
    widths = {"Date": 100, "Method": 140}
    texts = [name for name in shown if shown[name].map(lambda cell: isinstance(cell, str) and len(cell) > LONG).any()]
    return {str(name): st.column_config.TextColumn(width=widths.get(str(name), 220))
            for name in [*texts, *(name for name in widths if name in shown)]}  # fmt: skip


def draw_notes(frame: pd.DataFrame) -> None:
    """Show what was left out of files, and what found no partner in the table of values."""
    unmatched = [str(name) for name in frame.attrs.get("unmatched_files", [])]
    rows = frame.attrs.get("unmatched_rows", [])
    if unmatched:
        more = ", ..." if len(unmatched) > SHOWN else ""
        listed = shell.plain(", ".join(unmatched[:SHOWN]))
        st.warning(f"{text.plural(len(unmatched), 'structure')} without a row of values: {listed}{more}.")
    if rows:
        st.warning(f"{text.plural(len(rows), 'row')} of the values without a structure, the first is row {rows[0]}.")
    notes = [str(note) for note in frame.attrs.get("notes", [])]
    if notes:
        with st.expander(f"What was decided when the files were read ({len(notes)})"):
            st.dataframe(pd.DataFrame({"Note": notes}), hide_index=True)

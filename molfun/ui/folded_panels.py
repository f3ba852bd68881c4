"""Predicted structures of the Predict page: the rows with their certainty, one of them in space, files to take away."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from molfun.data.exports import to_csv
from molfun.data.folded import load_folded
from molfun.errors import DataError
from molfun.runs.predictions import PredictionJob
from molfun.ui import text
from molfun.ui.structure_panels import draw_structure, read_view

SHOWN_ROWS = 1_000
NAME_LETTERS = 24


def draw_folded(job: PredictionJob, found: pd.DataFrame) -> None:
    """Draw rows and structures.

    Args:
        job: The prediction.
        found: Its result: the rows, `prediction` (name of a file), `plddt` and `problem`.
    """
    paths = structure_paths(job, found)
    names = {number: _name(found, number) for number in paths}
    key = f"folded.{job.id}.row"
    _draw_table(found, key, list(paths))
    _draw_files(job, found, paths)
    if not paths:
        return
    if st.session_state.get(key) not in names:
        st.session_state[key] = next(iter(names))
    number = int(st.selectbox("Structure to look at", list(names), format_func=names.__getitem__, key=key))
    view = read_view(paths[number])
    if view is None:
        return
    st.download_button(
        "mmCIF", partial(_cif, paths[number]), file_name=f"{job.id}-row_{number}.cif", icon=":material/download:",
        on_click="ignore", key=f"folded.{job.id}.cif",
        help="Atoms of this structure, with 100 times the pLDDT as B factors: PyMOL, ChimeraX and Mol* read it.",
    )  # fmt: skip
    draw_structure(view, key="folded")


def structure_paths(job: PredictionJob, found: pd.DataFrame) -> dict[int, Path]:
    """Return the files of the rows that were predicted, by the number of the row from 1.

    Names follow from the place of a row: what a table says is no path.
    """
    if "prediction" not in found:
        return {}
    return {i: job.structures / f"row_{i}.npz" for i, cell in enumerate(found["prediction"], start=1) if pd.notna(cell)}


def _name(found: pd.DataFrame, number: int) -> str:
    """Return how a row is called: by its name, or by the beginning of its first text."""
    row = found.iloc[number - 1]
    told = row.get("name", row.get("id"))
    if not isinstance(told, str) or not told:
        told = next((cell for name, cell in row.items() if isinstance(cell, str) and name != "prediction"), "")
    return f"{number} · {told[:NAME_LETTERS]}{'…' if len(told) > NAME_LETTERS else ''}"


def _draw_table(found: pd.DataFrame, key: str, numbers: list[int]) -> None:
    shown = found.drop(columns=["prediction"], errors="ignore").head(SHOWN_ROWS)
    shown = shown.rename(columns={"plddt": "Mean pLDDT", "problem": "Problem"})
    first = [name for name in ("Mean pLDDT",) if name in shown]  # seen on a phone as well
    shown = shown[[*first, *(name for name in shown if name not in first)]]

    def choose() -> None:
        places = st.session_state[f"{key}.table"]["selection"]["rows"]
        if places and places[0] + 1 in numbers:
            st.session_state[key] = places[0] + 1

    widths = {str(name): st.column_config.TextColumn(width=260) for name in shown if _is_long(shown[name])}
    st.dataframe(
        shown, hide_index=True, placeholder="–", key=f"{key}.table", on_select=choose, selection_mode="single-row",
        column_config={**widths, "Mean pLDDT": st.column_config.NumberColumn(format="%.3f")},
        alt="Rows with the certainty of their structures",
    )  # fmt: skip
    st.caption(
        "pLDDT is the lDDT that the model expects, from 0 to 1: above 0.9 very sure, 0.7 to 0.9 sure, below 0.5 not to "
        "be relied on. Choose a row to look at it."
    )


def _is_long(column: pd.Series) -> bool:
    return bool(column.map(lambda cell: isinstance(cell, str) and len(cell) > NAME_LETTERS).any())


def _draw_files(job: PredictionJob, found: pd.DataFrame, paths: dict[int, Path]) -> None:
    name = f"{job.path.parents[2].name}-{job.id}"
    with st.container(horizontal=True):
        st.download_button(
            "CSV", to_csv(found), f"{name}.csv", "text/csv", icon=":material/download:", on_click="ignore",
            key=f"folded.{job.id}.csv",
        )  # fmt: skip
        st.download_button(
            f"{text.plural(len(paths), 'structure')} (zip)", partial(zipped, paths), f"{name}.zip",
            "application/zip", icon=":material/folder_zip:", on_click="ignore", key=f"folded.{job.id}.zip",
            disabled=not paths, help="One mmCIF file a row, with 100 times the pLDDT as B factors.",
        )  # fmt: skip


def _cif(path: Path) -> str:
    """Return the mmCIF file of a structure; of one that was damaged meanwhile, why there is none."""
    try:
        return load_folded(path).to_cif()
    except DataError as error:
        return f"# {error}\n"


def zipped(paths: dict[int, Path]) -> bytes:
    """Return a zip with the mmCIF file of each structure; damaged ones are named in `left_out.txt`."""
    buffer, left_out = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in paths.items():
            try:
                archive.writestr(f"row_{number}.cif", load_folded(path).to_cif())
            except DataError as error:
                left_out.append(f"row_{number}: {error}\n")
        if left_out:
            archive.writestr("left_out.txt", "".join(left_out))
    return buffer.getvalue()

"""Parts of the Predict page: what is to be predicted, how far that is, and what came out."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.data.exports import to_csv
from molfun.data.settings import ONE_VALUE_A_ROW
from molfun.data.tables import FORMATS
from molfun.errors import MolfunError
from molfun.runs.cross_validation import find_cross_validations, siblings_of
from molfun.runs.disk import format_bytes
from molfun.runs.jobs import delete_job
from molfun.runs.new_rows import prepare_rows
from molfun.runs.predictions import PredictionJob, start_prediction
from molfun.runs.store import RunFolder
from molfun.ui import shell, text
from molfun.ui.scan_panels import draw_scan
from molfun.ui.sources import UPLOAD_MB, paste_source, read_upload

REFRESH_SECONDS = 1.0
PREVIEW_ROWS = 50
SHOWN_ROWS = 1_000


def draw_certainty(folder: RunFolder, dataset: Dataset, runs: Mapping[str, RunFolder]) -> dict[str, Any]:
    """Draw what tells how sure predictions are: other runs beside this one, and intervals; return what was chosen."""
    if dataset.task not in ONE_VALUE_A_ROW:
        return {}
    alike = [name for name, other in runs.items() if name != folder.id and _is_alike(folder, other)]
    folds = [other.id for other in siblings_of(folder, runs.values()) if other.id != folder.id]
    alike += [name for name in _same_cross_validation(folder, runs) if name not in alike]
    chosen: dict[str, Any] = {}
    key = f"predict.{folder.id}.others"
    left, right = st.columns(2)
    with left:
        chosen["others"] = st.multiselect(
            "Together with", alike, key=key, format_func=lambda name: shell.run_line(runs[name]),
            placeholder="No other run", disabled=not alike, persist_state="session",
            help="Other runs on the same data, such as other seeds or folds: the mean of all, and how far they are "
            "apart.",
        )  # fmt: skip
        if folds:
            st.button(
                f"All folds ({len(folds) + 1} runs)", icon=":material/donut_large:", on_click=_choose,
                args=(key, folds), help="Every run of this cross-validation with these settings: the mean of all.",
            )  # fmt: skip
    with right:
        coverage = st.selectbox(
            "Intervals", [0.0, 0.8, 0.9, 0.95], key=f"predict.{folder.id}.coverage", persist_state="session",
            format_func=lambda share: f"{share:.0%} of new rows inside" if share else "None",
            help="Learned from the validation rows, or, of all folds together, from what each fold got wrong on the "
            "rows that it left out; they hold for rows like those of the training data.",
        )  # fmt: skip
    if coverage:
        chosen["coverage"] = coverage
    return chosen


def _choose(key: str, names: Sequence[str]) -> None:
    st.session_state[key] = list(names)


def _same_cross_validation(folder: RunFolder, runs: Mapping[str, RunFolder]) -> list[str]:
    """Return the runs that are folds of the same cross-validation, of any strategy."""
    for cross in find_cross_validations(runs.values()):
        names = [run.folder.id for run in cross.runs]
        if folder.id in names:
            return [name for name in names if name != folder.id]
    return []


def _is_alike(folder: RunFolder, other: RunFolder) -> bool:
    try:
        return bool(folder.spec.data.dataset == other.spec.data.dataset)
    except MolfunError:
        return False


def draw_table_form(folder: RunFolder, certainty: Mapping[str, Any]) -> None:
    """Draw the choice of a table, and the button that asks for its predictions."""
    file = st.file_uploader(
        "Table of new sequences", type=[suffix.removeprefix(".") for suffix in FORMATS],
        key="predict.file", max_upload_size=UPLOAD_MB,
        help="With the columns that the training data had; for one chain any column of sequences will do.",
    )  # fmt: skip
    typed = st.text_area(
        "or paste a table or FASTA", key="predict.text", height=120, persist_state="session",
        placeholder="sequence\nMQYKLILNGKTLKGETTTEAVDAATAEK",
    )  # fmt: skip
    with shell.sentences():
        frame, name = _table(file, typed)
        if frame is None:
            return
        rows = prepare_rows(shell.home(), folder.id, frame)
    st.dataframe(rows.head(PREVIEW_ROWS), height=176, hide_index=True, alt="First rows of the table")
    st.caption(text.plural(len(rows), "row"))
    if st.button("Predict", type="primary", icon=":material/play_arrow:", key="predict.table", shortcut="Mod+Enter"):
        ask(folder, rows, {"name": name, "kind": "table", **certainty})


def _uploaded(file: Any) -> pd.DataFrame:
    """Return an uploaded table; of an Excel file with several filled sheets the chosen one."""
    frame = read_upload(file.name, file.getvalue())
    names = [str(name) for name in frame.attrs.get("sheets", [])]
    if len(names) < 2:
        return frame
    taken = names.index(str(frame.attrs["sheet"]))
    chosen = st.selectbox("Sheet", names, index=taken, key="predict.sheet", help="Proposed: the first with sequences.")
    return read_upload(file.name, file.getvalue(), sheet=chosen)


def _table(file: Any, typed: str) -> tuple[pd.DataFrame | None, str]:
    if file is not None:
        return _uploaded(file), str(file.name)
    lines = [line.strip() for line in typed.splitlines() if line.strip()]
    if not lines:
        return None, ""
    if all(line.isalpha() and line.isupper() for line in lines):
        return pd.DataFrame({"sequence": lines}), "Pasted sequences"  # without a header line
    return paste_source(typed).frame, "Pasted table"


def ask(folder: RunFolder, rows: pd.DataFrame, about: dict[str, Any]) -> None:
    """Ask for a prediction and show how far it is."""
    with shell.sentences():
        job = start_prediction(folder, rows, about, device="auto")
    st.query_params["job"] = job.id
    st.rerun()


def draw_job(job: PredictionJob, dataset: Dataset) -> None:
    """Draw how far a prediction is, and what came out once it is done."""
    state = job.state()
    running = state.status == "running"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(shell.plain(str(job.about.get("name", job.id))), anchor=False, width="stretch")
        _draw_delete(job, is_running=running)
    if running:
        st.fragment(_draw_progress, run_every=REFRESH_SECONDS)(job)
        return
    if state.status == "failed":
        st.error(shell.sentence(state.cause), icon=":material/error:")
        return
    found = job.result()
    if found is None:
        st.error("The result cannot be read. Ask for it again.", icon=":material/error:")
        return
    if job.about.get("kind") == "scan":
        draw_scan(job, dataset, found)
        return
    _draw_counts(found)
    if dataset.task == "structure":
        from molfun.ui.folded_panels import draw_folded  # noqa: PLC0415  biotite must not delay the first view

        draw_folded(job, found)
    else:
        _draw_table(job, found)


def _draw_delete(job: PredictionJob, *, is_running: bool) -> None:
    st.button(
        "", key=f"delete.{job.id}", icon=":material/delete:", type="tertiary", on_click=_delete, args=(job,),
        help="Cancel this prediction." if is_running else "Delete this prediction; the run stays.",
    )  # fmt: skip


def _delete(job: PredictionJob) -> None:
    freed = delete_job(job)
    shell.say(f"Deleted; {format_bytes(freed)} are free again.")


def _draw_progress(job: PredictionJob) -> None:
    state = job.state()
    if state.status != "running":
        st.rerun()
    share = state.done / state.total if state.total else 0.0
    said = f"{state.done:,} of {state.total:,} rows" if state.done else "Loading the model"
    st.progress(min(1.0, share), text=said)


def _draw_counts(found: pd.DataFrame) -> None:
    """Say how many rows were predicted, and why others were not."""
    problems = [problem for problem in found["problem"] if problem] if "problem" in found else []
    st.markdown(f"**{len(found) - len(problems):,} of {text.plural(len(found), 'row')}** predicted.")
    if problems:
        st.warning(
            f"{text.plural(len(problems), 'row')} could not be predicted; the column 'problem' says why. First: "
            f"{shell.sentence(str(problems[0]))}", icon=":material/warning:",
        )  # fmt: skip


def _draw_table(job: PredictionJob, found: pd.DataFrame) -> None:
    st.dataframe(found.head(SHOWN_ROWS), hide_index=True, placeholder="–", alt="Rows with their predictions")
    draw_downloads(found, f"{job.path.parents[2].name}-{job.id}", key="predict")


def draw_downloads(found: pd.DataFrame, name: str, *, key: str) -> None:
    """Offer a table as CSV and as Parquet."""
    with st.container(horizontal=True):
        st.download_button(
            "CSV", to_csv(found), f"{name}.csv", "text/csv", icon=":material/download:", on_click="ignore",
            key=f"{key}.csv",
        )  # fmt: skip
        buffer = io.BytesIO()
        found.to_parquet(buffer, index=False)
        st.download_button(
            "Parquet", buffer.getvalue(), f"{name}.parquet", icon=":material/download:", on_click="ignore",
            key=f"{key}.parquet",
        )  # fmt: skip


def draw_earlier(jobs: Sequence[PredictionJob], chosen: str) -> None:
    """List what the run was asked for before, each a link."""
    others = [job for job in jobs if job.id != chosen]
    if not others:
        return
    with st.expander(f"Earlier predictions ({len(others)})"):
        for job in others:
            state = job.state()
            with st.container(horizontal=True, vertical_alignment="center"):
                name = shell.plain(str(job.about.get("name", job.id)))
                st.markdown(f"{name} · {text.plural(state.total, 'row')} · {state.status}", width="stretch")
                if st.button("Open", key=f"job.{job.id}", help=f"Open the prediction of {job.id} (UTC)."):
                    st.query_params["job"] = job.id
                    st.rerun()
                _draw_delete(job, is_running=state.status == "running")

"""Parts of the Predict page: what is to be predicted, how far that is, and what came out."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.data.exports import to_csv
from molfun.data.mutations import consensus
from molfun.data.scan import WILD_TYPE, clean_wild_type, scan_grid, scan_rows
from molfun.errors import DataError, MolfunError
from molfun.runs.new_rows import prepare_rows
from molfun.runs.predictions import PredictionJob, start_prediction
from molfun.runs.store import RunFolder
from molfun.ui import shell, text
from molfun.ui.live_chart import CONFIG
from molfun.ui.scan_chart import scan_figure
from molfun.ui.sources import paste_source, read_upload

REFRESH_SECONDS = 1.0
PREVIEW_ROWS = 50
SHOWN_ROWS = 1_000
NUM_BEST = 200
MANY = 500  # sequences of which the most frequent letters are looked for


def draw_certainty(folder: RunFolder, dataset: Dataset, runs: Mapping[str, RunFolder]) -> dict[str, Any]:
    """Draw what tells how sure predictions are: other runs beside this one, and intervals; return what was chosen."""
    if dataset.task == "per_residue":
        return {}
    alike = [name for name, other in runs.items() if name != folder.id and _is_alike(folder, other)]
    chosen: dict[str, Any] = {}
    left, right = st.columns(2)
    with left:
        chosen["others"] = st.multiselect(
            "Together with", alike, key=f"predict.{folder.id}.others", format_func=lambda name: runs[name].title,
            placeholder="No other run", disabled=not alike, persist_state="session",
            help="Other runs on the same data, such as other seeds: the mean of all, and how far they are apart.",
        )  # fmt: skip
    with right:
        coverage = st.selectbox(
            "Intervals", [0.0, 0.8, 0.9, 0.95], key=f"predict.{folder.id}.coverage", persist_state="session",
            format_func=lambda share: f"{share:.0%} of new rows inside" if share else "None",
            help="Learned from the validation rows; they hold for rows like those of the training data.",
        )  # fmt: skip
    if coverage:
        chosen["coverage"] = coverage
    return chosen


def _is_alike(folder: RunFolder, other: RunFolder) -> bool:
    try:
        return bool(folder.spec.data.dataset == other.spec.data.dataset)
    except MolfunError:
        return False


def draw_table_form(folder: RunFolder, certainty: Mapping[str, Any]) -> None:
    """Draw the choice of a table, and the button that asks for its predictions."""
    file = st.file_uploader(
        "Table of new sequences", type=["csv", "tsv", "txt", "xlsx", "parquet", "fasta", "fa", "faa"],
        key="predict.file", max_upload_size=100,
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
    if st.button("Predict", type="primary", icon=":material/play_arrow:", key="predict.table"):
        _ask(folder, rows, {"name": name, "kind": "table", **certainty})


def _table(file: Any, typed: str) -> tuple[pd.DataFrame | None, str]:
    if file is not None:
        return read_upload(file.name, file.getvalue()), str(file.name)
    lines = [line.strip() for line in typed.splitlines() if line.strip()]
    if not lines:
        return None, ""
    if all(line.isalpha() and line.isupper() for line in lines):
        return pd.DataFrame({"sequence": lines}), "Pasted sequences"  # without a header line
    return paste_source(typed).frame, "Pasted table"


def draw_scan_form(folder: RunFolder, dataset: Dataset, certainty: Mapping[str, Any]) -> None:
    """Draw the wild type of a mutation scan, and the button that asks for it."""
    if dataset.num_chains > 1 or dataset.task == "per_residue":
        what = "one label a residue" if dataset.task == "per_residue" else f"{dataset.num_chains} chains a row"
        st.info(f"A scan needs one chain and one value a row; this model has {what}.", icon=":material/info:")
        return
    told, first = _told_wild_type(dataset)
    left, right = st.columns([3, 1])
    with left:
        typed = st.text_area(
            "Wild type", value=told, key=f"scan.{folder.id}.wild_type", persist_state="session",
            help="Every residue is exchanged for each of the 19 others. Proposed: the wild type of the training data.",
        )  # fmt: skip
    with right:
        number = st.number_input(
            "Number of the first residue", value=first, step=1, key=f"scan.{folder.id}.first", persist_state="session"
        )
        doubles = st.text_input(
            "Pairs at positions", key=f"scan.{folder.id}.doubles", persist_state="session", placeholder="24, 39",
            help="All pairs of substitutions at these positions are added to the ranking.",
        )  # fmt: skip
    if not st.button("Scan", type="primary", icon=":material/grid_on:", key="predict.scan", disabled=not typed.strip()):
        return
    with shell.sentences():
        wild_type, column = clean_wild_type(typed), dataset.columns.sequence[0]
        rows = scan_rows(wild_type, first_number=int(number), doubles=_numbers(doubles), column=column)
    about = {"name": f"Scan of {wild_type[:12]}…", "kind": "scan", "wild_type": wild_type, "first_number": int(number),
             "column": column, **certainty}  # fmt: skip
    _ask(folder, rows, about)


def _told_wild_type(dataset: Dataset) -> tuple[str, int]:
    """Return the wild type that the training data were built of, else their most frequent letters."""
    for step in dataset.about.get("recipe") or []:
        if isinstance(step, dict) and step.get("kind") == "mutations":
            return str(step.get("wild_type", "")), int(step.get("first_number", 1))
    return consensus(dataset.frame["chain_1"].iloc[:: max(1, len(dataset.frame) // MANY)]), 1


def _numbers(typed: str) -> list[int]:
    words = [word.strip() for word in typed.replace(";", ",").split(",") if word.strip()]
    wrong = next((word for word in words if not word.lstrip("-").isdigit()), None)
    if wrong is not None:
        raise DataError(f"{wrong!r} is no position; expected numbers with commas between them, such as 24, 39.")
    return [int(word) for word in words]


def _ask(folder: RunFolder, rows: pd.DataFrame, about: dict[str, Any]) -> None:
    with shell.sentences():
        job = start_prediction(folder, rows, about, device="auto")
    st.query_params["job"] = job.id
    st.rerun()


def draw_job(job: PredictionJob, dataset: Dataset) -> None:
    """Draw how far a prediction is, and what came out once it is done."""
    running = job.state().status == "running"
    st.subheader(shell.plain(str(job.about.get("name", job.id))), anchor=False)
    if running:
        st.fragment(_draw_progress, run_every=REFRESH_SECONDS)(job)
        return
    state = job.state()
    if state.status == "failed":
        st.error(shell.sentence(state.cause), icon=":material/error:")
        return
    found = job.result()
    if found is None:
        st.error("The result cannot be read. Ask for it again.", icon=":material/error:")
        return
    if job.about.get("kind") == "scan":
        _draw_scan(job, dataset, found)
    else:
        _draw_table(job, found)


def _draw_progress(job: PredictionJob) -> None:
    state = job.state()
    if state.status != "running":
        st.rerun()
    share = state.done / state.total if state.total else 0.0
    said = f"{state.done:,} of {state.total:,} rows" if state.done else "Loading the model"
    st.progress(min(1.0, share), text=said)


def _draw_table(job: PredictionJob, found: pd.DataFrame) -> None:
    problems = found[found["problem"] != ""] if "problem" in found else found.iloc[:0]
    predicted = len(found) - len(problems)
    st.markdown(f"**{predicted:,} of {text.plural(len(found), 'row')}** predicted.")
    if len(problems):
        st.warning(
            f"{text.plural(len(problems), 'row')} could not be predicted; the column 'problem' says why. First: "
            f"{shell.sentence(str(problems['problem'].iloc[0]))}", icon=":material/warning:",
        )  # fmt: skip
    st.dataframe(found.head(SHOWN_ROWS), hide_index=True, alt="Rows with their predictions")
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


def _draw_scan(job: PredictionJob, dataset: Dataset, found: pd.DataFrame) -> None:
    about = job.about
    values, what = _scanned(dataset, found)
    first = int(about.get("first_number", 1))
    with shell.sentences():
        grid, own = scan_grid(found, str(about.get("wild_type", "")), values, first_number=first)
    figure = scan_figure(grid, str(about["wild_type"]), own, what=what)
    st.plotly_chart(figure, key="scan.grid", config=CONFIG, alt=_scan_in_words(found, values, what))
    st.caption(
        f"Wild type: {what} {own:.4g}, marked by dots. Blue is above it, orange below; both ends of the scale are as "
        "far away. The model was trained on the data named above; positions that it never saw changed are guesses."
    )
    ranking = _ranking(found, values, own)
    st.markdown("**Ranking**")
    st.dataframe(ranking.head(NUM_BEST), hide_index=True, height=320, alt="Variants, the highest first")
    draw_downloads(ranking, f"{job.path.parents[2].name}-{job.id}", key="scan")


def _scanned(dataset: Dataset, found: pd.DataFrame) -> tuple[str, str]:
    """Return the column of numbers that is drawn, and what it is."""
    if dataset.task == "regression":
        return "prediction", dataset.columns.target
    chosen = st.selectbox("Class", list(dataset.classes), key="scan.class", help="Its probability is drawn.")
    return f"p_{chosen}", f"the probability of {chosen}"


def _ranking(found: pd.DataFrame, values: str, own: float) -> pd.DataFrame:
    known = [name for name in ("spread", "low", "high") if name in found.columns]
    table = found[["mutation", values, *known]].assign(change=found[values] - own)
    return table.sort_values(values, ascending=False, kind="stable", ignore_index=True)


def _scan_in_words(found: pd.DataFrame, values: str, what: str) -> str:
    variants = found[found["mutation"] != WILD_TYPE].sort_values(values, ascending=False)
    best, worst = variants["mutation"].iloc[0], variants["mutation"].iloc[-1]
    return f"Mutation scan of {what}: {len(variants):,} variants, {best} highest, {worst} lowest"


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

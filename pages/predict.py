"""Predict: new sequences, or every substitution of a protein, with the weights of a run."""

from __future__ import annotations

import streamlit as st

from molfun.adapters.catalog import find_model
from molfun.data.dataset import load_dataset
from molfun.runs.predictions import find_prediction, list_predictions
from molfun.runs.store import RunFolder
from molfun.runs.weights import weights_in_words
from molfun.training.catalog import STRATEGIES
from molfun.ui import predict_panels as panels
from molfun.ui import shell, text
from molfun.ui.draft import choose_default
from molfun.ui.scan_form import draw_scan_form

KINDS = {"table": "A table", "scan": "Mutation scan"}


def runs_with_weights() -> dict[str, RunFolder]:
    """Return the runs that have a checkpoint to predict with, newest first."""
    folders = shell.store().list()
    return {f.id: f for f in folders if any((f.checkpoints / name).is_dir() for name in ("best", "last"))}


def test_score(folder: RunFolder) -> str:
    """Return how good the run was on its test rows, in words."""
    board = folder.read_scoreboard()
    primary, test = str(board.get("primary", "")), board.get("test") or {}
    value = (test.get("metrics") or {}).get(primary)
    if value is None:
        return "no test score"
    return f"test {text.metric_inline(primary)} {text.number(value)} ({text.plural(test.get('rows') or 0, 'row')})"


shell.page_title("Predict", "New sequences, or every substitution of a protein, with what a run has learned.")
runs = runs_with_weights()
if not runs:
    st.info("No run has weights yet. Train one first; its best weights are used here.", icon=":material/lightbulb:")
    st.page_link(shell.NEW_RUN, label="Start a run", icon=":material/add_circle:")
    st.stop()

run_id = st.selectbox(
    "Run", list(runs), index=choose_default(list(runs), shell.query("run")), key="predict.run",
    format_func=lambda key: shell.run_line(runs[key]), help="Its best weights are used: the epoch that validated best.",
)  # fmt: skip
folder = runs[run_id]
shell.keep_in_address({"run": run_id})
with shell.sentences():
    dataset = load_dataset(shell.datasets_root(), folder.spec.data.dataset)
    used = weights_in_words(shell.home(), run_id)
st.caption(
    f"{find_model(folder.spec.model.name).short_title} · {STRATEGIES[folder.spec.strategy.kind].title} · trained on "
    f"{shell.plain(dataset.name)}: {text.plural(dataset.counts['train'], 'row')}, target "
    f"{shell.plain(dataset.columns.target)} · {test_score(folder)} · predicts with its {used}"
)
st.page_link(shell.LIVE, label="Take this model away", icon=":material/archive:", query_params={"run": run_id})
jobs = list_predictions(folder)
job = find_prediction(folder, shell.query("job")) or (jobs[0] if jobs else None)
is_scan = job is not None and job.about.get("kind") == "scan"
kind = st.segmented_control(
    "What is to be predicted?", list(KINDS), default="scan" if is_scan else "table", required=True,
    format_func=KINDS.__getitem__, key="predict.kind", persist_state="session",
)  # fmt: skip
certainty = panels.draw_certainty(folder, dataset, runs)
if kind == "scan":
    draw_scan_form(folder, dataset, certainty, panels.ask)
else:
    panels.draw_table_form(folder, certainty)

if job is not None:
    st.divider()
    panels.draw_job(job, dataset)
    panels.draw_earlier(jobs, job.id)

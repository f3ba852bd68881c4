"""The report of a run, or of several beside each other, as one HTML file: what a reviewer needs to check a claim."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from molfun.runs.bundle import Evidence
from molfun.runs.methods import REFERENCES, methods_paragraph
from molfun.runs.resampling import Interval
from molfun.runs.secrets import secret_values
from molfun.ui import evidence_figures, text
from molfun.ui.html_page import Page
from molfun.ui.verdict import verdict

FILES_NOTE = (
    "Hashes are sha256 of the files of the zip that `molfun report` writes of the same run; `sha256sum -c MANIFEST` "
    "checks them there."
)
LEFT_OUT = (
    "Sequences, secrets, paths of the machine and the settings of a cluster are left out; [n residues left out] stands "
    "where a sequence stood."
)


def run_page(evidence: Evidence) -> str:
    """Return the report of one run."""
    page, facts = Page(facts_title(evidence.facts)), evidence.facts
    add_summary(page, evidence)
    page.section("Methods")
    add_methods(page, methods_paragraph(facts))
    _add_data(page, facts)
    page.section("Curves")
    add_figures(page, evidence_figures.curve_figures(evidence), "No step is recorded.")
    page.table(evidence_figures.act_table(evidence.folder))
    add_scores(page, evidence)
    _add_model(page, facts)
    page.section("Settings")
    page.say(LEFT_OUT, kind="note")
    add_settings(page, evidence)
    _add_environment(page, facts)
    add_files(page, [evidence])
    return page.html(footer([evidence]), secret_values(os.environ))


def add_summary(page: Page, evidence: Evidence) -> None:
    """Add what a run is, and what its test score says."""
    facts, board = evidence.facts, evidence.folder.read_scoreboard()
    page.say(_what_it_is(facts), kind="note")
    if not board.get("test"):
        page.say(_no_verdict(facts), kind="lead")
        return
    ahead = facts["scores"]["ahead"]
    page.say(plain_words(verdict(board, Interval(**ahead) if ahead else None)), kind="lead")
    if facts["model"] and facts["model"]["weights"] == "random":
        page.say("Random weights: the true architecture, untrained. A control, not a result.")


def plain_words(markdown: str) -> str:
    r"""Return a sentence of the app without its formatting.

    >>> plain_words(r"**Run \*a\*** scores highest")
    'Run *a* scores highest'
    """
    return re.sub(r"\\(.)|\*\*", r"\1", markdown)


def add_methods(page: Page, paragraph: str) -> None:
    """Add a methods paragraph, its references apart."""
    told, _, sources = paragraph.partition(REFERENCES)
    page.say(told)
    page.say(sources and REFERENCES + sources, kind="note")


def facts_title(facts: Mapping[str, Any]) -> str:
    """Return what a run is called."""
    return str(facts["run"]["title"])


def footer(runs: Sequence[Evidence]) -> str:
    """Return where a report comes from."""
    return f"Molfun {metadata.version('molfun')}. Runs: {', '.join(one.facts['run']['id'] for one in runs)}."


def add_figures(page: Page, figures: Mapping[str, go.Figure], otherwise: str = "") -> None:
    """Add figures by what they show, or a sentence where there are none."""
    for alt, figure in figures.items():
        page.figure(alt, figure)
    if not figures:
        page.say(otherwise)


def add_scores(page: Page, evidence: Evidence) -> None:
    """Add scores beside baselines, and what was predicted."""
    scores = evidence.facts["scores"]
    page.section("Scores")
    if scores["rows"] is None:
        page.say("There is no test score.")
        return
    add_figures(page, evidence_figures.score_figure(evidence.facts))
    page.table(evidence_figures.score_table(evidence.facts))
    page.table(evidence_figures.baseline_table(evidence.facts))
    page.say(scores["how"], kind="note")
    page.say(_AGREEMENT[scores["agrees"]], kind="note")
    add_figures(page, evidence_figures.prediction_figures(evidence))


_AGREEMENT = {
    True: "Scores computed again from the predictions are those that the run wrote down.",
    False: "Scores computed again from the predictions differ from those that the run wrote down.",
    None: "The scores are those that the run wrote down; they could not be computed again.",
}


def add_settings(page: Page, evidence: Evidence) -> None:
    """Add all settings of a run as they were written, folded."""
    if "spec.yaml" not in evidence.files:
        page.say("The settings cannot be read.")
        return
    page.code("All settings (spec.yaml)", evidence.files["spec.yaml"])


def add_files(page: Page, runs: Sequence[Evidence]) -> None:
    """Add the files of runs and of their checkpoints, with hashes."""
    page.section("Files")
    for one in runs:
        if len(runs) > 1:
            page.heading(facts_title(one.facts))
        rows = [(name, hashlib.sha256(content.encode("utf-8")).hexdigest(), f"{len(content.encode('utf-8')):,}")
                for name, content in sorted(one.files.items())]  # fmt: skip
        page.table(pd.DataFrame(rows, columns=["File", "sha256", "Bytes"]))
        checkpoints = one.facts["checkpoints"]
        page.table(pd.DataFrame([
            {"Checkpoint": f"{name}/{file}", "sha256, as recorded when it was written": digest}
            for name, about in checkpoints.items() for file, digest in (about["files"] or {}).items()
        ]))  # fmt: skip
    page.say(FILES_NOTE, kind="note")


def _what_it_is(facts: Mapping[str, Any]) -> str:
    run, model, settings = facts["run"], facts["model"], facts["settings"]
    told = [f"Run {run['id']}", run["status"]]
    if settings:
        told += [str(settings["strategy"]["kind"]).replace("_", " "), str(model["title"] or model["name"])]
        told += ["untrained control"] if model["weights"] == "random" else []
    return " · ".join(told)


def _no_verdict(facts: Mapping[str, Any]) -> str:
    cause = f" {facts['run']['cause']}" if facts["run"]["cause"] else ""
    return f"There is no test score, so nothing can be claimed of this run: it is {facts['run']['status']}.{cause}"


def _add_data(page: Page, facts: Mapping[str, Any]) -> None:
    page.section("Data and split")
    data = facts["data"]
    if data is None:
        page.say("The settings cannot be read, so the data are not known.")
        return
    rows = data["rows"] and ", ".join(f"{count:,} {part}" for part, count in data["rows"].items())
    page.fields([
        ("Dataset", data["id"]), ("sha256 of the data", data["sha256"]),
        ("The same, computed again", {True: "yes", False: "no", None: None}[data.get("is_unchanged")]),
        ("sha256 of the split", data["split_sha256"]),
        ("sha256 of the table, without the split", data.get("table_sha256", "")),
        ("Rows", rows), ("Rows that the model used", _counts(data.get("rows_used"))),
        ("Sequences beyond the model's limit", data["longer"]), ("Split", _pairs(data["split"])),
        ("Source", data["source"]), ("Citation", data["citation"]), ("Licence", data["licence"]),
        ("Notes", " ".join(data.get("notes") or [])),
    ])  # fmt: skip
    page.table(pd.DataFrame([
        {"Cleaning step": number, "What": step["title"]} for number, step in enumerate(data["recipe"] or [], start=1)
    ]))  # fmt: skip
    if data["leaks"]:
        page.say(data["leaks"]["sentence"])
    add_figures(page, evidence_figures.leak_figure(facts))


def _counts(rows: Mapping[str, int] | None) -> str:
    return ", ".join(f"{count:,} {part}" for part, count in (rows or {}).items())


def _pairs(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else ", ".join(f"{name} {value}" for name, value in values.items() if value != "")


def _add_model(page: Page, facts: Mapping[str, Any]) -> None:
    page.section("What trained")
    model, training = facts["model"], facts["training"]
    if model is None:
        page.say("The settings cannot be read, so the model is not known.")
        return
    trained = None if model["trainable"] is None else text.count(model["trainable"])
    page.fields([
        ("Model", model["title"] or model["name"]), ("Weights", model["weights"]), ("Licence", model["licence"]),
        ("Parameters", None if model["total"] is None else text.count(model["total"])), ("Of them trained", trained),
        ("Epochs", training["epochs"]), ("Optimiser steps", training["steps"]), ("Precision", training["precision"]),
        ("Time of the steps", None if training["seconds"] is None else text.duration(training["seconds"])),
        ("Weights kept", _kept(training["kept"])), ("Alerts", " ".join(training["alerts"])),
    ])  # fmt: skip
    add_figures(page, evidence_figures.part_figure(facts))
    page.table(evidence_figures.part_table(facts))


def _kept(kept: Mapping[str, Any] | None) -> str | None:
    if kept is None:
        return None
    return f"after epoch {kept['epoch']}, {'averaged (EMA)' if kept['weights'] == 'ema' else 'raw'}"


def _add_environment(page: Page, facts: Mapping[str, Any]) -> None:
    page.section("Environment")
    found, run = facts["environment"] or {}, facts["run"]
    git = found.get("git")
    page.fields([
        ("Started (UTC)", run["started"]), ("Ended (UTC)", run.get("ended", "")), ("Device", found.get("device")),
        ("System", found.get("system")), ("Processors", found.get("num_cpus")),
        ("Processes", found.get("num_processes")), ("Python", found.get("python")),
        *((name, version) for name, version in (found.get("packages") or {}).items()),
        ("Commit", f"{git['commit']}{', with changed files' if git.get('changed') else ''}" if git else ""),
        ("Not known of this run", ", ".join(facts["not_known"])),
    ])  # fmt: skip

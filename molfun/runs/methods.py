"""A methods paragraph that states only what was done: every sentence follows from a recorded fact of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from molfun.runs.methods_data import data_sentences, listed
from molfun.runs.methods_training import (
    course_sentences,
    has_intervals,
    model_sentences,
    optimiser_sentences,
    score_sentences,
)

REFERENCES = "References: "
LORA = "LoRA: Hu et al. 2021, arXiv:2106.09685"
ADAMW = "AdamW: Loshchilov, Hutter 2019, arXiv:1711.05101"
BOOTSTRAP = "bootstrap: Efron, Tibshirani 1993, An Introduction to the Bootstrap"
MAX_VALUES = 8  # of one setting that a sentence lists
TASKS = {
    "regression": "a number a row", "classification": "one of several classes a row",
    "per_residue": "one class a residue", "structure": "the place of every atom",
}  # fmt: skip


def methods_paragraph(facts: Mapping[str, Any]) -> str:
    """Return how a run was made, as one paragraph.

    Args:
        facts: As `molfun.runs.evidence.collect` gives them.
    """
    return " ".join([*sentences(facts), references([facts])]).strip()


def group_paragraph(runs: Sequence[Mapping[str, Any]], differing: pd.DataFrame) -> str:
    """Return what several runs have in common, and in which settings they differ, as one paragraph.

    Args:
        runs: Facts of each run.
        differing: As `molfun.runs.comparison.differing_settings` gives them, by the titles of the runs.
    """
    common = shared_sentences(runs)
    titles = listed([f"“{facts['run']['title']}”" for facts in runs])
    beginning = f"{len(runs)} runs are reported together: {titles}. What is said here holds for all of them."
    seeds = sorted({facts["settings"]["training"]["seed"] for facts in runs if facts["settings"]})
    end = [
        _differences(differing),
        f"The training seeds were {listed(list(map(str, seeds)))}." if len(seeds) > 1 else "",
    ]
    return " ".join(part for part in (beginning, *common, *end, references(runs)) if part)


def shared_sentences(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what holds for each of several runs, in order."""
    first, *others = [sentences(facts) for facts in runs]
    return [sentence for sentence in first if all(sentence in told for told in others)]


def own_paragraph(facts: Mapping[str, Any], shared: Sequence[str]) -> str:
    """Return what holds for one run of several beyond what all of them share, as one paragraph."""
    return " ".join(sentence for sentence in sentences(facts) if sentence not in shared)


def sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return what was done in a run, in order, each sentence for itself."""
    state = _state(facts["run"])
    if facts["settings"] is None:
        return [*state, "The settings of this run cannot be read, so how it was made is not known.",
                *score_sentences(facts)]  # fmt: skip
    return [
        *state, _task(facts["data"]), *data_sentences(facts["data"]), *model_sentences(facts),
        *optimiser_sentences(facts), *course_sentences(facts), *_machine(facts), _seeds(facts), *score_sentences(facts),
    ]  # fmt: skip


def references(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the sources of what was used, and of nothing else."""
    used: list[str] = []
    for facts in runs:
        model, data, settings = facts["model"] or {}, facts["data"] or {}, facts["settings"]
        used += [f"model: {model['citation']}"] if model.get("citation") else []
        used += [f"data: {data['citation']}"] if data.get("citation") else []
        has_steps = bool(settings and facts["training"]["steps"])
        used += [LORA] if has_steps and settings["strategy"]["kind"] == "lora" else []
        used += [ADAMW] if has_steps else []
        used += [BOOTSTRAP] if has_intervals(facts["scores"]) else []
    return f"{REFERENCES}{'; '.join(dict.fromkeys(used))}." if used else ""


def _state(run: Mapping[str, Any]) -> list[str]:
    status, cause = run["status"], f" {run['cause']}" if run["cause"] else ""
    words = {
        "finished": "", "stopped": f"This run was stopped before its planned end.{cause}",
        "failed": f"This run failed.{cause}", "lost": f"This run ended without saying why.{cause}",
        "queued": "This run had not begun when this was written.",
    }.get(status, "This run was at work when this was written; it may have gone on since.")  # fmt: skip
    return [words] if words else []


def _task(data: Mapping[str, Any]) -> str:
    if not data["target"] or not data["sequence"]:
        return "What was predicted is not recorded."
    chains = listed([f"“{name}”" for name in data["sequence"]])
    what = "the sequence" if len(data["sequence"]) == 1 else "the sequences"
    return f"The column “{data['target']}” ({TASKS[data['task']]}) was predicted from {what} in {chains}."


def _machine(facts: Mapping[str, Any]) -> list[str]:
    environment, training = facts["environment"], facts["training"]
    if environment is None:
        return ["The software and the device are not recorded."]
    versions = environment.get("packages") or {}
    named = [f"{title} {versions[name]}" for name, title in (("molfun", "Molfun"), ("torch", "PyTorch"))
             if versions.get(name)]  # fmt: skip
    device = f" on the device “{environment['device']}”" if environment.get("device") else ""
    found = [f"Computed with {listed(named)}{device}."] if named else []
    if training["steps"] and training["precision"]:
        found.append(f"The model was computed in {training['precision'].split(',')[0]}.")
    if facts["settings"]["training"]["deterministic"]:
        found.append("Only deterministic operations were used.")
    if (environment.get("git") or {}).get("changed"):
        found.append("Files of Molfun differed from the recorded commit.")
    return found


def _seeds(facts: Mapping[str, Any]) -> str:
    return f"The training seed was {facts['settings']['training']['seed']}."


def _differences(differing: pd.DataFrame) -> str:
    if differing.empty:
        return "Their settings are the same."
    told = [f"{name} ({_values(row.tolist())})" for name, row in differing.iterrows()]
    return f"They differ in {listed(told)}."


def _values(values: Sequence[str]) -> str:
    shown = [value or "none" for value in values][:MAX_VALUES]
    return "; ".join([*shown, *(["…"] if len(values) > MAX_VALUES else [])])

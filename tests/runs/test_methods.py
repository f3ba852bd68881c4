"""The methods paragraph says what was done, and nothing that was not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from molfun.data.splits import KINDS
from molfun.runs.methods import group_paragraph, methods_paragraph, own_paragraph, shared_sentences
from tests.runs.evidence_facts import facts_of

STRATEGY_WORDS = {
    "head_only": "The trunk was frozen; the head alone was trained",
    "lora": "LoRA was trained (rank 8, alpha 16",
    "partial": "Of the trunk, the last 4 blocks trained together with the head",
    "full": "All weights were trained",
}
SPLITS: dict[str, tuple[dict[str, Any], str]] = {
    "random": ({"seed": 3}, "at random, row by row (split seed 3)"),
    "stratified": ({"seed": 3}, "at random with the same share of every class"),
    "identity": ({"max_identity": 0.3, "seed": 3}, "no sequence shares more than 30% of its residues"),
    "position": ({"wild_type": "", "seed": 3}, "by mutated position: no test row is mutated where a training row is"),
    "num_mutations": ({"max_mutations": 2, "seed": 3}, "rows with up to 2 train and validate"),
    "value": ({"held_out": "low", "seed": 3}, "by value: the lowest values of the target are tested"),
    "time": ({"column": "year"}, "by time: the newest rows by the column “year” are tested"),
    "group": ({"column": "family", "seed": 3}, "rows of one value of the column “family” stay in one part"),
    "column": ({"column": "set"}, "as the column “set” of the table says"),
}


@pytest.mark.parametrize("kind", STRATEGY_WORDS)
def test_the_strategy_is_told_and_no_other_one(kind: str) -> None:
    said = methods_paragraph(facts_of(kind))
    assert [name for name, words in STRATEGY_WORDS.items() if words in said] == [kind]
    assert ("Hu et al. 2021" in said) is (kind == "lora")
    assert "10 of 1,000 parameters" in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_split_is_told_with_its_parameters(kind: str) -> None:
    facts = facts_of()
    settings, words = SPLITS[kind]
    facts["data"]["split"] = {"kind": kind, **settings}
    said = methods_paragraph(facts)
    assert words in said
    assert "into 70 training, 10 validation and 20 test rows" in said
    assert [other for other, (_, others) in SPLITS.items() if others in said] == [kind]
    assert ("split seed" in said) is ("seed" in settings)
    assert ("Identity is the number of identical residues" in said) is (kind == "identity")


def test_identity_is_told_and_defined_where_parts_were_compared() -> None:
    facts = facts_of()
    assert "Identity is the number" not in methods_paragraph(facts)
    facts["data"]["leaks"] |= {"bands": {"100 %": 3, "95 to 100 %": 0, "up to 40 %": 17}, "compared_rows": 20}
    said = methods_paragraph(facts)
    assert "The identity of the test rows to the nearest training row is: 3 at 100 % and 17 at up to 40 %." in said
    assert "Identity is the number of identical residues" in said
    facts["data"]["leaks"] |= {"copies": {"test and training": 2}, "test_rows": 90}
    said = methods_paragraph(facts)
    assert "test rows (20 of them, drawn) to" in said
    assert "; 2 have the very sequence of a training row." in said


def test_folds_are_told() -> None:
    facts = facts_of()
    facts["data"]["split"] = {"kind": "random", "num_folds": 5, "fold": 2, "seed": 0}
    assert "as fold 2 of 5, at random" in methods_paragraph(facts)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("regression", "a number a row"),
        ("classification", "one of several classes a row"),
        ("per_residue", "one class a residue"),
    ],
)
def test_the_task_is_told(task: str, words: str) -> None:
    said = methods_paragraph(facts_of(task=task))
    assert f"The column “kd” ({words}) was predicted from the sequences in “vh” and “vl”." in said
    assert ("of the residue states" in said) is (task != "per_residue")
    assert ("standard deviation" in said) is (task == "regression")


@pytest.mark.parametrize(
    ("decay", "kept", "words"),
    [
        (0.0, "raw", ""),
        (0.9, "ema", "validated and kept are an exponential moving average (EMA, decay 0.9)"),
        (0.9, "raw", "those that were kept are the raw ones"),
    ],
)
def test_an_average_is_told_only_where_there_was_one(decay: float, kept: str, words: str) -> None:
    facts = facts_of(ema_decay=decay)
    facts["training"]["kept"]["weights"] = kept
    said = methods_paragraph(facts)
    assert words in said
    assert ("EMA" in said) is ("average" in said) is (decay > 0)


def test_early_stopping_is_told_only_where_it_ended_the_run() -> None:
    facts = facts_of(early_stopping_patience=3)
    assert "arly stopping" not in methods_paragraph(facts)
    facts["training"] |= {"ended_by_patience": True, "epochs": 6}
    said = methods_paragraph(facts)
    assert "Early stopping ended it: no better loss on the validation rows for 3 epochs." in said
    assert "6 of 10 planned epochs" in said
    facts["training"] |= {"epochs": 1, "asked_epochs": 1, "planned_epochs": 1, "steps": 1}
    assert "through 1 of 1 planned epoch on" in (said := methods_paragraph(facts))
    assert "1 optimiser step." in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resumes": [{"step": 30, "checkpoint": "last"}], "starts": 2}, "interrupted and resumed after step 30"),
        ({"starts": 3}, "started 2 more times from its beginning"),
        (
            {"steered": [{"action": "lr", "step": 20, "factor": 0.5}]},
            "rates were multiplied by 0.5 by hand after step 20",
        ),
        ({"steered": [{"action": "epochs", "step": 9, "epochs": 12, "before": 10}]}, "12 epochs instead of 10 by hand"),
        ({"steered": [{"action": "pause", "step": 9}]}, "paused after step 9"),
        (
            {"steered": [{"action": "stop_after_epoch", "step": 9}]},
            "asked after step 9 to stop at the end of the epoch",
        ),
        ({"asked_epochs": 12}, "10 of 12 epochs (first planned: 10)"),
        ({"steps": 0}, "No optimiser step is recorded."),
    ],
)
def test_what_happened_to_a_run_is_told_and_else_not(change: dict[str, Any], words: str) -> None:
    facts = facts_of()
    assert words not in methods_paragraph(facts)
    facts["training"] |= change
    assert words in methods_paragraph(facts)


def test_saving_by_hand_changes_nothing_that_was_trained() -> None:
    facts = facts_of()
    before = methods_paragraph(facts)
    facts["training"]["steered"] = [{"action": "checkpoint", "step": 9}, {"action": "go_on", "step": 9}]
    assert methods_paragraph(facts) == before


def test_without_a_step_there_is_no_optimiser() -> None:
    facts = facts_of("lora")
    facts["training"]["steps"] = None
    said = methods_paragraph(facts)
    assert not {"AdamW", "Hu et al.", "epochs"} & set(said.replace(":", "").split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_decay": 0.0}, "weight decay"),
        ({"grad_clip": 0.0}, "clipped"),
        ({"warmup_steps": 0}, "warm-up"),
        ({"accumulation_steps": 1}, "accumulated"),
        ({"class_weights": "none"}, "class weights"),
    ],
)
def test_what_was_off_is_not_mentioned(changes: dict[str, Any], words: str) -> None:
    on = {
        "weight_decay": 0.01,
        "grad_clip": 1.0,
        "warmup_steps": 5,
        "accumulation_steps": 2,
        "class_weights": "balanced",
    }
    assert words in methods_paragraph(facts_of(task="classification", **on))
    assert words not in methods_paragraph(facts_of(task="classification", **{**on, **changes}))


def test_random_weights_are_an_untrained_control() -> None:
    facts = facts_of()
    assert "untrained control" not in methods_paragraph(facts)
    facts["model"]["weights"] = "random"
    said = methods_paragraph(facts)
    assert "This is an untrained control: the architecture of ESM-2 8 M with random weights" in said
    assert "pretrained weights" not in said


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("stopped", "stopped before its planned end. Why"),
        ("failed", "This run failed. Why"),
        ("lost", "ended without saying why. Why"),
        ("queued", "had not begun when this was written"),
        ("running", "was at work when this was written"),
    ],
)
def test_a_run_that_did_not_finish_is_called_so(status: str, words: str) -> None:
    facts = facts_of()
    facts["run"] |= {"status": status, "cause": "Why"}
    assert words in methods_paragraph(facts)
    assert words not in methods_paragraph(facts_of())


def test_scores_stand_with_intervals_and_their_source() -> None:
    said = methods_paragraph(facts_of())
    assert "On the 20 test rows, which served neither training nor the choice of the epoch, Spearman" in said
    assert "was 0.710 (95 % interval 0.600 to 0.800)" in said
    assert "(“One-hot residues”) reached 0.650 (95 % interval 0.500 to 0.750)" in said
    assert "+0.060 (95 % interval -0.020 to +0.140, which includes 0)" in said
    assert "Efron, Tibshirani 1993" in said


def test_without_a_test_part_there_is_no_score_and_no_interval() -> None:
    facts = facts_of()
    facts["scores"], facts["data"]["rows"]["test"] = {"rows": None, "primary": "spearman"}, 0
    said = methods_paragraph(facts)
    assert "The split has no test rows, so there is no test score." in said
    assert "nterval" not in said
    assert "Efron" not in said


@pytest.mark.parametrize(("num", "is_told"), [(0, False), (4, True)])
@pytest.mark.parametrize(("what", "words"), [("crop", "first residues"), ("skip", "left out of training and test")])
def test_long_sequences_are_told_where_there_were_some(what: str, words: str, num: int, *, is_told: bool) -> None:
    facts = facts_of()
    facts["data"] |= {"too_long": what, "longer": num}
    assert (words in methods_paragraph(facts)) is is_told


def test_cleaning_is_told_step_by_step() -> None:
    facts = facts_of()
    assert "cleaned" not in methods_paragraph(facts)
    facts["data"]["recipe"] = [{"title": "Leave out copies"}, {"title": "Remove gaps"}]
    assert "cleaned in 2 recorded steps: Leave out copies; Remove gaps." in methods_paragraph(facts)


def test_what_is_gone_is_called_so() -> None:
    facts = facts_of()
    facts["data"] |= {"is_there": False, "rows": None, "recipe": None, "leaks": None, "citation": None, "longer": None}
    facts["training"]["kept"] = facts["environment"] = None
    said = methods_paragraph(facts)
    assert "The data (id d-1) are no longer there" in said
    assert "No weights of it are recorded." in said
    assert "The software and the device are not recorded." in said
    assert "training, 10" not in said


def test_without_settings_nothing_is_claimed() -> None:
    facts = facts_of()
    facts |= {"settings": None, "data": None, "model": None, "training": None}
    said = methods_paragraph(facts)
    assert "The settings of this run cannot be read" in said
    assert "AdamW" not in said


def test_a_group_tells_what_is_shared_and_what_differs() -> None:
    runs = [facts_of("head_only"), facts_of("lora")]
    for seed, facts in enumerate(runs):
        facts["settings"]["training"]["seed"] = seed
        facts["run"]["title"] = f"Run {seed}"
    differing = pd.DataFrame(
        {"Run 0": ["head_only", ""], "Run 1": ["lora", "8"]}, index=["strategy.kind", "strategy.rank"]
    )
    said = group_paragraph(runs, differing)
    assert said.startswith("2 runs are reported together: “Run 0” and “Run 1”.")
    assert "They differ in strategy.kind (head_only; lora) and strategy.rank (none; 8)." in said
    assert "The training seeds were 0 and 1." in said
    assert "at random, row by row" in said
    assert "The trunk was frozen" not in said
    assert "Hu et al. 2021" in said
    own = own_paragraph(runs[1], shared_sentences(runs))
    assert "LoRA was trained" in own
    assert "at random, row by row" not in own


def test_runs_that_are_alike_are_called_so() -> None:
    said = group_paragraph([facts_of(), facts_of()], pd.DataFrame())
    assert "Their settings are the same." in said
    assert "training seeds" not in said

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import SettingError
from molfun.runs.advice import Schedule, advise, knowledge_gap, schedule
from molfun.runs.spec import RunSpec
from molfun.ui import draft

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


@pytest.fixture
def dataset(home: Path) -> Dataset:
    rows = [{"sequence": RESIDUES[i % 20] * (20 + i), "value": float(i)} for i in range(40)]
    columns = ColumnSettings(sequence=["sequence"], target="value", task="regression")
    return save_dataset(home / "datasets", pd.DataFrame(rows), columns, SplitSettings(), name="Tiny", about={})


def spec_of(dataset: Dataset, **changes: object) -> RunSpec:
    base = RunSpec.parse({"data": {"dataset": dataset.id}})
    return base.changed({name.replace("__", "."): value for name, value in changes.items()})


@pytest.mark.parametrize(
    ("batch", "accumulation", "epochs", "expected"),
    [
        (16, 1, 3, Schedule(16, 2, 6)),
        (8, 2, 3, Schedule(16, 2, 6)),
        (10, 4, 1, Schedule(28, 1, 1)),
        (100, 1, 2, Schedule(28, 1, 2)),
    ],
)
def test_schedule_counts_optimiser_steps(
    dataset: Dataset, batch: int, accumulation: int, epochs: int, expected: Schedule
) -> None:
    spec = spec_of(
        dataset, training__batch_size=batch, strategy__accumulation_steps=accumulation, training__epochs=epochs
    )
    assert schedule(spec, 28) == expected


def test_advice_says_what_antiberty_knows(dataset: Dataset) -> None:
    assert any("antibody variable domains only" in said for said in advise(spec_of(dataset), dataset))
    assert knowledge_gap(find_model("esm2_8m"), dataset) == ""


def test_advice_says_that_random_weights_are_a_control(dataset: Dataset) -> None:
    said = advise(spec_of(dataset, model__weights="random"), dataset)
    assert any(sentence.startswith("Random weights") for sentence in said)


def test_advice_notices_a_warm_up_beyond_the_run(dataset: Dataset) -> None:
    spec = spec_of(dataset, strategy__warmup_steps=500, training__epochs=1)
    assert any("Warm-up takes 500 steps" in said for said in advise(spec, dataset))


def test_blocker_names_a_folder_that_does_not_exist(dataset: Dataset) -> None:
    assert "does not exist" in draft.blocker(spec_of(dataset, model__weights="/nowhere"), dataset, None)


def test_blocker_passes_on_what_the_preview_found(dataset: Dataset) -> None:
    assert draft.blocker(spec_of(dataset), dataset, {"error": "No such layer."}) == "No such layer."
    assert draft.blocker(spec_of(dataset), dataset, None) == ""


def test_starting_values_take_over_a_run_of_the_same_strategy_only(dataset: Dataset) -> None:
    base = {"strategy": {"kind": "lora", "rank": 99}, "training": {"epochs": 77}}
    card = find_model("antiberty")
    same = draft.starting_values("lora", dataset, card, base)
    assert (same["strategy"]["rank"], same["training"]["epochs"]) == (99, 77)
    other = draft.starting_values("full", dataset, card, base)
    assert "rank" not in other["strategy"]
    assert other["training"]["epochs"] != 77


def test_draft_spec_refuses_a_value_outside_its_bounds() -> None:
    with pytest.raises(SettingError, match="epochs"):
        draft.draft_spec("x", {"name": "antiberty"}, {"strategy": {"kind": "lora"}, "training": {"epochs": None}})


def test_draft_spec_takes_every_section_of_the_form() -> None:
    sections = {"strategy": {"kind": "lora"}, "training": {"num_processes": 2}, "launch": {"where": "ray"}, "head": {}}
    spec = draft.draft_spec("x", {"name": "antiberty", "start_from": "one"}, sections, "Mine")
    found = (spec.name, spec.strategy.kind, spec.training.num_processes, spec.launch.where, spec.model.start_from)
    assert found == ("Mine", "lora", 2, "ray", "one")


def test_download_note_tells_the_size_of_hub_weights() -> None:
    assert "30 MB" in draft.download_note(find_model("esm2_8m"), "pretrained")
    assert draft.download_note(find_model("antiberty"), "pretrained") == ""

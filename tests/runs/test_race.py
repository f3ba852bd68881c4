"""A race is planned whole before any of its runs is made, and started once."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.errors import RunError, SettingError
from molfun.runs.plan import plan_run
from molfun.runs.queue import set_slots
from molfun.runs.race import enter, parse_grid, plan_race
from molfun.runs.spec import RunSpec
from molfun.runs.store import RUN_ID, RunStore
from molfun.training.catalog import STRATEGIES
from tests.real_runs import few_rows, kill_all, tiny_spec


@pytest.fixture
def spec(home: Path, tmp_path: Path) -> RunSpec:
    """Return the settings of a tiny run with LoRA."""
    return tiny_spec(home, few_rows(tmp_path / "few.csv"), strategy="lora", strategy__rank=3, training__seed=5)


def test_every_strategy_has_the_same_data_and_seed_and_its_own_settings(home: Path, spec: RunSpec) -> None:
    entries = plan_race(home, spec, "one-race")
    assert [entry.id for entry in entries] == [
        "one-race-head-only-s5", "one-race-lora-s5", "one-race-partial-s5", "one-race-full-s5",
    ]  # fmt: skip
    assert all(RUN_ID.fullmatch(entry.id) for entry in entries)
    specs = {entry.spec.strategy.kind: entry.spec for entry in entries}
    assert list(specs) == list(STRATEGIES)
    assert {one.data.dataset for one in specs.values()} == {spec.data.dataset}
    assert {(one.training.seed, one.training.batch_size, one.model.weights) for one in specs.values()} == {
        (5, 4, "random")
    }
    assert specs["lora"].strategy == spec.strategy
    alone = plan_run(home, {"data": {"dataset": spec.data.dataset}, "model": {"name": "esm2_8m", "weights": "random"}},
                     strategy="full")[0]  # fmt: skip
    assert specs["full"].strategy.lr == alone.strategy.lr
    assert [one.name.split(", ")[1] for one in specs.values()] == ["Head only", "LoRA", "Partial", "Full"]
    assert {entry.tag for entry in entries} == {"race one"}
    assert RunStore(home).list() == []


def test_seeds_and_strategies_are_chosen(home: Path, spec: RunSpec) -> None:
    entries = plan_race(home, spec, "r", kinds=["lora", "full"], seeds=[0, 1, 1])
    assert [(entry.spec.strategy.kind, entry.spec.training.seed) for entry in entries] == [
        ("lora", 0), ("lora", 1), ("full", 0), ("full", 1),
    ]  # fmt: skip
    assert entries[0].spec.name.endswith("seed 0")


@pytest.mark.parametrize(
    ("kinds", "seeds", "change", "message"),
    [
        (["lorra"], [], {}, "No strategy is named 'lorra', did you mean 'lora'"),
        ([], range(15), {}, "would have 60 runs; 56 is the most"),
        ([], [], {"model.start_from": "other"}, "strategies cannot be raced from it"),
    ],
)
def test_what_cannot_be_raced_is_refused(home: Path, spec: RunSpec, kinds, seeds, change, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan_race(home, spec.changed(change), "r", kinds=kinds, seeds=list(seeds))
    assert RunStore(home).list() == []


def test_every_combination_of_a_grid_races_where_it_means_something(home: Path, spec: RunSpec) -> None:
    grid = {"strategy.rank": ["2", "4"], "training.epochs": ["3", "5"]}
    entries = plan_race(home, spec, "g", kinds=["head_only", "lora"], seeds=[0, 1], grid=grid)
    found = [(e.spec.strategy.kind, getattr(e.spec.strategy, "rank", None), e.spec.training.epochs) for e in entries]
    assert found[::2] == found[1::2] == [
        ("head_only", None, 3), ("head_only", None, 5),
        ("lora", 2, 3), ("lora", 2, 5), ("lora", 4, 3), ("lora", 4, 5),
    ]  # fmt: skip
    assert len({entry.id for entry in entries}) == len({entry.spec.name for entry in entries}) == 12
    assert entries[-1].spec.name.endswith("rank 4, epochs 5, seed 1")
    assert all(RUN_ID.fullmatch(entry.id) for entry in entries)


def test_several_specs_of_the_same_data_race_as_they_are(home: Path, spec: RunSpec) -> None:
    other = spec.changed({"strategy.rank": 7, "name": "Other", "training.epochs": 2})
    entries = plan_race(home, [spec, other], "s", seeds=[3])
    assert [entry.spec for entry in entries] == [
        spec.changed({"training.seed": 3}), other.changed({"training.seed": 3}),
    ]  # fmt: skip
    assert [entry.id for entry in entries] == ["s-1-s3", "s-2-s3"]
    with pytest.raises(SettingError, match="race as they are"):
        plan_race(home, [spec, other], "s", kinds=["lora"])


def test_specs_of_different_data_are_not_raced(home: Path, spec: RunSpec, tmp_path: Path) -> None:
    table = few_rows(tmp_path / "more.csv")
    table.write_text(table.read_text() + "\nMKTAYIAKQRWWWW,1.5")
    with pytest.raises(SettingError, match="need the same data and split, but one has the dataset"):
        plan_race(home, [spec, tiny_spec(home, table)], "s")
    assert RunStore(home).list() == []


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("strategy.rank", "expected e.g. --grid strategy.rank=4,8,16"),
        ("strategy.rank= , ", "no setting with values"),
        ("strategy.kind=lora,full", "name strategies instead"),
        ("training.seed=1,2", "give a number of seeds instead"),
        ("data.dataset=a,b", "only those of strategy, training, model, head can"),
        ("strategy.rnk=4", "No strategy of the race has a setting 'strategy.rnk'"),
        ("strategy.rank=4,many", "strategy.rank"),
    ],
)
def test_a_grid_that_means_nothing_is_refused(home: Path, spec: RunSpec, told: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan_race(home, spec, "r", grid=parse_grid([told]))
    assert RunStore(home).list() == []


def test_a_run_that_could_not_be_launched_is_not_taken_for_one_that_was_started(home: Path, spec: RunSpec) -> None:
    entries = plan_race(home, spec, "full", kinds=["head_only"])
    (home / "queue").write_text("a file where a folder should be")
    with pytest.raises(RunError, match="could not be put into the queue"):
        enter(home, entries[0])
    again = enter(home, entries[0])
    assert again.read_state()["status"] == "failed"  # as it is listed, with its cause


def test_a_race_that_is_started_twice_is_one(home: Path, spec: RunSpec) -> None:
    set_slots(home, 1)
    entries = plan_race(home, spec, "twice", kinds=["head_only", "lora"])
    try:
        first = [enter(home, entry) for entry in entries]
        again = [enter(home, entry) for entry in entries]
        assert [folder.path for folder in first] == [folder.path for folder in again]
        assert [folder.read_amended()["tags"] for folder in first] == [["race wice"]] * 2
        assert len(RunStore(home).list()) == 2
    finally:
        for folder in RunStore(home).list():
            folder.write_state(status="stopped")
            kill_all(folder)

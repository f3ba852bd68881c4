"""What a person typed becomes a whole spec: what was told stands, the rest is recommended."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.adapters.catalog import find_model
from molfun.data.examples import save_example
from molfun.errors import ModelError, MolfunError, RunError, SettingError
from molfun.runs.plan import parse_changes, plan_run, read_target, with_strategy
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore, place_run
from molfun.training.catalog import STRATEGIES
from molfun.training.defaults import recommended


@pytest.mark.parametrize("kind", STRATEGIES)
def test_an_example_with_a_strategy_takes_what_is_recommended(home: Path, kind: str) -> None:
    spec, dataset = plan_run(home, read_target("v_genes"), strategy=kind)
    chosen = recommended(kind, num_rows=dataset.counts["train"], task="classification", model=find_model("antiberty"))
    found = spec.model_dump()
    for path, value in chosen.items():
        group, name = path.split(".")
        assert found[group][name] == value, path
    assert spec.strategy.loss_fn == "cross_entropy"
    assert spec.data.dataset == dataset.id
    assert spec.data.example == ""


def test_structures_take_a_model_that_predicts_them_with_the_weights_that_there_are(home: Path) -> None:
    spec, dataset = plan_run(home, read_target("small_proteins"))
    assert (spec.model.name, spec.model.weights, dataset.task) == ("esmfold_small", "random", "structure")
    assert spec.strategy.loss_fn == "structure_without_violation"
    chosen, _ = plan_run(home, read_target("small_proteins"), changes={"model.name": "esmfold"})
    assert (chosen.model.weights, chosen.strategy.loss_fn) == ("pretrained", "structure")


def test_a_model_without_structures_is_refused_for_them(home: Path) -> None:
    message = r"AntiBERTy \(26 M\) predicts no structure; choose a model that does \(esmfold"
    with pytest.raises(SettingError, match=message):
        plan_run(home, read_target("small_proteins"), changes={"model.name": "antiberty"})


def test_what_was_told_wins_over_what_is_recommended(home: Path) -> None:
    values = {"data": {"example": "v_genes"}, "training": {"epochs": 17}}
    spec, _ = plan_run(home, values, strategy="lora", changes={"strategy.lr_head": "0.5", "strategy.rank": "3"})
    assert spec.training.epochs == 17
    assert spec.model_dump()["strategy"]["lr_head"] == 0.5
    assert spec.model_dump()["strategy"]["rank"] == 3
    assert spec.model_dump()["strategy"]["lr_lora"] != RunSpec().strategy.lr  # recommended still


def test_a_strategy_block_is_left_as_it_is(home: Path) -> None:
    values = {"data": {"example": "v_genes"}, "strategy": {"kind": "lora", "lr": 0.25}}
    spec, _ = plan_run(home, values)
    assert spec.strategy.lr == 0.25
    assert spec.training == RunSpec().training


def test_another_strategy_carries_shared_settings_over() -> None:
    spec = RunSpec.parse({"strategy": {"kind": "lora", "lr": 0.25, "ema_decay": 0.9, "rank": 3, "alpha": 1.0}})
    changed = with_strategy(spec, "full").strategy
    assert changed.kind == "full"
    assert (changed.lr, changed.ema_decay, changed.warmup_steps) == (0.25, 0.9, 0)
    assert with_strategy(spec, "lora") is spec


def test_columns_that_were_not_told_are_guessed_even_with_changes(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows = [f"{letters[i % 20]}{letters},{i / 7},{'ab'[i % 2]}" for i in range(40)]
    path.write_text("protein,kd,kind\n" + "\n".join(rows))
    values = {"data": {"table": str(path), "columns": {"target": "kind"}}}
    spec, dataset = plan_run(home, values, changes={"training.epochs": "1"})
    assert (dataset.task, dataset.columns.sequence) == ("classification", ["protein"])
    assert spec.strategy.loss_fn == "cross_entropy"


def test_an_example_is_divided_as_told_and_else_as_it_says_itself(home: Path) -> None:
    changes = {"data.split.kind": "identity", "data.split.max_identity": "0.6", "model.weights": "random"}
    _, other = plan_run(home, read_target("v_genes"), changes=changes)
    assert (other.split.kind, other.split.max_identity) == ("identity", 0.6)
    _, seeded = plan_run(home, read_target("v_genes"), changes={"data.split.seed": "2"})
    assert (seeded.split.kind, seeded.split.column, seeded.split.seed) == ("column", "split", 2)
    assert seeded.id == save_example(home / "datasets", "v_genes", seed=2).id


def test_read_target_takes_examples_specs_and_tables(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("data: {table: rows.csv}\n")
    assert read_target("v_genes") == {"data": {"example": "v_genes"}}
    assert read_target(str(tmp_path / "run.yaml")) == {"data": {"table": str(tmp_path / "rows.csv")}}
    assert read_target(str(tmp_path / "rows.tsv")) == {"data": {"table": str(tmp_path / "rows.tsv")}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Neither a spec file, an example nor a saved dataset is named"),
        ("- 1\n", "holds no settings; expected YAML"),
        ("trainin: {}\n", "Unknown setting 'trainin', did you mean 'training'"),
        ("training: {epochs: 0}\n", "Setting 'training.epochs' is 0"),
        ("a: [\n", "Cannot read the spec"),
    ],
)
def test_read_target_says_what_is_wrong(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingError, match=message):
        read_target(str(path))


def test_parse_changes_splits_at_the_first_sign() -> None:
    assert parse_changes(["training.epochs=2", "name = a=b"]) == {"training.epochs": "2", "name": "a=b"}
    with pytest.raises(SettingError, match="--set 'epochs' is no setting; expected key=value"):
        parse_changes(["epochs"])


def test_an_unknown_strategy_names_the_nearest(home: Path) -> None:
    with pytest.raises(SettingError, match="did you mean 'partial'"):
        plan_run(home, read_target("v_genes"), strategy="partal")


def test_a_home_folder_of_nobody_is_a_name_like_any_other(home: Path) -> None:
    with pytest.raises(SettingError, match=r"saved dataset is named '~nobody-of-that-name/run.yaml'"):
        read_target("~nobody-of-that-name/run.yaml")
    with pytest.raises(MolfunError, match=r"nobody-of-that-name/rows.csv"):
        plan_run(home, read_target("~nobody-of-that-name/rows.csv"))
    with pytest.raises(ModelError, match="No model lies in ~nobody-of-that-name"):
        plan_run(home, read_target("v_genes"), changes={"model.weights": "~nobody-of-that-name"})
    with pytest.raises(RunError, match=r"No run has the id|is no run id"):
        RunStore(home).get(place_run("~nobody-of-that-name/run", home)[1])


def test_a_saved_dataset_is_not_divided_anew_without_a_word(home: Path) -> None:
    _, dataset = plan_run(home, read_target("v_genes"), changes={"data.split.kind": "stratified"})
    saved = {"data": {"dataset": dataset.id}}
    asked = {"data.split.kind": "stratified", "data.columns.sequence": str(list(dataset.columns.sequence))}
    assert plan_run(home, saved, changes=asked)[1].id == dataset.id
    with pytest.raises(SettingError, match=r"was saved with data.split.kind = 'stratified', but 'identity' is asked"):
        plan_run(home, saved, changes={"data.split.kind": "identity"})
    with pytest.raises(SettingError, match=r"Unknown setting 'data.split.knd'"):
        plan_run(home, saved, changes={"data.split.knd": "identity"})

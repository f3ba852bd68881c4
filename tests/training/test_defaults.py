from __future__ import annotations

import pytest

from molfun.adapters.catalog import MODELS
from molfun.data.settings import Task
from molfun.errors import SettingError
from molfun.runs.spec import RunSpec
from molfun.training.catalog import STRATEGIES
from molfun.training.defaults import recommended


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("num_rows", [10, 240, 5_000, 1_000_000])
@pytest.mark.parametrize("task", ["regression", "classification", "per_residue"])
@pytest.mark.parametrize("model", ["antiberty", "esm2_8m", "esm2_15b"])
def test_recommended_settings_make_a_valid_spec(kind: str, num_rows: int, task: Task, model: str) -> None:
    chosen = recommended(kind, num_rows=num_rows, task=task, model=MODELS[model])
    strategy = {k.removeprefix("strategy."): v for k, v in chosen.items() if k.startswith("strategy.")}
    spec = RunSpec.parse({"strategy": strategy}).changed({k: v for k, v in chosen.items() if k.startswith("training.")})
    steps = -(-num_rows // spec.training.batch_size) * spec.training.epochs
    assert 0 <= spec.strategy.warmup_steps <= steps / 10
    assert spec.strategy.loss_fn == ("mse" if task == "regression" else "cross_entropy")


@pytest.mark.parametrize(("model", "batch_size", "loss"), [
    ("esmfold", 1, "structure"), ("esmfold_small", 2, "structure_without_violation"),
])  # fmt: skip
def test_structures_are_cropped_and_few_at_a_time(model: str, batch_size: int, loss: str) -> None:
    chosen = recommended("head_only", num_rows=7, task="structure", model=MODELS[model])
    assert (chosen["training.batch_size"], chosen["training.crop_size"]) == (batch_size, 256)
    assert (chosen["strategy.loss_fn"], chosen["strategy.monitor"]) == (loss, "val_lddt")


@pytest.mark.parametrize(("num_rows", "task", "epochs"), [
    (30, "regression", 30), (400, "regression", 30), (1_600, "classification", 20), (50_000, "per_residue", 6),
    (200, "structure", 6),
])  # fmt: skip
def test_a_head_trains_long_where_states_are_kept(num_rows: int, task: Task, epochs: int) -> None:
    model = MODELS["esmfold" if task == "structure" else "antiberty"]
    assert recommended("head_only", num_rows=num_rows, task=task, model=model)["training.epochs"] == epochs


@pytest.mark.parametrize("kind", ["lora", "partial", "full"])
@pytest.mark.parametrize(("num_rows", "epochs"), [(30, 20), (240, 13), (400, 8), (1_600, 3)])
def test_a_trunk_trains_for_some_hundred_steps(kind: str, num_rows: int, epochs: int) -> None:
    chosen = recommended(kind, num_rows=num_rows, task="regression", model=MODELS["antiberty"])
    assert chosen["training.epochs"] == epochs


@pytest.mark.parametrize("kind", ["lora", "partial", "full"])
def test_head_and_trunk_never_share_a_rate(kind: str) -> None:
    chosen = recommended(kind, num_rows=240, task="regression", model=MODELS["antiberty"])
    assert chosen["strategy.lr_head"] > chosen.get("strategy.lr_lora", chosen["strategy.lr"])


def test_unknown_strategy_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'partial'"):
        recommended("partail", num_rows=1, task="regression", model=MODELS["antiberty"])

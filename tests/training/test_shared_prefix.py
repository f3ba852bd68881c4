"""What several models have in common is computed once a batch, and what a store knows is read: the same predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.data.settings import ColumnSettings, Task
from molfun.evaluation.predictor import Predictor
from molfun.evaluation.uncertainty import Ensemble
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.shared_prefix import share_frozen
from tests.tiny import SEQUENCES, tiny_model
from tests.training.test_prefix_cache import SEQUENCES as KNOWN
from tests.training.test_prefix_cache import rows as batches

EXACT = Precision(torch.device("cpu"), amp=False)
ROWS = [*SEQUENCES, "MKTAYIAKQR", SEQUENCES[0], "EVQLV", "ACDEFGHIKLMNPQRSTVWY", SEQUENCES[2]]
STRATEGIES: dict[str, Any] = {
    "head_only": lambda: HeadOnlyFinetune(amp=False),
    "partial": lambda: PartialFinetune(amp=False, unfreeze_last_n=2),
    "lora": lambda: LoRAFinetune(amp=False, rank=4, target_modules=[r".*layer\.3\..*query"]),
}


def member(strategy: Any, seed: int, task: Task = "regression", **about: Any) -> Predictor:
    """Return a model of the same beginning, whose trained parameters are those of a seed."""
    model = tiny_model(task, num_blocks=4, **about)
    strategy.setup(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    columns = ColumnSettings.parse({"sequence": ["sequence"], "target": "y", "task": task})
    classes = () if task == "regression" else ("a", "b", "c")
    return Predictor(model, columns, classes, precision=EXACT, max_tokens=80)


def share(members: Sequence[Predictor], folder: Path | None = None) -> list[Predictor]:
    models = [member.model for member in members]
    trunks = share_frozen(models, [EXACT] * len(models), folder, max_gigabytes=1.0)
    for member, trunk in zip(members, trunks, strict=True):
        member.trunk = trunk
    return list(members)


def count_rows(predictor: Predictor) -> list[int]:
    """Count the rows that go through the first block of a model."""
    seen: list[int] = []
    first = predictor.model.adapter.get_trunk_blocks()[0]
    first.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    return seen


def numbers(table: pd.DataFrame) -> np.ndarray:
    return table.select_dtypes("number").to_numpy()


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("kind", STRATEGIES)
def test_an_ensemble_computes_its_common_beginning_once(kind: str, task: Task) -> None:
    members = [member(STRATEGIES[kind](), seed, task) for seed in range(3)]
    expected = Ensemble(members).predict(ROWS)
    seen = [count_rows(one) for one in share(members)]
    found = Ensemble(members).predict(ROWS)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-6)
    assert found["spread"].min() > 1e-4
    assert [sum(rows) for rows in seen] == [len(set(ROWS)), 0, 0]


def test_members_that_begin_otherwise_share_nothing() -> None:
    members = [member(HeadOnlyFinetune(), 0), member(FullFinetune(), 1), member(HeadOnlyFinetune(), 2)]
    with torch.no_grad():
        next(members[2].model.adapter.get_trunk_blocks()[3].parameters()).add_(1e-3)
    share(members)
    assert [one.trunk for one in members] == [None, None, None]
    assert share([member(HeadOnlyFinetune(), 0)])[0].trunk is None


def test_states_of_a_batch_are_gone_with_it() -> None:
    members = share([member(HeadOnlyFinetune(), 0), member(HeadOnlyFinetune(), 1)])
    Ensemble(members).predict(ROWS)
    assert members[0].trunk.shared._states == ()  # type: ignore[union-attr]
    assert Ensemble(members).work == 1.0
    assert members[0].model.prefix is None


@pytest.mark.parametrize("kind", STRATEGIES)
def test_what_training_has_kept_is_read(kind: str, tmp_path: Path) -> None:
    def trained() -> Predictor:
        torch.manual_seed(5)
        model = tiny_model(num_blocks=4)
        STRATEGIES[kind]().fit(model, batches(model), epochs=1, seed=7, prefix_cache=tmp_path / "frozen")
        columns = ColumnSettings.parse({"sequence": ["sequence"], "target": "y", "task": "regression"})
        return Predictor(model.eval(), columns, (), precision=EXACT)

    own = trained()
    expected = own.predict([*KNOWN, *ROWS])
    seen = count_rows(own)
    before = sum(path.stat().st_size for path in (tmp_path / "frozen").rglob("states.f32"))
    found = share([own], tmp_path / "frozen")[0].predict([*KNOWN, *ROWS])
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-6)
    assert sum(seen) == len(set(ROWS) - set(KNOWN))
    after = sum(path.stat().st_size for path in (tmp_path / "frozen").rglob("states.f32"))
    # One vector a sequence is kept, and states of residues are not: a scan would fill the disk with them.
    assert after - before == (len(set(ROWS) - set(KNOWN)) * 32 * 4 if kind == "head_only" else 0)
    own.predict(KNOWN)
    assert sum(seen) == len(set(ROWS) - set(KNOWN))


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
def test_a_second_prediction_reads_pooled_states(pooling: Any, tmp_path: Path) -> None:
    first, second = (member(HeadOnlyFinetune(), seed, head=HeadSettings(pooling=pooling)) for seed in (0, 1))
    expected = second.predict(ROWS)
    share([first], tmp_path)[0].predict(ROWS)
    seen = count_rows(second)
    found = share([second], tmp_path)[0].predict(ROWS)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-6)
    assert sum(seen) == (len(set(ROWS)) if pooling == "attention" else 0)
    assert (first.num_read, second.num_read) == (0, 0 if pooling == "attention" else len(set(ROWS)))


def test_predictions_push_no_store_out(tmp_path: Path) -> None:
    first = share([member(HeadOnlyFinetune(), 0, head=HeadSettings(pooling="cls"))], tmp_path)[0]
    first.predict(ROWS)
    first.trunk = None  # its store is closed
    (old,) = tmp_path.iterdir()
    own = member(HeadOnlyFinetune(), 0)
    (own.trunk,) = share_frozen([own.model], [EXACT], tmp_path, max_gigabytes=1e-9)
    expected = member(HeadOnlyFinetune(), 0).predict(ROWS)
    np.testing.assert_allclose(numbers(own.predict(ROWS)), numbers(expected), rtol=0, atol=1e-6)
    assert (old / "states.f32").is_file()

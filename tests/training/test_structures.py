"""Strategies on structures: a small ESMFold learns proteins."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from molfun.adapters.catalog import MODELS
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import SettingError
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.types import Batch
from tests.folds import pair
from tests.tiny import tiny_batch, tiny_fold_model

SEQUENCES = ("MKTAYIAKQRQISF", "GSHMLEDPVDAW", "EVQLVESGGG")
EPOCHS = 12


def batch_of_helices() -> Batch:
    """Return rows whose measured structures are helices of their own bend."""
    batch = tiny_batch(MODELS["esmfold"].alphabet, sequences=SEQUENCES)
    _, structures = pair([(sequence,) for sequence in SEQUENCES])
    mask_B = torch.ones(len(SEQUENCES), dtype=torch.bool)
    return Batch(batch.chains, None, mask_B, batch.row_ids, structures)


def strategy_of(kind: str, **more: Any) -> FinetuneStrategy:
    chosen = {"lr": 1e-2, "loss_fn": "structure_without_violation", "amp": False, "warmup_steps": 2, **more}
    return {
        "head_only": lambda: HeadOnlyFinetune(**chosen),
        "lora": lambda: LoRAFinetune(rank=4, **chosen),
        "partial": lambda: PartialFinetune(unfreeze_last_n=1, unfreeze_structure_module=True, **chosen),
        "full": lambda: FullFinetune(layer_lr_decay=0.9, **chosen),
    }[kind]()


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial"])
def test_a_strategy_learns_structures(kind: str) -> None:
    model, batch = tiny_fold_model(num_recycles=1), batch_of_helices()
    history = strategy_of(kind).fit(model, [batch], [batch], epochs=EPOCHS, seed=0)
    first, last = history[0], history[-1]
    assert {f"val_{name}" for name in METRICS_OF_TASK["structure"]} <= set(last)
    assert last["train_loss"] < first["train_loss"]
    assert last["val_loss"] < first["val_loss"]
    if kind in ("head_only", "lora"):
        # Partial needs more steps than a test may take before single distances become right.
        assert last["val_lddt"] > first["val_lddt"]


def test_class_weights_and_losses_of_other_tasks_are_refused() -> None:
    batch = batch_of_helices()
    with pytest.raises(SettingError, match="structure has no classes"):
        strategy_of("head_only", class_weights="balanced").fit(tiny_fold_model(), [batch], epochs=1)
    with pytest.raises(SettingError, match="does not fit the task 'structure'"):
        strategy_of("head_only", loss_fn="mse").fit(tiny_fold_model(), [batch], epochs=1)

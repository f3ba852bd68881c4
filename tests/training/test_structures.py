"""The four strategies on structures: a small ESMFold learns proteins, resumes to the bit, and keeps what it learned."""

from __future__ import annotations

import copy
from pathlib import Path
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


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
def test_every_strategy_learns_structures(kind: str) -> None:
    model, batch = tiny_fold_model(num_recycles=1), batch_of_helices()
    history = strategy_of(kind).fit(model, [batch], [batch], epochs=EPOCHS, seed=0)
    first, last = history[0], history[-1]
    assert {f"val_{name}" for name in METRICS_OF_TASK["structure"]} <= set(last)
    assert last["train_loss"] < first["train_loss"]
    assert last["val_loss"] < first["val_loss"]
    if kind in ("head_only", "lora"):
        # The others need more steps than a test may take before single distances become right.
        assert last["val_lddt"] > first["val_lddt"]


def test_a_resumed_fit_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    """Each step draws how often the trunk sees its own answer; a resumed fit must draw the same."""
    batch, settings = batch_of_helices(), {"scheduler": "constant", "warmup_steps": 0, "ema_decay": 0.9}
    whole, rest = tiny_fold_model(num_recycles=2), tiny_fold_model(num_recycles=2)
    expected = strategy_of("full", **settings).fit(whole, [batch], epochs=4, seed=3)
    strategy_of("full", **settings).fit(rest, [batch], epochs=2, seed=3, checkpoint_dir=tmp_path)
    resumed = tiny_fold_model(num_recycles=2)
    found = strategy_of("full", **settings).fit(
        resumed, [batch], epochs=4, seed=3, checkpoint_dir=tmp_path, resume_from="auto"
    )
    assert [row["train_loss"] for row in found] == [row["train_loss"] for row in expected]
    for (name, one), (_, other) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_row_without_a_structure_takes_no_part() -> None:
    batch, model = batch_of_helices(), tiny_fold_model()
    assert batch.structures is not None
    assert batch.target_mask is not None
    mask = batch.target_mask.clone()
    mask[1] = False
    left_out = Batch(batch.chains, None, mask, batch.row_ids, batch.structures)
    rows = torch.tensor([0, 2])
    few = Batch(
        tuple(type(c)(c.tokens_BL[rows], c.mask_BL[rows], c.residues_BL[rows]) for c in batch.chains), None,
        mask[rows], batch.row_ids[rows], batch.structures[rows],
    )  # fmt: skip
    losses = [
        strategy_of("head_only").fit(copy.deepcopy(model), [one], epochs=1, seed=0)[0]["train_loss"]
        for one in (left_out, few)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_class_weights_and_losses_of_other_tasks_are_refused() -> None:
    batch = batch_of_helices()
    with pytest.raises(SettingError, match="structure has no classes"):
        strategy_of("head_only", class_weights="balanced").fit(tiny_fold_model(), [batch], epochs=1)
    with pytest.raises(SettingError, match="does not fit the task 'structure'"):
        strategy_of("head_only", loss_fn="mse").fit(tiny_fold_model(), [batch], epochs=1)

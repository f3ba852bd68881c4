"""Strategies on structures: a small ESMFold learns proteins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molfun.adapters.catalog import MODELS
from molfun.data.batches import Collate, SequenceRows
from molfun.data.example_structures import example_protein
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import SettingError
from molfun.evaluation.folding import predict_structures
from molfun.models.build import build_model
from molfun.models.heads import PooledHead
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings, ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.types import Batch
from tests.folds import pair
from tests.tiny import tiny_batch, tiny_fold_adapter, tiny_fold_model

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
        "lora": lambda: LoRAFinetune(**{"rank": 4, **chosen}),
        "partial": lambda: PartialFinetune(**{"unfreeze_last_n": 1, "unfreeze_structure_module": True, **chosen}),
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


def real_batch(name: str = "5pti", *, first: int = 22, num_residues: int = 24) -> Batch:
    """Return a stretch of a measured structure of the Protein Data Bank."""
    protein = example_protein(name)
    kept = np.arange(first, first + num_residues)
    protein = replace(protein, chains=tuple(chain.pick(kept) for chain in protein.chains))
    alphabet = MODELS["esmfold_small"].alphabet
    sequences = [[protein.sequence_of(column)] for column in protein.columns]
    rows = SequenceRows(sequences, encoder=alphabet, max_residues=1000, structures=[protein])
    return Collate(alphabet, "structure")(rows.rows)


def small_model() -> MolfunStructureModel:
    torch.manual_seed(0)
    return build_model(ModelSettings(name="esmfold_small", weights="random"), task="structure")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "lr", "epochs"), [("head_only", 3e-3, 50), ("lora", 3e-3, 80), ("partial", 1e-3, 90), ("full", 1e-3, 80)]
)
def test_every_strategy_folds_a_real_protein_better(kind: str, lr: float, epochs: int) -> None:
    model, batch = small_model(), real_batch()
    _, before = predict_structures(model, [batch], Precision(torch.device("cpu"), amp=False))
    more = {"lora": {"lr_lora": lr, "lr_head": lr}, "partial": {"unfreeze_last_n": 2}}.get(kind, {})
    strategy = strategy_of(kind, lr=lr, scheduler="constant", ema_decay=0.0, **more)
    history = strategy.fit(model, [batch], [batch], epochs=epochs, seed=0)
    assert history[-1]["train_loss"] < 0.95 * history[0]["train_loss"]
    assert history[-1]["val_lddt"] > before["lddt"] + 0.02


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
def test_a_resumed_run_on_structures_equals_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    batch = batch_of_helices()

    def fit(epochs: int, folder: Path, **more: Any) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
        # Recycling draws how often in every step: the state of the random numbers has to come back as well.
        model = tiny_fold_model(num_recycles=2)
        strategy = strategy_of(kind, scheduler="constant", warmup_steps=0, ema_decay=0.9)
        history = strategy.fit(
            model, [batch], [batch], epochs=epochs, seed=3, checkpoint_dir=folder, save_every=1, **more
        )
        return history, {name: value.clone() for name, value in model.state_dict().items()}

    whole, expected = fit(4, tmp_path / "whole")
    fit(2, tmp_path / "parts")
    rest, found = fit(4, tmp_path / "parts", resume_from=tmp_path / "parts" / "last")
    names = [name for name in whole[-1] if name != "seconds" and not name.startswith("lr")]
    for name in names:
        assert rest[-1][name] == pytest.approx(whole[-1][name], abs=0, nan_ok=True), name
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [
        ("lora", "mean"),
        ("head_only", "interface"),
        ("lora", "interface"),
        ("partial", "interface"),
        ("full", "interface"),
    ],
)
def test_affinities_of_complexes_are_learned(kind: str, pooling: str) -> None:
    torch.manual_seed(0)
    adapter = tiny_fold_adapter(wants_structure=False, num_recycles=1)
    settings = HeadSettings(pooling=pooling)  # type: ignore[arg-type]
    head = PooledHead(adapter.hidden_size, 2, 1, settings, adapter.pair_size)
    model = MolfunStructureModel(adapter, head, target_mean=-8.0, target_std=2.0)
    batch = tiny_batch(adapter.alphabet, "regression", num_chains=2)
    strategy = strategy_of(kind, loss_fn="mse")
    if kind == "partial":
        strategy = PartialFinetune(unfreeze_last_n=1, lr=1e-2, amp=False, loss_fn="mse")
    history = strategy.fit(model, [batch], epochs=8, seed=0)
    assert history[-1]["train_loss"] < history[0]["train_loss"]

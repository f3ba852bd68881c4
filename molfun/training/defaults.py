"""Settings to start from, by strategy, rows, task and model size: measured choices, not laws. Readable without torch.

One learning rate never serves a fresh head and a pretrained trunk alike, so each has its own.
"""

from __future__ import annotations

from typing import Any

from molfun.adapters.catalog import ModelCard
from molfun.training.catalog import find_strategy

# Head rates are high because a head starts from nothing; trunk rates low because a trunk starts from a good place.
_RATES: dict[str, dict[str, Any]] = {
    "head_only": {"strategy.lr": 3e-3},
    "lora": {"strategy.lr": 5e-4, "strategy.lr_head": 5e-3, "strategy.lr_lora": 5e-4},
    "partial": {"strategy.lr": 5e-5, "strategy.lr_trunk": 5e-5, "strategy.lr_head": 3e-3},
    "full": {"strategy.lr": 3e-5, "strategy.layer_lr_decay": 0.9, "strategy.lr_head": 3e-3},
}
# A head on kept states comes late to its end (docs/strategies.md), and its first epoch is nearly all of the time
# (docs/performance.md). States of structures are not kept, and how long these should train was not measured.
_STEPS = {"head_only": 2000, "lora": 200, "partial": 200, "full": 200}
_STEPS_OF_STRUCTURES = {"head_only": 120, "lora": 45, "partial": 45, "full": 45}
_EPOCHS = {"head_only": (6, 30), "lora": (3, 20), "partial": (3, 20), "full": (3, 20)}
# Memory of structure models grows with the square of the length: one crop at a time where the model is large.
_STRUCTURE = {"strategy.monitor": "val_lddt", "training.crop_size": 256}
_SMALL_MODEL = 50_000_000


def recommended(kind: str, *, num_rows: int, task: str, model: ModelCard) -> dict[str, Any]:
    """Return dotted settings of a spec, e.g. {"strategy.lr": 0.005, "training.epochs": 8}.

    Args:
        kind: Strategy: head_only, lora, partial or full.
        num_rows: Training rows.
        task: regression, classification, per_residue or structure.
        model: The backbone.

    Raises:
        SettingError: No strategy has that name.
    """
    find_strategy(kind)
    batch_size = _batch_size(num_rows, task, model)
    steps_per_epoch = max(1, -(-num_rows // batch_size))
    fewest, most = _EPOCHS[kind]
    steps = (_STEPS_OF_STRUCTURES if task == "structure" else _STEPS)[kind]
    epochs = min(most, max(fewest, round(steps / steps_per_epoch)))
    total = steps_per_epoch * epochs
    chosen = {
        "strategy.kind": kind,
        **_RATES[kind],
        "strategy.warmup_steps": min(100, total // 10),
        "strategy.loss_fn": _loss(task, model),
        "training.epochs": epochs,
        "training.batch_size": batch_size,
    }
    if kind == "partial":
        chosen["strategy.unfreeze_last_n"] = max(1, round(model.num_blocks / 4))
    return chosen | (_STRUCTURE if task == "structure" else {})


def _batch_size(num_rows: int, task: str, model: ModelCard) -> int:
    if task == "structure":
        return 2 if 0 < model.num_parameters < _SMALL_MODEL else 1
    return 16 if num_rows < 5000 else 32


def _loss(task: str, model: ModelCard) -> str:
    """Return the loss to begin with; atoms of a model that was never trained lie in one place (docs/structures.md)."""
    if task == "structure":
        return "structure" if model.weights else "structure_without_violation"
    return "mse" if task == "regression" else "cross_entropy"

"""From settings to a model: looks up the card, builds adapter and head."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from molfun.adapters.base import BaseAdapter
from molfun.adapters.catalog import find_model
from molfun.errors import SettingError
from molfun.models.heads import PerResidueHead, PooledHead
from molfun.models.settings import HeadSettings, ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.models.structure_head import StructureHead

STRUCTURE = "structure"


def build_adapter(name: str, weights: str = "pretrained", *, load: bool = True) -> BaseAdapter:
    """Build a backbone by its catalog name; `load=False` leaves it untrained, for counting.

    Raises:
        ModelError: The name is unknown or the weights cannot be read.
    """
    card = find_model(name)
    module, _, function = card.builder.partition(":")
    adapter: BaseAdapter = getattr(import_module(module), function)(card, weights, load=load)
    adapter.weights = weights
    return adapter


def build_head(
    settings: HeadSettings, *, task: str, hidden_size: int, num_chains: int, num_outputs: int, pair_size: int = 0
) -> nn.Module:
    """Build the task layer.

    Raises:
        SettingError: Per-residue classification is asked of several chains, or the pooling does not fit.
    """
    if task != "per_residue":
        return PooledHead(hidden_size, num_chains, num_outputs, settings, pair_size)
    if num_chains > 1:
        raise SettingError(f"Per-residue classification takes one sequence column, not {num_chains}; choose one.")
    return PerResidueHead(hidden_size, num_outputs, settings)


def build_model(
    settings: ModelSettings,
    *,
    task: str,
    num_chains: int = 1,
    num_outputs: int = 1,
    target_mean: float = 0.0,
    target_std: float = 1.0,
    load: bool = True,
) -> MolfunStructureModel:
    """Build backbone and head.

    Args:
        settings: Which backbone, weights and head.
        task: "regression", "classification", "per_residue" or "structure".
        num_chains: Sequence columns of the data.
        num_outputs: 1 for regression, number of classes otherwise.
        target_mean: Mean of the training targets in the user's unit; only used for regression.
        target_std: Standard deviation of the training targets in the user's unit; only used for regression.
        load: False leaves the backbone untrained, for counting on the meta device.

    Raises:
        ModelError: The backbone cannot be built.
        SettingError: Head and task do not fit.
    """
    adapter = build_adapter(settings.name, settings.weights, load=load)
    adapter.prepare(wants_structure=task == STRUCTURE, num_recycles=settings.recycles, chunk_size=settings.chunk_size)
    if task == STRUCTURE:
        return MolfunStructureModel(adapter, _structure_head(adapter, settings, load=load), task=task)
    head = build_head(
        settings.head, task=task, hidden_size=adapter.hidden_size, num_chains=num_chains, num_outputs=num_outputs,
        pair_size=adapter.pair_size,
    )  # fmt: skip
    return MolfunStructureModel(adapter, head, task=task, target_mean=target_mean, target_std=target_std)


def _structure_head(adapter: BaseAdapter, settings: ModelSettings, *, load: bool) -> StructureHead:
    if not adapter.fold_size:
        raise SettingError(
            f"{adapter.card.title} predicts no structure; choose a model that does, such as esmfold, or another task."
        )
    own = adapter.confidence_layers()
    if own is None:
        return StructureHead(adapter.fold_size, adapter.pair_size)
    first = own[1][1]
    assert isinstance(first, nn.Linear)
    head = StructureHead(adapter.fold_size, adapter.pair_size, first.out_features)
    if load and settings.weights != "random":
        head.copy_confidence(*own)
    return head

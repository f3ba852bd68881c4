"""MolfunStructureModel: a backbone and a head. How it is trained is the matter of `molfun.training`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from molfun.adapters.base import BaseAdapter, device_of
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import SettingError, nearest
from molfun.types import Batch, Trunk


class MolfunStructureModel(nn.Module):
    """Adapter and head as one model.

    Args:
        adapter: The backbone.
        head: Maps a `Trunk` to raw outputs.
        task: "regression", "classification", "per_residue" or "structure".
        target_mean: Mean of the training targets, in the user's unit; 0 for classes.
        target_std: Standard deviation of the training targets, in the user's unit; 1 for classes.

    A regression head works on standardised numbers, so that one learning rate suits every unit; `forward` returns
    predictions in the user's unit.

    Raises:
        SettingError: No task has that name.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        adapter: BaseAdapter,
        head: nn.Module,
        *,
        task: str = "regression",
        target_mean: float = 0.0,
        target_std: float = 1.0,
    ) -> None:
        super().__init__()
        if task not in METRICS_OF_TASK:
            known = f"; expected one of {', '.join(METRICS_OF_TASK)}."
            raise SettingError(f"No task is named {task!r}{nearest(task, METRICS_OF_TASK) or known}")
        self.adapter = adapter
        self.head = head
        self.task = task
        self.register_buffer("target_mean", torch.tensor(float(target_mean)))
        self.register_buffer("target_std", torch.tensor(float(target_std)))
        # Both are set by a strategy's `setup`, so that a second strategy on this model knows what to undo.
        self.prepared_by = ""
        self.prepared_about: dict[str, Any] = {}
        self.lora_config: Any = None
        # Answers the trunk in its place within a fit, where its frozen beginning is kept (`training.prefix_cache`).
        self.prefix: Callable[[Batch], Trunk] | None = None

    @override
    def forward(self, batch: Batch) -> dict[str, Any]:
        """Return {"preds"}: float32 [B] in the user's unit, logits [B, C], logits [B, L, C] per residue, or `Folds`."""
        trunk = self.adapter(batch) if self.prefix is None else self.prefix(batch)
        # The head is small and its sums are long: full precision costs nothing and keeps small differences.
        with torch.autocast(self.device.type, enabled=False):
            outputs = self.head(trunk)
            if self.task == "regression":
                outputs = outputs * self.target_std + self.target_mean
        return {"preds": outputs}

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return device_of(self)

    def named_parts(self) -> dict[str, list[nn.Parameter]]:
        """Return {part: parameters} of the adapter's parts, in order, then "head"; excluded modules are left out."""
        parts = dict(self.adapter.named_parts())
        parts["head"] = list(self.head.parameters())
        return {name: parameters for name, parameters in parts.items() if parameters}

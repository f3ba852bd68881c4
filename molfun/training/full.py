"""FullFinetune: everything trains, earlier layers at lower rates."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from molfun.models.structure import MolfunStructureModel
from molfun.training.base import FinetuneStrategy
from molfun.training.groups import ParamGroup
from molfun.training.settings import FullSettings, StrategySettings


class FullFinetune(FinetuneStrategy):
    """Train everything with layer-wise decay (Howard and Ruder 2018, arXiv:1801.06146).

    With N blocks, block i of 1..N gets `lr * layer_lr_decay ** (N - i)`, so the last block gets `lr`; the embedder, and
    whatever else runs before the blocks, gets `lr * layer_lr_decay ** N`; structure module and the norm behind the
    blocks get `lr`; the head gets `lr_head`.
    """

    settings_class: ClassVar[type[StrategySettings]] = FullSettings
    settings: FullSettings

    @override
    def _setup_impl(self, model: MolfunStructureModel) -> None:
        """Leave everything trainable: that is how `setup` hands the model over."""

    @override
    def param_groups(self, model: MolfunStructureModel) -> list[ParamGroup]:
        num_blocks = len(model.adapter.get_trunk_blocks())
        return [
            {"name": name, "lr": self._lr_of(name, num_blocks), "params": parameters}
            for name, parameters in model.named_parts().items()
        ]

    def _lr_of(self, part: str, num_blocks: int) -> float:
        lr, decay, lr_head = self.settings.lr, self.settings.layer_lr_decay, self.settings.lr_head
        if part == "head":
            return lr if lr_head is None else lr_head
        if part in ("structure_module", "output"):
            return lr
        number = int(part.removeprefix("block_")) if part.startswith("block_") else 0
        return float(lr * decay ** (num_blocks - number))

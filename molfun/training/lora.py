"""LoRAFinetune: low-rank updates in the attention projections of a frozen trunk, and the head."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from molfun.models.lora import inject_lora, lora_parameters
from molfun.models.structure import MolfunStructureModel
from molfun.training.groups import ParamGroup
from molfun.training.head_only import HeadOnlyFinetune
from molfun.training.settings import LoRASettings, StrategySettings


class LoRAFinetune(HeadOnlyFinetune):
    """Train LoRA (Hu et al. 2021, arXiv:2106.09685) and the head, each at its own learning rate."""

    settings_class: ClassVar[type[StrategySettings]] = LoRASettings
    settings: LoRASettings

    @override
    def _setup_impl(self, model: MolfunStructureModel) -> None:
        # Freezing comes first: injection adds parameters that must stay trainable.
        super()._setup_impl(model)
        chosen = self.settings
        model.lora_config = inject_lora(
            model.adapter,
            rank=chosen.rank,
            alpha=chosen.alpha,
            dropout=chosen.dropout,
            target_modules=chosen.target_modules,
        )

    @override
    def param_groups(self, model: MolfunStructureModel) -> list[ParamGroup]:
        lr, lr_head, lr_lora = self.settings.lr, self.settings.lr_head, self.settings.lr_lora
        return [
            {"name": "head", "lr": lr if lr_head is None else lr_head, "params": list(model.head.parameters())},
            {"name": "lora", "lr": lr if lr_lora is None else lr_lora, "params": lora_parameters(model.adapter)},
        ]

    @override
    def _describe_setup(self, model: MolfunStructureModel) -> dict[str, Any]:
        assert model.lora_config is not None
        targets = model.lora_config.target_modules
        # peft keeps one pattern as it is, and names as a set.
        names = [targets] if isinstance(targets, str) else sorted(targets or [])
        return {"target_modules": names, "num_lora": _count(model)}


def _count(model: MolfunStructureModel) -> int:
    return sum(p.numel() for p in lora_parameters(model.adapter))

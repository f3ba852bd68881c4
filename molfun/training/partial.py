"""PartialFinetune: the last blocks of the trunk, the structure module on request, and the head."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from typing_extensions import override

from molfun.errors import SettingError
from molfun.models.structure import MolfunStructureModel
from molfun.training.base import FinetuneStrategy
from molfun.training.groups import ParamGroup
from molfun.training.settings import PartialSettings, StrategySettings


class PartialFinetune(FinetuneStrategy):
    """Train the last `unfreeze_last_n` blocks (with the norm behind them) and the head."""

    settings_class: ClassVar[type[StrategySettings]] = PartialSettings
    settings: PartialSettings

    @override
    def _setup_impl(self, model: MolfunStructureModel) -> None:
        model.adapter.freeze_trunk()
        for module in self._trained_modules(model):
            module.requires_grad_(True)

    def _trained_modules(self, model: MolfunStructureModel) -> list[nn.Module]:
        blocks, wanted = model.adapter.get_trunk_blocks(), self.settings.unfreeze_last_n
        if wanted > len(blocks):
            raise SettingError(
                f"Setting 'unfreeze_last_n' is {wanted}, but this model has {len(blocks)} blocks; lower it."
            )
        # blocks[-0:] would be all of them.
        trained = blocks[len(blocks) - wanted :] + (model.adapter.get_output_modules() if wanted else [])
        if not self.settings.unfreeze_structure_module:
            return trained
        structure = model.adapter.get_structure_module()
        if structure is None:
            raise SettingError("Setting 'unfreeze_structure_module' is on, but this model has no structure module.")
        return [*trained, structure]

    @override
    def param_groups(self, model: MolfunStructureModel) -> list[ParamGroup]:
        lr, lr_trunk, lr_head = self.settings.lr, self.settings.lr_trunk, self.settings.lr_head
        trunk = [p for p in model.adapter.parameters() if p.requires_grad]
        return [
            {"name": "trunk", "lr": lr if lr_trunk is None else lr_trunk, "params": trunk},
            {"name": "head", "lr": lr if lr_head is None else lr_head, "params": list(model.head.parameters())},
        ]

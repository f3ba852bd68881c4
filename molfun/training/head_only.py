"""HeadOnlyFinetune: the head trains, the trunk stays as pretrained."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from molfun.models.structure import MolfunStructureModel
from molfun.training.base import FinetuneStrategy
from molfun.training.groups import ParamGroup
from molfun.training.settings import HeadOnlySettings, StrategySettings


class HeadOnlyFinetune(FinetuneStrategy):
    """Train the head on a frozen trunk: the quick baseline for fewer than about 1,000 rows."""

    settings_class: ClassVar[type[StrategySettings]] = HeadOnlySettings

    @override
    def _setup_impl(self, model: MolfunStructureModel) -> None:
        model.adapter.freeze_trunk()

    @override
    def param_groups(self, model: MolfunStructureModel) -> list[ParamGroup]:
        return [{"name": "head", "lr": self.settings.lr, "params": list(model.head.parameters())}]

"""The strategies by name: settings class, implementing class, one sentence for people. Readable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from molfun.errors import SettingError, nearest
from molfun.training.settings import FullSettings, HeadOnlySettings, LoRASettings, PartialSettings, StrategySettings


@dataclass(frozen=True)
class StrategyCard:
    """One strategy as a person chooses it. `implementation` is "module:class"; `suits` says for how much data."""

    kind: str
    title: str
    trains: str
    suits: str
    settings: type[StrategySettings]
    implementation: str


STRATEGIES: dict[str, StrategyCard] = {
    card.kind: card
    for card in (
        StrategyCard(
            "head_only", "Head only", "the head; the trunk stays as pretrained", "quick baseline, below 1,000 rows",
            HeadOnlySettings, "molfun.training.head_only:HeadOnlyFinetune",
        ),
        StrategyCard(
            "lora", "LoRA", "low-rank updates in the attention projections, and the head",
            "1,000 to 10,000 rows, little compute", LoRASettings, "molfun.training.lora:LoRAFinetune",
        ),
        StrategyCard(
            "partial", "Partial", "the last blocks of the trunk, and the head", "1,000 to 10,000 rows",
            PartialSettings, "molfun.training.partial:PartialFinetune",
        ),
        StrategyCard(
            "full", "Full", "everything, earlier layers more gently", "more than 10,000 rows",
            FullSettings, "molfun.training.full:FullFinetune",
        ),
    )
}  # fmt: skip


def find_strategy(kind: str) -> StrategyCard:
    """Return the card of a strategy.

    Raises:
        SettingError: No strategy has that name; the nearest known one is given.
    """
    if kind not in STRATEGIES:
        raise SettingError(
            f"No strategy is named {kind!r}{nearest(kind, STRATEGIES) or f'; known: {list(STRATEGIES)}.'}"
        )
    return STRATEGIES[kind]

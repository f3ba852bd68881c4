"""Task layers on top of a trunk: pooled (one output a row) and per residue. Legend of shapes in `molfun.types`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from molfun.errors import SettingError
from molfun.models.settings import HeadSettings
from molfun.types import Trunk


class MeanPooling(nn.Module):
    """Mean over residues; specials and padding take no part."""

    @override
    def forward(self, hidden_BLD: Tensor, residues_BL: Tensor) -> Tensor:
        weights_BL1 = residues_BL.unsqueeze(-1).to(hidden_BLD.dtype)
        return (hidden_BLD * weights_BL1).sum(1) / weights_BL1.sum(1).clamp(min=1.0)


class ClsPooling(nn.Module):
    """State of the first token, which the families here put before the residues."""

    @override
    def forward(self, hidden_BLD: Tensor, residues_BL: Tensor) -> Tensor:
        return hidden_BLD[:, 0]


class AttentionPooling(nn.Module):
    """Weighted mean over residues; weights are a softmax over one learned score a residue."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        # The softmax ignores a constant, so a bias would never get a gradient.
        self.score = nn.Linear(hidden_size, 1, bias=False)

    @override
    def forward(self, hidden_BLD: Tensor, residues_BL: Tensor) -> Tensor:
        scores_BL = self.score(hidden_BLD).squeeze(-1).masked_fill(~residues_BL, -torch.inf)
        return torch.einsum("bl,bld->bd", scores_BL.softmax(dim=1), hidden_BLD)


class InterfacePooling(nn.Module):
    """Weighted mean over pairs of residues of two chains; weights are a softmax over one learned score a pair.

    Both orders of a pair count as one: its states are their mean.
    """

    def __init__(self, pair_size: int) -> None:
        super().__init__()
        self.score = nn.Linear(pair_size, 1, bias=False)

    @override
    def forward(self, pair_BRRP: Tensor, chain_BR: Tensor) -> Tensor:
        pair_BRRP = (pair_BRRP + pair_BRRP.transpose(1, 2)) / 2
        first, second = chain_BR[:, :, None], chain_BR[:, None, :]
        is_between = (first != second) & (first >= 0) & (second >= 0)
        scores_BRR = self.score(pair_BRRP).squeeze(-1).masked_fill(~is_between, -torch.inf)
        return torch.einsum("bn,bnp->bp", scores_BRR.flatten(1).softmax(dim=1), pair_BRRP.flatten(1, 2))


def build_pooling(kind: str, hidden_size: int) -> nn.Module:
    """Return the pooling layer of a chain for `kind`: mean (of interface, too), cls or attention.

    Raises:
        SettingError: No pooling has that name.
    """
    if kind == "attention":
        return AttentionPooling(hidden_size)
    if kind not in ("mean", "cls", "interface"):
        raise SettingError(f"No pooling is named {kind!r}; expected mean, cls, attention or interface.")
    return ClsPooling() if kind == "cls" else MeanPooling()


def build_layers(num_inputs: int, num_outputs: int, settings: HeadSettings) -> nn.Sequential:
    """Return dropout and one linear layer, or two with a GELU between where `hidden_size` > 0."""
    if not settings.hidden_size:
        return nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(num_inputs, num_outputs))
    first = nn.Linear(num_inputs, settings.hidden_size)
    return nn.Sequential(
        nn.Dropout(settings.dropout), first, nn.GELU(), nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden_size, num_outputs),
    )  # fmt: skip


class PooledHead(nn.Module):
    """One output a row: every chain is pooled by itself, the vectors are concatenated and normalised, then mapped.

    Args:
        hidden_size: Width D of the trunk.
        num_chains: Sequence columns.
        num_outputs: 1 for regression, C for classification.
        settings: Pooling, hidden layer, dropout.
        pair_size: Width P of the trunk's pair states, 0 where it has none.

    Raises:
        SettingError: Pooling over the interface is asked of one chain, or of a trunk without pair states.
    """

    def __init__(
        self, hidden_size: int, num_chains: int, num_outputs: int, settings: HeadSettings, pair_size: int = 0
    ) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.pooling = nn.ModuleList(build_pooling(settings.pooling, hidden_size) for _ in range(num_chains))
        num_inputs = hidden_size * num_chains
        self.interface: InterfacePooling | None = None
        if settings.pooling == "interface":
            _check_interface(num_chains, pair_size)
            self.interface = InterfacePooling(pair_size)
            num_inputs += pair_size
        self.norm = nn.LayerNorm(num_inputs)
        self.layers = build_layers(num_inputs, num_outputs, settings)

    @property
    def fixed_pooling(self) -> str:
        """The pooling of chains, "mean" or "cls", where the head needs nothing else of the trunk; "" where it does."""
        kinds = {MeanPooling: "mean", ClsPooling: "cls"}
        return "" if self.interface is not None else kinds.get(type(self.pooling[0]), "")

    @override
    def forward(self, trunk: Trunk) -> Tensor:
        """Return float32 [B] for one output, [B, C] for several."""
        pooled = [
            pool(hidden.float(), mask)
            for pool, hidden, mask in zip(self.pooling, trunk.hidden, trunk.residues, strict=True)
        ]
        if self.interface is not None:
            assert trunk.pair is not None
            assert trunk.chain_BR is not None
            pooled.append(self.interface(trunk.pair.float(), trunk.chain_BR))
        outputs: Tensor = self.layers(self.norm(torch.cat(pooled, dim=-1)))
        return outputs.squeeze(-1) if outputs.shape[-1] == 1 else outputs


def _check_interface(num_chains: int, pair_size: int) -> None:
    if num_chains < 2:
        raise SettingError("Pooling over the interface needs two sequence columns or more; choose another pooling.")
    if not pair_size:
        raise SettingError(
            "Pooling over the interface needs states of pairs of residues, which language models lack; choose a model "
            "that predicts structures, or another pooling."
        )


class PerResidueHead(nn.Module):
    """One class a residue of the first chain; the other chains take no part.

    Args:
        hidden_size: Width D of the trunk.
        num_outputs: Classes C.
        settings: Hidden layer and dropout; pooling has no effect.
    """

    def __init__(self, hidden_size: int, num_outputs: int, settings: HeadSettings) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.norm = nn.LayerNorm(hidden_size)
        self.layers = build_layers(hidden_size, num_outputs, settings)

    @override
    def forward(self, trunk: Trunk) -> Tensor:
        """Return float32 logits [B, L, C]."""
        logits: Tensor = self.layers(self.norm(trunk.hidden[0].float()))
        return logits

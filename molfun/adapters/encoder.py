"""Hugging Face encoders (AntiBERTy and ProtBert = Bert, ESM-2 = Esm, ESM-C = Esmc, ProtT5 = T5): one adapter class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import override

from molfun.adapters.base import BaseAdapter
from molfun.adapters.catalog import ModelCard, check_pretrained
from molfun.adapters.encoder_names import NAMES, Names
from molfun.adapters.weights import load_model, read_local_config, read_package_weights
from molfun.errors import ModelError
from molfun.types import Batch, Chain, Trunk


class EncoderAdapter(BaseAdapter):
    """A Hugging Face encoder; every chain of a batch is encoded by itself."""

    def __init__(self, card: ModelCard, backbone: nn.Module, names: Names) -> None:
        super().__init__(card, backbone)
        self.names = names
        # There is nothing to generate, and with gradient checkpointing transformers would warn of it.
        backbone.config.use_cache = False  # type: ignore[union-attr]

    @override
    def forward(self, batch: Batch) -> Trunk:
        hidden = tuple(self._encode(chain) for chain in batch.chains)
        return Trunk(hidden, tuple(chain.residues_BL for chain in batch.chains))

    def _encode(self, chain: Chain) -> torch.Tensor:
        output = self.backbone(input_ids=chain.tokens_BL, attention_mask=chain.mask_BL.long())
        hidden_BLD: torch.Tensor = output.last_hidden_state
        return hidden_BLD

    @override
    def can_begin_at(self, depth: int, *, is_whole: bool) -> bool:
        # T5's first block computes the position bias of all.
        return is_whole or self.card.family != "t5"

    @override
    def run_to(self, batch: Batch, depth: int, *, is_whole: bool) -> tuple[torch.Tensor, ...]:
        if is_whole:
            return self.forward(batch).hidden
        found: list[torch.Tensor] = []
        hook = self.get_trunk_blocks()[depth - 1].register_forward_hook(lambda *call: found.append(_states(call[-1])))
        try:
            with self._blocks(slice(depth)):
                for chain in batch.chains:
                    self._encode(chain)
        finally:
            hook.remove()
        return tuple(found)

    @override
    def run_from(self, states: tuple[torch.Tensor, ...], batch: Batch, depth: int) -> Trunk:
        embedder, hidden = self.get_input_embedder(), []
        with self._blocks(slice(depth, None)):
            for chain, own in zip(batch.chains, states, strict=True):
                hook = embedder.register_forward_hook(lambda *call, own=own: own)
                try:
                    hidden.append(self._encode(chain))
                finally:
                    hook.remove()
        return Trunk(tuple(hidden), tuple(chain.residues_BL for chain in batch.chains))

    @contextmanager
    def _blocks(self, kept: slice) -> Iterator[None]:
        """Let the trunk consist of some of its blocks within the block of code."""
        holder = self.backbone.get_submodule(self.names.blocks)
        whole = holder._modules
        holder._modules = {str(i): block for i, block in enumerate(list(whole.values())[kept])}
        try:
            yield
        finally:
            holder._modules = whole

    @override
    def get_trunk_blocks(self) -> list[nn.Module]:
        return list(self.backbone.get_submodule(self.names.blocks).children())

    @override
    def get_input_embedder(self) -> nn.Module:
        return self.backbone.get_submodule(self.names.embedder)

    @override
    def get_output_modules(self) -> list[nn.Module]:
        return [self.backbone.get_submodule(path) for path in self.names.output]

    @override
    def get_excluded_modules(self) -> list[nn.Module]:
        return [self.backbone.get_submodule(path) for path in self.names.excluded]

    @property
    @override
    def export_obstacle(self) -> str:
        return ""

    @override
    def set_gradient_checkpointing(self, *, enabled: bool) -> None:
        # transformers 5 renamed both; version 6 drops the older names, which version 5.22 and before have.
        prefix = "activation" if hasattr(self.backbone, "activation_checkpointing_enable") else "gradient"
        if not enabled:
            getattr(self.backbone, f"{prefix}_checkpointing_disable")()
            return
        options = {f"{prefix}_checkpointing_kwargs": {"use_reentrant": False}}
        getattr(self.backbone, f"{prefix}_checkpointing_enable")(**options)
        # Switched on along with it for the reentrant form, this would keep what lies between frozen blocks as well.
        self.backbone.disable_input_require_grads()  # type: ignore[operator]

    @property
    @override
    def hidden_size(self) -> int:
        return int(self.backbone.config.hidden_size)  # type: ignore[union-attr, arg-type]


def build_encoder(card: ModelCard, weights: str, *, load: bool = True) -> EncoderAdapter:
    """Build the adapter of a Hugging Face encoder.

    Args:
        card: Catalog entry.
        weights: "pretrained" (from the card's source), "random" (true architecture, untrained), or a local folder.
        load: False builds the architecture alone, untrained, for counting on the meta device.

    Raises:
        ModelError: Weights are absent, of another family, or do not fit the architecture.
    """
    names = NAMES[card.family]
    folder = None if weights in ("pretrained", "random") else Path(weights).expanduser()
    config = dict(card.config) if folder is None else _folder_config(card, names, folder)
    if weights == "random" or not load:
        return EncoderAdapter(card, names.build(config), names)
    check_pretrained(card, weights)
    if folder is not None:
        return EncoderAdapter(card, _load(names, str(folder), f"Cannot read the weights in {folder}"), names)
    kind, _, place = card.weights.partition(":")
    if kind == "package":
        return EncoderAdapter(card, _from_package(card, names, place), names)
    return EncoderAdapter(card, _load(names, place, f"Cannot fetch {place} from the Hugging Face hub"), names)


def _folder_config(card: ModelCard, names: Names, folder: Path) -> dict[str, Any]:
    """Return the configuration in a model folder, once it is known to be of the card's architecture.

    Raises:
        ModelError: It is of another family or size.
    """
    config = read_local_config(folder)
    if config.get("model_type") != card.family:
        raise ModelError(
            f"{folder} holds a model of type {config.get('model_type')!r}, but {card.title} is of type "
            f"{card.family!r}; choose the model that belongs to the folder, or another folder."
        )
    odd = [name for name in names.shape if config.get(name) != card.config[name]]
    if odd:
        came = ", ".join(f"{name} {config.get(name)} instead of {card.config[name]}" for name in odd)
        raise ModelError(f"{folder} holds another model than {card.title}: {came}. Choose the model of that size.")
    return config


def _from_package(card: ModelCard, names: Names, place: str) -> nn.Module:
    state = read_package_weights(*place.split(":"))
    state = {k.removeprefix(f"{card.family}."): v for k, v in state.items() if not k.startswith(names.ignored)}
    backbone = names.build(card.config)
    missing, unexpected = backbone.load_state_dict(state, strict=False)
    wanted = {name for name, _ in backbone.named_parameters()}
    # Position buffers appear in old files and not in new models; only parameters matter.
    lost = sorted(wanted.intersection(missing))
    foreign = [name for name in unexpected if not name.endswith(("position_ids", "token_type_ids"))]
    if lost or foreign:
        raise ModelError(
            f"The weights of {card.title} do not fit its architecture: {len(lost)} tensors are missing and "
            f"{len(foreign)} are unknown ({', '.join([*lost, *foreign][:3])}); reinstall the package."
        )
    return backbone


def _load(names: Names, place: str, problem: str) -> nn.Module:
    return load_model(names.model_class, place, problem, unused=names.excluded, **names.options)


def _states(output: Any) -> torch.Tensor:
    """Return the hidden states of what a block returned: these alone, or first of several."""
    states: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return states

"""ESMFold (transformers' EsmForProteinFolding): ESM-2 as a frozen stem, folding trunk, structure module.

The published model detaches its stem, so that the stem is never trained, here neither. Its own heads (distogram, lDDT,
pTM, language model) are not run: a head of `molfun.models` takes their place, and their weights where it can.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import EsmConfig
from transformers.models.esm.configuration_esm import get_default_vocab_list
from transformers.models.esm.modeling_esmfold import EsmFoldingTrunk, EsmForProteinFolding
from typing_extensions import override

from molfun.adapters.base import BaseAdapter
from molfun.adapters.catalog import ModelCard, check_pretrained
from molfun.adapters.chains import JoinedChains, join_chains, mean_pair
from molfun.adapters.checkpointing import set_checkpointing
from molfun.adapters.weights import load_model, read_local_config
from molfun.errors import ModelError
from molfun.types import Batch, FoldStates, Trunk

# What must agree between a model folder and the card that it is used for.
SHAPE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
# Distances of C-beta atoms that a pass hands to the next one, in angstrom, as the model was trained.
RECYCLE_FROM, RECYCLE_TO = 3.375, 21.375


class ESMFoldAdapter(BaseAdapter):
    """The folding trunk as blocks; a row's chains are joined by linkers, as the public model reads complexes.

    `hidden` of its trunk holds for every residue its state and the mean of its pair states, so that every block is seen
    by heads that pool residues.
    """

    backbone: EsmForProteinFolding

    def __init__(self, card: ModelCard, backbone: EsmForProteinFolding) -> None:
        super().__init__(card, backbone)
        # Tables of the structure module come at the first pass otherwise, on whatever device that is.
        self._trunk.structure_module._init_residue_constants(torch.float32, torch.device("cpu"))

    @property
    def _trunk(self) -> EsmFoldingTrunk:
        trunk: EsmFoldingTrunk = self.backbone.trunk
        return trunk

    @override
    def forward(self, batch: Batch) -> Trunk:
        joined = join_chains(batch.chains, linker_id=self.alphabet.ids["G"], pad_id=self.alphabet.pad_id)
        single, pair, found = self._fold(joined)
        pair_BRRP = joined.pick(joined.pick(pair, 1), 2)
        hidden_BRD = torch.cat([joined.pick(single), mean_pair(pair_BRRP, joined.residues_BR)], dim=-1)
        folds = None if found is None else FoldStates(
            joined.pick(joined.tokens_BJ), joined.pick(found["frames"].transpose(0, 1), 2),
            joined.pick(found["unnormalized_angles"].transpose(0, 1), 2), joined.pick(found["single"]),
        )  # fmt: skip
        residues = tuple(chain.residues_BL for chain in batch.chains)
        return Trunk(joined.split(hidden_BRD, batch.chains), residues, pair_BRRP, folds, joined.chain_BR)

    def _fold(self, joined: JoinedChains) -> tuple[Tensor, Tensor, dict[str, Tensor] | None]:
        """Return states [B, J, D] and [B, J, J, P] after the last pass, and what the structure module found then."""
        trunk, mask = self._trunk, joined.mask_BJ
        first_s = self._embed(joined)
        first_z = first_s.new_zeros(*mask.shape, mask.shape[1], trunk.config.pairwise_state_dim)
        single, pair = torch.zeros_like(first_s), torch.zeros_like(first_z)
        bins = torch.zeros(first_z.shape[:-1], dtype=torch.int64, device=mask.device)
        num_passes, found = 1 + self._num_recycles(), None
        for number in range(1, num_passes + 1):
            is_last = number == num_passes
            with nullcontext() if is_last else torch.no_grad():
                recycled = trunk.recycle_z_norm(pair.detach()) + trunk.recycle_disto(bins)
                single, pair = self._run_blocks(
                    first_s + trunk.recycle_s_norm(single.detach()), first_z + recycled, joined
                )
                if self.wants_structure or not is_last:
                    found = self._find_structure(single, pair, joined)
                    bins = trunk.distogram(
                        found["positions"][-1][:, :, :3].detach(), RECYCLE_FROM, RECYCLE_TO, trunk.recycle_bins
                    )
        return single, pair, found if self.wants_structure else None

    def _embed(self, joined: JoinedChains) -> Tensor:
        model, mask = self.backbone, joined.mask_BJ
        with torch.no_grad():
            stem = model.compute_language_model_representations(model.af2_idx_to_esm_idx(joined.tokens_BJ, mask.long()))
        weights = model.esm_s_combine.softmax(0).unsqueeze(0)
        states: Tensor = model.esm_s_mlp((weights @ stem.to(weights.dtype)).squeeze(2))
        return states + model.embedding(joined.tokens_BJ) if hasattr(model, "embedding") else states

    def _run_blocks(self, single: Tensor, pair: Tensor, joined: JoinedChains) -> tuple[Tensor, Tensor]:
        mask = joined.mask_BJ.long()
        pair = pair + self._trunk.pairwise_positional_embedding(joined.number_BJ, mask=mask)
        for block in self.get_trunk_blocks():
            single, pair = block(single, pair, mask=mask, chunk_size=self.chunk_size or None)
        return single, pair

    def _find_structure(self, single: Tensor, pair: Tensor, joined: JoinedChains) -> dict[str, Tensor]:
        """Run the structure module in float32: rotations lose too much in 16 bits."""
        trunk = self._trunk
        with torch.autocast(single.device.type, enabled=False):
            states = {"single": trunk.trunk2sm_s(single.float()), "pair": trunk.trunk2sm_z(pair.float())}
            found: dict[str, Tensor] = trunk.structure_module(states, joined.tokens_BJ, joined.mask_BJ.float())
        return found

    @property
    @override
    def export_obstacle(self) -> str:
        return ""

    @override
    def get_trunk_blocks(self) -> list[nn.Module]:
        return list(self._trunk.blocks)

    @override
    def get_input_embedder(self) -> nn.Module:
        return self.backbone.esm_s_mlp

    @override
    def get_structure_module(self) -> nn.Module | None:
        return self._trunk.structure_module if self.wants_structure else None

    @override
    def get_output_modules(self) -> list[nn.Module]:
        return [self._trunk.trunk2sm_s, self._trunk.trunk2sm_z] if self.wants_structure else []

    @override
    def get_excluded_modules(self) -> list[nn.Module]:
        model, trunk = self.backbone, self._trunk
        never = [model.esm, model.distogram_head, model.ptm_head, model.lm_head, model.lddt_head]
        return never if self.wants_structure else [*never, trunk.structure_module, trunk.trunk2sm_s, trunk.trunk2sm_z]

    @override
    def set_gradient_checkpointing(self, *, enabled: bool) -> None:
        set_checkpointing(self.get_trunk_blocks(), enabled=enabled)

    @property
    @override
    def hidden_size(self) -> int:
        return int(self._trunk.config.sequence_state_dim + self._trunk.config.pairwise_state_dim)

    @property
    @override
    def pair_size(self) -> int:
        return int(self._trunk.config.pairwise_state_dim)

    @property
    @override
    def fold_size(self) -> int:
        return int(self._trunk.structure_module.config.sequence_dim)

    @override
    def confidence_layers(self) -> tuple[nn.Linear, nn.Sequential]:
        return self.backbone.distogram_head, self.backbone.lddt_head


def build_esmfold(card: ModelCard, weights: str, *, load: bool = True) -> ESMFoldAdapter:
    """Build the adapter of ESMFold.

    Args:
        card: Catalog entry.
        weights: "pretrained" (from the hub), "random" (true architecture, untrained), or a local folder.
        load: False builds the architecture alone, untrained, for counting on the meta device.

    Raises:
        ModelError: Weights are absent, of another family, or do not fit the architecture.
    """
    folder = None if weights in ("pretrained", "random") else Path(weights).expanduser()
    config = dict(card.config) if folder is None else _folder_config(card, folder)
    if weights == "random" or not load:
        return ESMFoldAdapter(card, EsmForProteinFolding(EsmConfig(**config, vocab_list=get_default_vocab_list())))
    check_pretrained(card, weights)
    place = str(folder) if folder else card.weights.partition(":")[2]
    problem = f"Cannot read the weights in {folder}" if folder else f"Cannot fetch {place} from the Hugging Face hub"
    model = load_model(EsmForProteinFolding, place, problem)
    assert isinstance(model, EsmForProteinFolding)
    return ESMFoldAdapter(card, model)


def _folder_config(card: ModelCard, folder: Path) -> dict[str, Any]:
    config = read_local_config(folder)
    if not config.get("is_folding_model"):
        raise ModelError(f"{folder} holds no folding model (its config.json lacks is_folding_model); choose ESMFold's.")
    odd = [name for name in SHAPE if config.get(name, card.config[name]) != card.config[name]]
    if odd:
        raise ModelError(
            f"{folder} is another model than {card.title}: its {odd[0]} is {config[odd[0]]}, expected "
            f"{card.config[odd[0]]}; choose the model that belongs to these weights."
        )
    return config

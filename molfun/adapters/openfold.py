"""OpenFold (AlphaFold 2 in PyTorch) with the sequence alone: no alignment, no templates.

The features are those that OpenFold's own pipeline gives for an alignment of one row, without masked residues. Its own
heads are not run: a head of `molfun.models` takes their place.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor, nn
from torch.nn.functional import one_hot
from typing_extensions import override

from molfun.adapters.base import BaseAdapter
from molfun.adapters.catalog import ModelCard
from molfun.adapters.chains import JoinedChains, join_chains, mean_pair
from molfun.adapters.checkpointing import set_checkpointing
from molfun.adapters.openfold_package import OpenFold, import_openfold, numpy_follows_torch
from molfun.adapters.weights import read_local_config
from molfun.errors import ModelError, first_line
from molfun.types import Batch, FoldStates, Trunk

NUM_TYPES, NUM_MSA_TYPES = 21, 23  # residues and X; in alignments also gap and mask
GLYCINE, UNKNOWN = 7, 20
C_ALPHA, C_BETA = 1, 4  # among the 14 atoms of a residue


class OpenFoldAdapter(BaseAdapter):
    """The Evoformer as blocks; the chains of a row stand one behind the other, 512 residue numbers apart.

    `hidden` of its trunk holds for every residue its state and the mean of its pair states, as ESMFold's does.
    """

    @property
    def _sizes(self) -> Any:
        return self.backbone.config.structure_module  # type: ignore[union-attr]

    @override
    def forward(self, batch: Batch) -> Trunk:
        joined = join_chains(
            batch.chains, linker_id=self.alphabet.ids["G"], pad_id=self.alphabet.pad_id, num_linkers=0
        )  # fmt: skip
        single, pair, found = self._fold(joined)
        hidden_BRD = torch.cat([single, mean_pair(pair, joined.residues_BR)], dim=-1)
        folds = None if found is None else FoldStates(
            joined.tokens_BJ, found["frames"].transpose(0, 1), found["unnormalized_angles"].transpose(0, 1),
            found["single"],
        )  # fmt: skip
        residues = tuple(chain.residues_BL for chain in batch.chains)
        return Trunk(joined.split(hidden_BRD, batch.chains), residues, pair, folds, joined.chain_BR)

    def _fold(self, joined: JoinedChains) -> tuple[Tensor, Tensor, dict[str, Tensor] | None]:
        """Return states [B, R, D] and [B, R, R, P] after the last pass, and what the structure module found then."""
        model: Any = self.backbone
        first_m, first_z = self._embed(joined)
        row, pair = torch.zeros_like(first_m), torch.zeros_like(first_z)
        beta = first_z.new_zeros(*joined.tokens_BJ.shape, 3)
        num_passes, found = 1 + self._num_recycles(), None
        for number in range(1, num_passes + 1):
            is_last = number == num_passes
            with nullcontext() if is_last else torch.no_grad():
                recycled_m, recycled_z = model.recycling_embedder(row.detach(), pair.detach(), beta)
                row, pair, single = self._run_blocks(first_m + recycled_m, first_z + recycled_z, joined)
                if self.wants_structure or not is_last:
                    found = self._find_structure(single, pair, joined)
                    beta = _find_beta(found["positions"][-1].detach(), joined.tokens_BJ)
        return single, pair, found if self.wants_structure else None

    def _embed(self, joined: JoinedChains) -> tuple[Tensor, Tensor]:
        """Return the first states of residues [B, R, M] and of pairs [B, R, R, P]."""
        rows, types = one_hot(joined.tokens_BJ, NUM_MSA_TYPES).float(), one_hot(joined.tokens_BJ, NUM_TYPES).float()
        nothing = torch.zeros_like(types[..., :1])
        # A row of an alignment, whether and how much was deleted before it, the profile of its cluster (itself), and
        # the mean of what was deleted.
        msa = torch.cat([rows, nothing, nothing, rows, nothing], dim=-1)
        model: Any = self.backbone
        m, z = model.input_embedder(torch.cat([nothing, types], dim=-1), joined.number_BJ, msa[:, None])
        return m[:, 0], z

    def _run_blocks(self, row: Tensor, pair: Tensor, joined: JoinedChains) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states of the alignment's row [B, R, M], of pairs, and of residues [B, R, S]."""
        model: Any = self.backbone
        mask = joined.mask_BJ.to(row.dtype)
        pair_mask = mask[:, :, None] * mask[:, None, :]
        options = {"chunk_size": self.chunk_size or None, "_mask_trans": model.config._mask_trans}
        for block in model.extra_msa_stack.blocks:
            # What no further sequence leaves of the mean over sequences: a bias, divided by what keeps it from 0 / 0.
            mean = block.outer_product_mean
            pair = block.pair_stack(pair + mean.linear_out.bias / mean.eps, pair_mask=pair_mask, **options)
        rows, pair, single = model.evoformer(row[:, None], pair, msa_mask=mask[:, None], pair_mask=pair_mask, **options)
        return rows[:, 0], pair, single

    def _find_structure(self, single: Tensor, pair: Tensor, joined: JoinedChains) -> dict[str, Tensor]:
        """Run the structure module in float32: rotations lose too much in 16 bits."""
        model: Any = self.backbone
        with torch.autocast(single.device.type, enabled=False):
            states = {"single": single.float(), "pair": pair.float()}
            found: dict[str, Tensor] = model.structure_module(states, joined.tokens_BJ, mask=joined.mask_BJ.float())
        return found

    @override
    def get_trunk_blocks(self) -> list[nn.Module]:
        return list(self.backbone.get_submodule("evoformer.blocks").children())

    @override
    def get_input_embedder(self) -> nn.Module:
        return self.backbone.get_submodule("input_embedder")

    @override
    def get_structure_module(self) -> nn.Module | None:
        return self.backbone.get_submodule("structure_module") if self.wants_structure else None

    @override
    def get_output_modules(self) -> list[nn.Module]:
        return [self.backbone.get_submodule("evoformer.linear")]

    @override
    def get_excluded_modules(self) -> list[nn.Module]:
        """Return its heads, and what only reads further sequences of an alignment: there are none."""
        names = ("msa_att_row", "msa_att_col", "msa_transition", "outer_product_mean")
        never = [block.get_submodule(name) for block in self._extra_blocks() for name in names]
        never += [self.backbone.get_submodule(name) for name in ("aux_heads", "extra_msa_embedder")]
        return never if self.wants_structure else [*never, self.backbone.get_submodule("structure_module")]

    @override
    def set_gradient_checkpointing(self, *, enabled: bool) -> None:
        # OpenFold's own is the reentrant form.
        extra = [block.get_submodule("pair_stack") for block in self._extra_blocks()]
        set_checkpointing([*extra, *self.get_trunk_blocks()], enabled=enabled)

    def _extra_blocks(self) -> list[nn.Module]:
        return list(self.backbone.get_submodule("extra_msa_stack.blocks").children())

    @property
    @override
    def hidden_size(self) -> int:
        return int(self._sizes.c_s + self._sizes.c_z)

    @property
    @override
    def pair_size(self) -> int:
        return int(self._sizes.c_z)

    @property
    @override
    def fold_size(self) -> int:
        return int(self._sizes.c_s)


def _find_beta(positions_BRA3: Tensor, types_BR: Tensor) -> Tensor:
    """Return the C-beta of each residue [B, R, 3], C-alpha of glycine, 0 of X."""
    is_glycine, is_known = (types_BR == GLYCINE)[..., None], (types_BR != UNKNOWN)[..., None]
    return torch.where(is_glycine, positions_BRA3[:, :, C_ALPHA], positions_BRA3[:, :, C_BETA]) * is_known


def build_openfold(card: ModelCard, weights: str, *, load: bool = True) -> OpenFoldAdapter:
    """Build the adapter of OpenFold.

    Args:
        card: Catalog entry; `config` holds the name of the preset, and dotted settings that differ from it.
        weights: "pretrained" (from the hub), "random" (true architecture, untrained), or a folder with a file of
            OpenFold's (`*.pt`) and a config.json that says `{"model_type": "openfold"}`.
        load: False builds the architecture alone, untrained, for counting on the meta device.

    Raises:
        ModelError: The package is absent, or weights are absent or do not fit the architecture.
    """
    package = import_openfold()
    with numpy_follows_torch():
        adapter = OpenFoldAdapter(card, package.model(_settings(card, package)))
    if load and weights != "random":
        _load(adapter.backbone, _file_of(card, weights), package)
    return adapter


def _settings(card: ModelCard, package: OpenFold) -> Any:
    config = package.model_config(card.config["preset"])
    config.globals.chunk_size = config.globals.blocks_per_ckpt = None
    changes = {name: value for name, value in card.config.items() if name != "preset"}
    # Chunks would be tuned by trial, which is not for training.
    changes["model.evoformer_stack.tune_chunk_size"] = False
    config.update_from_flattened_dict(changes)
    return config


def _file_of(card: ModelCard, weights: str) -> Path:
    if weights == "pretrained":
        repository, _, name = card.weights.partition(":")[2].partition(":")
        try:
            return Path(hf_hub_download(repository, name))
        except (OSError, HfHubHTTPError, ValueError) as error:
            raise ModelError(
                f"Cannot fetch {name} of {repository} from the Hugging Face hub: {first_line(error)}. Give a local "
                "folder that holds it as `model.weights`, or 'random' for the untrained architecture."
            ) from error
    folder = Path(weights).expanduser()
    found = sorted(folder.glob("*.pt"))
    if read_local_config(folder).get("model_type") != "openfold" or len(found) != 1:
        raise ModelError(
            f'{folder} should hold one file of weights (*.pt) and a config.json with {{"model_type": "openfold"}}, but '
            f"it holds {len(found)} such file(s), or its config.json says otherwise; put both there."
        )
    return found[0]


def _load(model: nn.Module, path: Path, package: OpenFold) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        package.import_weights(model, state)
    except Exception as error:
        raise ModelError(
            f"The weights in {path} do not fit: {first_line(error)}. Expected a file of OpenFold's without templates "
            "(finetuning_no_templ_1.pt or finetuning_no_templ_2.pt)."
        ) from error

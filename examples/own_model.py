"""A model of your own: name its parts, and every strategy trains it.

python examples/own_model.py
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from molfun.adapters.alphabet import STANDARD_RESIDUES, Alphabet
from molfun.adapters.card import custom_card
from molfun.adapters.custom import CustomAdapter
from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_head
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune

NUM_HEADS = 4
# Which token each letter is: here 0 is padding, and nothing stands before or behind a sequence.
LETTERS = Alphabet(
    ids={letter: 1 + i for i, letter in enumerate(STANDARD_RESIDUES)},
    pad_id=0, start_id=None, end_id=None, mask_id=21,
)  # fmt: skip


class Block(nn.Module):
    """Attention between the residues, and a layer for each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(size, size) for _ in range(3))
        self.update = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the next states."""
        normed = self.norm(hidden)
        q, k, v = (
            layer(normed).unflatten(-1, (NUM_HEADS, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        found = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None]).transpose(1, 2).flatten(2)
        return hidden + found + self.update(hidden + found)


class Transformer(nn.Module):
    """Tokens [B, L] and a mask [B, L] (False in padding) in, states [B, L, D] out."""

    def __init__(self, size: int = 32, num_layers: int = 3) -> None:
        super().__init__()
        self.embed = nn.Embedding(22, size)
        self.layers = nn.ModuleList(Block(size) for _ in range(num_layers))
        self.norm = nn.LayerNorm(size)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the states of the tokens."""
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return self.norm(hidden)


def build() -> MolfunStructureModel:
    """Put the transformer behind the contract, and a regression head on it."""
    torch.manual_seed(0)
    card = custom_card("mine", alphabet=LETTERS, max_residues=200, lora_targets=("q_proj", "v_proj"))
    adapter = CustomAdapter(card, Transformer(), embedder="embed", blocks="layers", output=["norm"])
    head = build_head(HeadSettings(), task="regression", hidden_size=adapter.hidden_size, num_chains=1, num_outputs=1)
    return MolfunStructureModel(adapter, head, task="regression", target_mean=14.5, target_std=2.3)


def main() -> None:
    """Fit eight made-up sequences with each strategy."""
    sequences = ["EVQLVESGGG" + "ACDEFGHI"[i] * (i + 1) for i in range(8)]
    rows = SequenceRows([sequences], encoder=LETTERS, max_residues=200, targets=[float(len(s)) for s in sequences])
    batch = Collate(LETTERS, "regression")([rows[i] for i in range(8)])
    for strategy in (
        HeadOnlyFinetune(lr=3e-3), LoRAFinetune(lr=3e-3), PartialFinetune(lr=3e-3, unfreeze_last_n=1),
        FullFinetune(lr=3e-3),
    ):  # fmt: skip
        history = strategy.fit(build(), [batch], [batch], epochs=12, seed=0)
        print(
            f"{strategy.describe()['strategy']}: {strategy.describe()['num_trainable']:,} parameters train, "
            f"loss {history[0]['val_loss']:.3f} -> {history[-1]['val_loss']:.3f}"
        )
        assert history[-1]["val_loss"] < history[0]["val_loss"]


if __name__ == "__main__":
    main()

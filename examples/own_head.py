"""A head of your own: any module that maps a trunk's states to outputs. This one looks for motifs along the sequence.

python examples/own_head.py
"""

import torch
from torch import Tensor, nn

from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_adapter
from molfun.models.structure import MolfunStructureModel
from molfun.training import HeadOnlyFinetune
from molfun.types import Trunk


class MotifHead(nn.Module):
    """Detectors that slide along the residues; each counts where it fires most.

    Args:
        hidden_size: Width D of the trunk.
        num_outputs: 1 for regression, number of classes otherwise.
        num_motifs: Detectors.
        width: Residues that a detector sees at once.
    """

    def __init__(self, hidden_size: int, num_outputs: int, num_motifs: int = 16, width: int = 5) -> None:
        super().__init__()
        self.num_outputs = num_outputs  # class weights and checkpoints ask for it
        self.norm = nn.LayerNorm(hidden_size)
        self.motifs = nn.Conv1d(hidden_size, num_motifs, width, padding=width // 2)
        self.layers = nn.Linear(num_motifs, num_outputs)

    def forward(self, trunk: Trunk) -> Tensor:
        """Return float32 [B] for one output, [B, C] for several."""
        hidden, residues = trunk.hidden[0].float(), trunk.residues[0]  # of the first chain: [B, L, D] and [B, L]
        states = self.norm(hidden) * residues.unsqueeze(-1)  # special tokens and padding say nothing
        found = self.motifs(states.transpose(1, 2)).masked_fill(~residues[:, None], -torch.inf)
        outputs = self.layers(found.amax(dim=-1))
        return outputs.squeeze(-1) if self.num_outputs == 1 else outputs


def main() -> None:
    """Tell sequences with a site of N-glycosylation (N, any residue, S or T) from those without."""
    torch.manual_seed(0)
    adapter = build_adapter("esm2_8m", "random")
    model = MolfunStructureModel(adapter, MotifHead(adapter.hidden_size, 2), task="classification")
    begins = ["MKTAYIAKQR", "GSHMLEDPVDAA", "EVQLVEGGG", "AAAAGAA", "QVQLKEGPGLV", "MAAAKQRQI"]
    sequences = [begin + site for begin in begins for site in ("NGTA", "DGAA")]
    rows = SequenceRows([sequences], encoder=adapter.alphabet, max_residues=100, targets=[0, 1] * len(begins))
    batch = Collate(adapter.alphabet, "classification")([rows[i] for i in range(len(rows))])
    strategy = HeadOnlyFinetune(lr=1e-2, loss_fn="cross_entropy")
    history = strategy.fit(model, [batch], [batch], epochs=20, seed=0)
    print(f"{strategy.describe()['num_trainable']:,} parameters train, all of them in the head")
    print(f"loss {history[0]['val_loss']:.3f} -> {history[-1]['val_loss']:.3f}")
    assert history[-1]["val_loss"] < history[0]["val_loss"]


if __name__ == "__main__":
    main()

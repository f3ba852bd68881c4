"""A strategy of your own: one class, two methods. BitFit trains the biases of the trunk, and the head.

python examples/own_strategy.py
"""

import torch

from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import FinetuneStrategy


class BitFit(FinetuneStrategy):
    """Train bias terms only (Ben Zaken et al. 2022, arXiv:2106.10199), and the head."""

    def _setup_impl(self, model: MolfunStructureModel) -> None:
        # Everything that the loss sees trains when this is called; say what does not.
        for name, parameter in model.adapter.named_parameters():
            parameter.requires_grad = parameter.requires_grad and name.endswith(".bias")

    def param_groups(self, model: MolfunStructureModel) -> list[dict]:
        biases = [p for p in model.adapter.parameters() if p.requires_grad]
        return [
            {"name": "biases", "lr": self.settings.lr, "params": biases},
            {"name": "head", "lr": 10 * self.settings.lr, "params": list(model.head.parameters())},
        ]


def main() -> None:
    """Fit eight made-up sequences; every setting of the loop is there without a line for it."""
    torch.manual_seed(1)  # the head starts at random, and here the trunk does too
    model = build_model(
        ModelSettings(name="antiberty", weights="random"), task="regression", target_mean=14.5, target_std=2.3
    )
    sequences = ["EVQLVESGGG" + "ACDEFGHI"[i] * (i + 1) for i in range(8)]
    rows = SequenceRows(
        [sequences], encoder=model.adapter.alphabet, max_residues=510, targets=[float(len(s)) for s in sequences]
    )
    batch = Collate(model.adapter.alphabet, "regression")([rows[i] for i in range(8)])
    strategy = BitFit(lr=1e-3, warmup_steps=2, ema_decay=0.9, validate_raw=True)
    history = strategy.fit(model, [batch], [batch], epochs=12, seed=0)
    print(f"{strategy.describe()['num_trainable']:,} parameters train")
    print(f"loss {history[0]['train_loss']:.3f} -> {history[-1]['train_loss']:.3f}")
    assert history[-1]["val_loss"] < history[0]["val_loss"]


if __name__ == "__main__":
    main()

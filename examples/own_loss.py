"""A loss of your own: a function with one value an item, and a card. This one learns a quantile instead of the mean.

python examples/own_loss.py
"""

import torch
from torch import Tensor

from molfun.data.batches import Collate, SequenceRows
from molfun.losses.catalog import LOSSES, LossCard
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.training import HeadOnlyFinetune

SHARE = 0.9


def quantile(preds: Tensor, targets: Tensor) -> Tensor:
    """Return the quantile loss [N] (Koenker and Bassett 1978, Econometrica 46:33): too low costs nine times too high.

    Args:
        preds: float32 [N], in units of the training targets' standard deviation, as for every loss of numbers.
        targets: float32 [N], in the same units.
    """
    above = targets - preds
    return torch.maximum(SHARE * above, (SHARE - 1) * above)


CARD = LossCard(quantile, tasks=("regression",))


def main() -> None:
    """Fit made-up sequences whose length is to be told, so that nine in ten are predicted too long."""
    torch.manual_seed(0)
    LOSSES["quantile_90"] = CARD
    assert quantile(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0])).tolist() == torch.tensor([0.9, 0.1]).tolist()
    sequences = ["EVQLVESGGG" + "ACDEFGHI"[i % 8] * (i % 11) for i in range(40)]
    model = build_model(
        ModelSettings(name="esm2_8m", weights="random"), task="regression", target_mean=15.0, target_std=3.2
    )
    targets = [float(len(s)) for s in sequences]
    rows = SequenceRows([sequences], encoder=model.adapter.alphabet, max_residues=100, targets=targets)
    batch = Collate(model.adapter.alphabet, "regression")([rows[i] for i in range(len(rows))])
    strategy = HeadOnlyFinetune(lr=1e-2, loss_fn="quantile_90")
    history = strategy.fit(model, [batch], [batch], epochs=20, seed=0)
    print(f"loss {history[0]['val_loss']:.3f} -> {history[-1]['val_loss']:.3f}")
    assert history[-1]["val_loss"] < history[0]["val_loss"]


if __name__ == "__main__":
    main()

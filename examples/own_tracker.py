"""A tracker of your own: one class, one method. It prints epochs; a slow one is wrapped, so that training never waits.

python examples/own_tracker.py
"""

from collections.abc import Mapping

from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.tracking.background import BackgroundTracker
from molfun.tracking.base import BaseTracker
from molfun.training import HeadOnlyFinetune


class Printed(BaseTracker):
    """Print the losses of every epoch."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        print(f"epoch {step}: training loss {metrics['train_loss']:.3f}")


def main() -> None:
    """Train the head of a small untrained model, on sequences in which the share of alanine is to be told."""
    sequences = ["MKTAYIAKQR", "GSHMLEDPVDAA", "EVQLVESGGG", "AAAAGSAA", "QVQLKESGPGLV", "MAAAKQRQIS"]
    model = build_model(ModelSettings(name="esm2_8m", weights="random"), task="regression")
    shares = [sequence.count("A") / len(sequence) for sequence in sequences]
    alphabet = model.adapter.alphabet
    rows = SequenceRows([sequences], encoder=alphabet, max_residues=100, targets=shares)
    loader = [Collate(alphabet, "regression")([rows[i] for i in range(len(rows))])]
    with BackgroundTracker(Printed()) as tracker:
        HeadOnlyFinetune(lr=1e-2, amp=False).fit(model, loader, epochs=3, tracker=tracker)


if __name__ == "__main__":
    main()

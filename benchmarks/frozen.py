"""Epochs with and without kept states of the frozen beginning of the trunk: the same fit, in turns, in this process.

    python -m benchmarks.frozen [EPOCHS]

AntiBERTy with its pretrained weights on the antibody V genes, float32, batches of 16, validation included; a fresh
store, then the same run again on the store that the first one left. An uncached epoch is the median of its epochs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from molfun.data.batches import make_loader
from molfun.data.examples import save_example
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.training import HeadOnlyFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.training.callbacks import Callback
from molfun.training.loop import Loop

SEED = 0


class Clock(Callback):
    """Notes when each epoch ended, validation included."""

    def __init__(self) -> None:
        self.ends = [time.perf_counter()]

    def on_epoch_end(self, loop: Loop, metrics: dict[str, float]) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Seconds of each epoch."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


def fit(home: Path, strategy: FinetuneStrategy, epochs: int, folder: Path | None) -> tuple[list[float], list[float]]:
    """Return the losses and the seconds of each epoch."""
    dataset = save_example(home, "v_genes")
    torch.manual_seed(SEED)
    model = build_model(ModelSettings(name="antiberty"), task=dataset.task, num_outputs=len(dataset.classes))
    train, val = (
        make_loader(dataset, part, encoder=model.adapter.alphabet, max_residues=510, batch_size=16,
                    shuffle=part == "train", seed=SEED)
        for part in ("train", "val")
    )  # fmt: skip
    clock = Clock()
    history = strategy.fit(model, train, val, epochs, callbacks=[clock], seed=SEED, prefix_cache=folder)
    return [row[name] for row in history for name in ("train_loss", "val_loss")], clock.seconds


def main() -> None:
    """Print one row a strategy."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("| strategy | epoch without | first epoch | later epochs | a second run's first epoch | largest difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as room:
        for name, make in (
            ("HeadOnly", lambda: HeadOnlyFinetune(amp=False, loss_fn="cross_entropy")),
            (
                "Partial, last 2 of 8 blocks",
                lambda: PartialFinetune(amp=False, unfreeze_last_n=2, loss_fn="cross_entropy"),
            ),
        ):
            home, store = Path(room) / "data", Path(room) / f"store-{name[:4]}"
            plain, without = fit(home, make(), epochs, None)
            first, fresh = fit(home, make(), epochs, store)
            second, again = fit(home, make(), epochs, store)
            off = max(abs(a - b) / abs(a) for own in (first, second) for a, b in zip(plain, own, strict=True))
            usual, later = statistics.median(without), statistics.median([*fresh[1:], *again[1:]])
            print(
                f"| {name} | {usual:.2f} s | {fresh[0]:.2f} s | {later:.3f} s ({usual / later:.1f} times as fast) | "
                f"{again[0]:.3f} s | {off:.1e} of the loss |"
            )


if __name__ == "__main__":
    main()

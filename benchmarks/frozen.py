"""Kept states of the frozen beginning of the trunk: beside the same fit without them, and beside the peers.

    python -m benchmarks.frozen [--epochs 20] [--peer-epochs 20] [--part head | partial | deep]

`head`: HeadOnly on AntiBERTy's pretrained weights and the antibody V genes, validation included, end to end, beside
Trainer and Lightning. `partial`: the last 2 of AntiBERTy's 8 blocks. `deep`: the last 2 of the 33 of ESM-2 650M's shape
(random weights, short sequences). All in float32, batches of 16 (deep: 8), in turns in this process. Of
epochs the quickest is told, with kept states that after the first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import PEERS, Work, versions
from molfun.data.batches import Collate, SequenceRows, make_loader
from molfun.data.dataset import Dataset
from molfun.data.examples import save_example
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import HeadOnlyFinetune, PartialFinetune
from molfun.training.callbacks import Callback
from molfun.training.distributed import SingleDevice
from molfun.training.loop import Loop
from molfun.types import Batch

SEED = 0


class Clock(Callback):
    """Notes when each epoch ended, validation included."""

    def __init__(self) -> None:
        self.ends = [time.perf_counter()]

    def on_fit_begin(self, loop: Loop) -> None:
        """Begin to count."""
        self.ends = [time.perf_counter()]

    def on_epoch_end(self, loop: Loop, metrics: dict[str, float]) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Seconds of each epoch."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


def fit(work: Work, store: Path | None) -> tuple[list[float], list[float], float]:
    """Fit with Molfun; return its losses, the seconds of each epoch, and of the whole."""
    model, clock, began = work.make_model(), Clock(), time.perf_counter()
    history = work.strategy().fit(
        model,
        work.train,
        work.val,
        work.epochs,
        callbacks=[clock],
        seed=SEED,
        prefix_cache=store,
        distributed=SingleDevice(work.device),
    )
    losses = [row[name] for row in history for name in ("train_loss", "val_loss") if name in row]
    return losses, clock.seconds, time.perf_counter() - began


def compare(title: str, work: Work, peers: dict[str, int]) -> None:
    """Print what kept states change.

    Args:
        title: Of the row.
        work: The fit.
        peers: By name, how many epochs are measured of each; the rest is multiplied.
    """
    # A constant learning rate, so that the first epochs of a long and a short fit are the same.
    plain, usual, _ = fit(replace(work, epochs=min(3, work.epochs)), None)
    with tempfile.TemporaryDirectory() as room:
        first, fresh, whole = fit(work, Path(room))
        second, again, repeated = fit(work, Path(room))
    off = max(abs(a - b) / abs(a) for own in (first, second) for a, b in zip(plain, own[: len(plain)], strict=True))
    # The quickest epochs: other work on the machine can only lengthen one.
    uncached, later = min(usual), min([*fresh[1:], *again[1:]])
    print(f"\n**{title}**, {work.epochs} epochs\n\n| | seconds |\n|---|---|")
    print(f"| the quickest epoch without kept states | {uncached:.2f} |")
    print(f"| the first epoch with them | {fresh[0]:.2f} |")
    print(f"| the quickest later epoch | {later:.3f} ({uncached / later:.2f} times as fast) |")
    print(f"| the first epoch of a second run | {again[0]:.3f} |")
    print(f"| Molfun, end to end | {whole:.1f}; a second run {repeated:.1f} |")
    for name, epochs in peers.items():
        took = PEERS[name](replace(work, epochs=epochs)).seconds * work.epochs / epochs
        print(f"| {name}, end to end | {took:.1f} ({took / whole:.1f} times Molfun's) |", flush=True)
    print(f"\nLargest difference of a loss: {off:.1e} of it.", flush=True)


def antiberty(home: Path) -> tuple[Dataset, Callable[[], MolfunStructureModel], dict[str, Any]]:
    """Return the V genes, AntiBERTy with its weights, and loaders."""
    dataset = save_example(home, "v_genes")

    def make() -> MolfunStructureModel:
        torch.manual_seed(SEED)
        return build_model(ModelSettings(name="antiberty"), task=dataset.task, num_outputs=len(dataset.classes))

    alphabet = make().adapter.alphabet
    loaders = {
        part: make_loader(
            dataset, part, encoder=alphabet, max_residues=510, batch_size=16, shuffle=part == "train", seed=SEED
        )
        for part in ("train", "val")
    }
    return dataset, make, loaders


def deep_work(epochs: int) -> Work:
    """Return the last 2 of 33 blocks on 16 made-up sequences of 64 residues."""

    def make() -> MolfunStructureModel:
        torch.manual_seed(SEED)
        return build_model(ModelSettings(name="esm2_650m", weights="random"), task="regression")

    alphabet = make().adapter.alphabet
    sequences = ["".join("ACDEFGHIKLMNPQRSTVWY"[(i * j + j // 7) % 20] for j in range(64)) for i in range(1, 17)]
    rows = SequenceRows([sequences], encoder=alphabet, max_residues=1022, targets=[float(i) for i in range(16)])
    batches: list[Batch] = [
        Collate(alphabet, "regression")([rows[i] for i in chosen]) for chosen in (range(8), range(8, 16))
    ]
    return Work(
        make, lambda: PartialFinetune(amp=False, unfreeze_last_n=2, scheduler="constant"), batches, epochs=epochs
    )


def main() -> None:
    """Print a table a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--peer-epochs", type=int, default=0, help="epochs measured of a peer; 0 is all of them")
    parser.add_argument("--part", choices=["head", "partial", "deep"], default=None)
    options = parser.parse_args()
    print(versions(["molfun", "trainer", "lightning"]))
    with tempfile.TemporaryDirectory() as room:
        _, make, loaders = antiberty(Path(room))
        if options.part in (None, "head"):

            def head() -> HeadOnlyFinetune:
                return HeadOnlyFinetune(amp=False, loss_fn="cross_entropy", scheduler="constant")

            work = Work(make, head, loaders["train"], loaders["val"], options.epochs)
            compare(
                "HeadOnly, AntiBERTy",
                work,
                dict.fromkeys(("trainer", "lightning"), options.peer_epochs or options.epochs),
            )
        if options.part in (None, "partial"):

            def partial() -> PartialFinetune:
                return PartialFinetune(amp=False, unfreeze_last_n=2, loss_fn="cross_entropy", scheduler="constant")

            for title, val in (("with validation", loaders["val"]), ("training alone", None)):
                work = Work(make, partial, loaders["train"], val, min(4, options.epochs))
                compare(f"Partial, last 2 of 8 blocks, {title}", work, {})
    if options.part in (None, "deep"):
        compare("Partial, last 2 of 33 blocks, training alone", deep_work(min(4, options.epochs)), {})


if __name__ == "__main__":
    main()

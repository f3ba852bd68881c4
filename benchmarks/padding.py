"""What padding costs: shuffled batches of a fixed size, batches by length, and batches by tokens, in turns.

    python -m benchmarks.padding [--rows 192] [--rounds 3] [--device cuda]

ESM-2 8M's shape under Full in float32, lengths drawn as proteins have them (log-normal around 320 residues, 100 to
1,000). Throughput counts real tokens; an epoch is one of `fit`, without validation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from molfun.data.batches import Collate, EpochSampler, SequenceRows
from molfun.data.length_batches import LengthBatches
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.training import FullFinetune
from molfun.training.distributed import SingleDevice

BATCH_SIZE = 8
WAYS = ("rows", "length", "tokens")


def sequences_of(num_rows: int) -> list[str]:
    """Return made-up sequences with the lengths of proteins."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(np.log(320), 0.55, num_rows), 100, 1000).astype(int)
    return ["".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWY"), length)) for length in lengths]


def loader_of(rows: SequenceRows, collate: Collate, way: str) -> DataLoader[Any]:
    """Return a loader that brings rows together in one of `WAYS`."""
    if way == "rows":
        sampler = EpochSampler(len(rows), shuffle=True, seed=0)
        return DataLoader(rows, batch_size=BATCH_SIZE, sampler=sampler, collate_fn=collate)
    lengths = [len(row.tokens[0]) for row in rows.rows]
    batches = LengthBatches(lengths, batch_size=BATCH_SIZE, by="tokens" if way == "tokens" else "length")
    return DataLoader(rows, batch_sampler=batches, collate_fn=collate)


def main() -> None:
    """Print one row a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = build_model(ModelSettings(name="esm2_8m", weights="random"), task="regression")
    rows = SequenceRows(
        [sequences_of(options.rows)], encoder=model.adapter.alphabet, max_residues=1022,
        targets=[float(i % 7) for i in range(options.rows)],
    )  # fmt: skip
    collate, strategy = Collate(model.adapter.alphabet, "regression"), FullFinetune(amp=False)
    padding: dict[str, float] = {}
    speed: dict[str, list[float]] = {way: [] for way in WAYS}
    tokens = sum(len(row.tokens[0]) for row in rows.rows)
    for number in range(options.rounds):
        for way in WAYS[number % 3 :] + WAYS[: number % 3]:
            loader = loader_of(rows, collate, way)
            padding[way] = 1 - tokens / sum(batch.num_positions for batch in loader)
            began = time.perf_counter()
            strategy.fit(model, loader, epochs=1, distributed=SingleDevice(options.device))
            speed[way].append(tokens / (time.perf_counter() - began))
    about = f"{options.rows} rows, {tokens:,} tokens, batches of {BATCH_SIZE}"
    print(f"torch {torch.__version__}, {options.device}, {about}\n")
    print("| batches of | padding | tokens a second | over shuffled rows (lowest to highest round) |")
    print("|---|---|---|---|")
    for way in WAYS:
        over = sorted(a / b for a, b in zip(speed[way], speed["rows"], strict=True))
        print(f"| {way} | {padding[way]:.1%} | {statistics.median(speed[way]):,.0f} | {statistics.median(over):.2f} "
              f"({over[0]:.2f} to {over[-1]:.2f}) |")  # fmt: skip


if __name__ == "__main__":
    main()

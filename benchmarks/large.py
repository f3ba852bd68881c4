"""A large model on a GPU: tokens a second and share of the card's peak, beside Trainer and the loop by hand.

    python -m benchmarks.large [--model esm2_650m] [--rows 16] [--length 510] [--steps 12] [--peak-tflops 989]
    python -m benchmarks.large --device cpu --model esm2_8m --rows 2 --length 30 --steps 4     (to see that it runs)

Random weights of the real size, bfloat16, under LoRA and Full; HeadOnly reads kept states from the second epoch on.
Operations are 6 a trained and 4 a frozen parameter and token, where gradients pass through a frozen one (LoRA), after
Kaplan et al. 2020 (arXiv 2001.08361); attention's own are left out, so the share is a lower bound. The default peak is
that of an H100 SXM in dense bfloat16, 989 TFLOP/s (NVIDIA's data sheet).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from benchmarks.frozen import fit
from benchmarks.peers import PEERS, Work, versions
from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune
from molfun.types import Batch

WHO = ("molfun", "by hand", "trainer")
STRATEGIES = {"LoRA": (LoRAFinetune, 4), "Full": (FullFinetune, 6)}


def make_batches(name: str, rows: int, length: int, steps: int) -> list[Batch]:
    """Return batches of different made-up sequences of one length."""
    alphabet = build_model(ModelSettings(name=name, weights="random"), task="regression").adapter.alphabet
    letters = torch.randint(20, (rows * steps, length), generator=torch.Generator().manual_seed(0)).tolist()
    sequences = ["".join("ACDEFGHIKLMNPQRSTVWY"[i] for i in row) for row in letters]
    encoded = SequenceRows(
        [sequences], encoder=alphabet, max_residues=length, targets=[float(i % 5) for i in range(len(sequences))]
    )
    collate = Collate(alphabet, "regression")
    return [collate([encoded[step * rows + i] for i in range(rows)]) for step in range(steps)]


def main() -> None:
    """Print a table for steps, and one for kept states."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="esm2_650m")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=510)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peak-tflops", type=float, default=989.0)
    options = parser.parse_args()

    def make() -> MolfunStructureModel:
        torch.manual_seed(0)
        return build_model(ModelSettings(name=options.model, weights="random"), task="regression")

    batches = make_batches(options.model, options.rows, options.length, options.steps)
    tokens, parameters = batches[0].num_tokens, sum(p.numel() for p in make().parameters())
    card = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"{versions(list(WHO))}; {card}, {options.model}, {options.rows} rows of {options.length} residues\n")
    print("| strategy | who | seconds a step | tokens a second | share of peak |\n|---|---|---|---|---|")
    for title, (strategy, operations) in STRATEGIES.items():
        work = Work(make, lambda s=strategy: s(lr=1e-4), batches, device=options.device, dtype=torch.bfloat16)
        for name in WHO:
            step = statistics.median(PEERS[name](work).steps[1:])
            share = operations * parameters * tokens / step / (options.peak_tflops * 1e12)
            print(f"| {title} | {name} | {step:.4f} | {tokens / step:,.0f} | {share:.1%} |", flush=True)
    head = Work(make, HeadOnlyFinetune, batches, epochs=4, device=options.device)
    _, plain, _ = fit(head, None)
    with tempfile.TemporaryDirectory() as room:
        _, kept, _ = fit(head, Path(room))
    uncached, later = statistics.median(plain[1:]), statistics.median(kept[1:])
    faster = f"{uncached / later:.0f} times as fast"
    print(f"\nHeadOnly: an epoch takes {uncached:.3f} s, {later:.4f} s with kept states ({faster}).")


if __name__ == "__main__":
    main()

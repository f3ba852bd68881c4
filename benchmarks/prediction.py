"""Residues a second of Molfun's predictor and of a plain transformers loop: the same model, weights and float32.

    python -m benchmarks.prediction [--quick] [--repeats 3] [--threads 2]
    python -m benchmarks.prediction --tokens       how large a batch is best on this processor

The loop takes batches of 32 rows, padded to their longest: in the order of the file, and sorted by length. All ways
predict the same rows in turns, in this process; a cell has the median and, in brackets, the extremes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn.utils.rnn import pad_sequence

from molfun.data.examples import save_example
from molfun.data.scan import scan_rows
from molfun.data.settings import ColumnSettings
from molfun.evaluation.predictor import Predictor
from molfun.evaluation.uncertainty import Ensemble
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.training import HeadOnlyFinetune
from molfun.training.shared_prefix import share_frozen
from molfun.types import Trunk

VH = (  # of trastuzumab
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS"
)
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
ROWS_A_BATCH = 32
TOKENS = (1_024, 2_048, 4_096, 8_192, 16_384)
SAME = 1e-4  # of values of about 1; sums of another order differ by less
EXACT = Precision(torch.device("cpu"), amp=False)
Way = Callable[[Sequence[str]], np.ndarray]


def make_member(seed: int, weights: str) -> Predictor:
    """Return AntiBERTy with a head that a seed drew, as a HeadOnly run leaves it."""
    torch.manual_seed(seed)
    model = build_model(ModelSettings(name="antiberty", weights=weights), task="regression")
    HeadOnlyFinetune(amp=False).setup(model)
    columns = ColumnSettings.parse({"sequence": ["sequence"], "target": "y", "task": "regression"})
    return Predictor(model, columns, (), precision=EXACT)


@torch.inference_mode()
def plain_loop(member: Predictor, sequences: Sequence[str], *, is_sorted: bool) -> np.ndarray:
    """Predict as a script would: the encoder of transformers, mean over residues and the head."""
    encoder, head, alphabet = member.model.adapter.backbone, member.model.head, member.model.adapter.alphabet
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i])) if is_sorted else range(len(sequences))
    found = np.empty(len(sequences), dtype=np.float32)
    for first in range(0, len(sequences), ROWS_A_BATCH):
        rows = list(order[first : first + ROWS_A_BATCH])
        tokens = [torch.tensor(alphabet.encode(sequences[i])) for i in rows]
        padded_BL = pad_sequence(tokens, batch_first=True, padding_value=alphabet.pad_id)
        mask_BL = pad_sequence([torch.ones(len(row)) for row in tokens], batch_first=True).bool()
        hidden_BLD = encoder(input_ids=padded_BL, attention_mask=mask_BL.long()).last_hidden_state
        residues_BL = mask_BL.clone()
        residues_BL[:, 0] = False
        residues_BL[torch.arange(len(rows)), mask_BL.sum(1) - 1] = False
        found[rows] = head(Trunk((hidden_BLD,), (residues_BL,))).numpy()
    return found


def log_normal_table(num_rows: int) -> list[str]:
    """Return made-up sequences; lengths are log-normal (median 220, sigma 0.45), drawn again outside 100 to 500."""
    generator, found = np.random.default_rng(0), []
    while len(found) < num_rows:
        length = int(generator.lognormal(np.log(220), 0.45))
        if 100 <= length <= 500:
            found.append("".join(generator.choice(list(RESIDUES), length)))
    return found


def v_genes(num_rows: int) -> list[str]:
    """Return sequences of the example of antibody V genes, in the order of its file."""
    with tempfile.TemporaryDirectory() as folder:
        return save_example(Path(folder), "v_genes").frame["chain_1"].tolist()[:num_rows]


def single_mutants(num_rows: int) -> list[str]:
    """Return one heavy chain and its single substitutions."""
    return scan_rows(VH, column="sequence")["sequence"].tolist()[:num_rows]


def single_ways(weights: str, folder: Path) -> dict[str, Way]:
    """Return the ways of one model; the last one reads what it has kept before, where it has."""
    plain, keeping = make_member(0, weights), make_member(0, weights)
    (keeping.trunk,) = share_frozen([keeping.model], [EXACT], folder, max_gigabytes=1.0)
    return {
        "loop, order of the file": lambda rows: plain_loop(plain, rows, is_sorted=False),
        "loop, sorted": lambda rows: plain_loop(plain, rows, is_sorted=True),
        "Molfun": lambda rows: values_of(plain, rows),
        "Molfun, kept before": lambda rows: values_of(keeping, rows),
    }


def ensemble_ways(weights: str) -> dict[str, Way]:
    """Return the ways of three seeds together; loops go through one model after the other."""
    members = [make_member(seed, weights) for seed in range(3)]
    models = [member.model for member in members]
    for member, trunk in zip(members, share_frozen(models, [EXACT] * 3, None, max_gigabytes=0.0), strict=True):
        member.trunk = trunk

    def loops(rows: Sequence[str], *, is_sorted: bool) -> np.ndarray:
        return np.mean([plain_loop(member, rows, is_sorted=is_sorted) for member in members], axis=0)

    return {
        "loop, order of the file": lambda rows: loops(rows, is_sorted=False),
        "loop, sorted": lambda rows: loops(rows, is_sorted=True),
        "Molfun": lambda rows: values_of(Ensemble(members), rows),
    }


def values_of(predictor: Predictor | Ensemble, rows: Sequence[str]) -> np.ndarray:
    """Return the predictions of rows."""
    return predictor.predict(list(rows))["prediction"].to_numpy(dtype=np.float32)


def rates(ways: dict[str, Way], rows: Sequence[str], repeats: int) -> dict[str, list[float]]:
    """Return residues a second of every way, taken in turns after a first, uncounted one."""
    expected = next(iter(ways.values()))(rows)
    for name, way in ways.items():
        off = float(np.abs(way(rows) - expected).max())
        assert off < SAME, f"{name} differs by {off:.1e}"
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way(rows)
            found[name].append(sum(map(len, rows)) / (time.perf_counter() - began))
    return found


def cell(values: Sequence[float]) -> str:
    """Return median and extremes."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def tables(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[str], dict[str, Way]]]:
    """Yield (title, rows, ways)."""
    few = options.rows or 10**9
    one = single_ways(options.weights, folder)
    yield "V genes", v_genes(min(few, 500)), one
    yield "100 to 500 residues, log-normal", log_normal_table(min(few, 300)), one
    yield "all single mutants of a VH", single_mutants(few), one
    yield "three seeds together, V genes", v_genes(min(few, 500)), ensemble_ways(options.weights)


def compare(options: argparse.Namespace) -> None:
    """Print one row a table."""
    print("| table | rows | loop, order of the file | loop, sorted | Molfun | against sorted | Molfun, kept before |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for title, rows, ways in tables(options, Path(folder)):
            found = rates(ways, rows, options.repeats)
            plain, ours = found["loop, sorted"], found["Molfun"]
            ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
            kept = cell(found["Molfun, kept before"]) if "Molfun, kept before" in found else ""
            cells = [title, f"{len(rows):,}", cell(found["loop, order of the file"]), cell(plain), cell(ours)]
            print("| " + " | ".join([*cells, f"{ratio:.2f}", kept]) + " |", flush=True)


def sweep(options: argparse.Namespace) -> None:
    """Print residues a second by the most tokens of a batch, one and several threads."""
    member, rows = make_member(0, options.weights), log_normal_table(options.rows or 120)
    print("| threads | " + " | ".join(f"{tokens:,} tokens" for tokens in TOKENS) + " |")
    print("|---|" + "---|" * len(TOKENS))

    def way(tokens: int) -> Way:
        def predict(rows: Sequence[str]) -> np.ndarray:
            member.max_tokens = tokens
            return values_of(member, rows)

        return predict

    for threads in sorted({1, options.threads}, reverse=True):
        torch.set_num_threads(threads)
        found = rates({str(tokens): way(tokens) for tokens in TOKENS}, rows, options.repeats)
        print(f"| {threads} | " + " | ".join(cell(values) for values in found.values()) + " |", flush=True)


def main() -> None:
    """Print what was measured, and with what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="A few rows, once, with random weights.")
    parser.add_argument("--tokens", action="store_true", help="Compare sizes of batches instead.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0, help="Most rows of a table; 0 is all.")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--weights", default="pretrained")
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.rows, options.weights = 1, options.rows or 3, "random"
    torch.set_num_threads(options.threads)
    print(f"AntiBERTy, float32, {options.threads} threads, torch {torch.__version__}, "
          f"transformers {transformers.__version__}; residues a second\n")  # fmt: skip
    (sweep if options.tokens else compare)(options)


if __name__ == "__main__":
    main()

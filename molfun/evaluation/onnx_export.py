"""The inference graph as ONNX: tokens and residue masks in, predictions out; compared with torch before it is kept."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from molfun.data.batches import Collate, SequenceRows
from molfun.errors import ModelError
from molfun.evaluation.predictor import Predictor
from molfun.models.structure import MolfunStructureModel
from molfun.types import Batch, Chain

OPSET = 18
# Largest difference from torch, as a part of the prediction or of 1, whichever is more.
TOLERANCE = 1e-4
NEEDED = ("onnx", "onnxscript", "onnxruntime")
INSTALL = 'pip install "molfun[onnx]"'
# Of different lengths, so that most rows are padded; all models know these letters.
PROBES = ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", "EVQLVESGGGLVQPGGSLRLSCAASGFTFS", "ACDEFGHIKLMNPQRSTVWY", "MKT")


class InferenceGraph(nn.Module):
    """A trained model as a function of plain tensors.

    Args:
        model: In eval mode, without LoRA layers.
    """

    def __init__(self, model: MolfunStructureModel) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, *tensors: Tensor) -> Tensor:
        """Return predictions.

        Args:
            *tensors: For each chain token ids (int64 [B, L], padded) and residues (bool [B, L]).

        Returns:
            float32 [B] in the user's unit, probabilities [B, C], or logits [B, L, C] a residue.
        """
        pad, pairs = self.model.adapter.alphabet.pad_id, zip(tensors[::2], tensors[1::2], strict=True)
        chains = tuple(Chain(tokens_BL, tokens_BL != pad, residues_BL) for tokens_BL, residues_BL in pairs)
        preds: Tensor = self.model(Batch(chains, None, None, torch.zeros(1, dtype=torch.int64)))["preds"]
        return preds.softmax(-1) if self.model.task == "classification" else preds


def check_packages() -> None:
    """Hold that the packages are there which the export needs.

    Raises:
        ModelError: One is missing.
    """
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing:
        raise ModelError(f"An ONNX export needs the package {missing}, which is absent; install it: {INSTALL}.")


def write_onnx(predictor: Predictor, path: Path) -> dict[str, Any]:
    """Write the graph of a model and compare what it computes with what torch computes.

    Args:
        predictor: With LoRA merged (`export.merge`).
        path: File to write; weights beyond 2 GB, which it cannot hold, go into a file beside it.

    Returns:
        `opset`, `inputs` (their names, two a chain) and `onnx_difference` (largest absolute difference found).

    Raises:
        ModelError: A package is missing, or a prediction differs by more than float32 explains.
    """
    check_packages()
    graph = InferenceGraph(predictor.model).eval()
    names = _input_names(len(predictor.columns.sequence))
    _trace(predictor, graph, names).save(path)
    return {"opset": OPSET, "inputs": names, "onnx_difference": _compare(predictor, graph, path, names)}


def _trace(predictor: Predictor, graph: InferenceGraph, names: Sequence[str]) -> torch.onnx.ONNXProgram:
    """Return the graph as ONNX.

    Raises:
        ModelError: The model does something that the exporter does not know.
    """
    # Two of the probes only: the graph that is compared on all of them must not depend on these lengths.
    example = _inputs(predictor, PROBES[:2])
    try:
        with _quietly():
            program = torch.onnx.export(
                graph, example, dynamo=True, opset_version=OPSET, verbose=False, input_names=names,
                output_names=["prediction"], dynamic_shapes=(_axes(predictor),),
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        adapter = predictor.model.adapter
        instead = "predict with the run itself" if adapter.export_obstacle else "export the merged model"
        raise ModelError(f"{adapter.card.title} cannot be written as ONNX; {instead} instead.") from error
    assert program is not None
    return program


def _input_names(num_chains: int) -> list[str]:
    return [f"{what}_{chain}" for chain in range(1, num_chains + 1) for what in ("tokens", "residues")]


def _axes(predictor: Predictor) -> tuple[dict[int, Any], ...]:
    """Return the axes that may have any size: rows, and the length of each chain."""
    adapter = predictor.model.adapter
    rows, most = torch.export.Dim("batch"), adapter.max_residues + adapter.alphabet.num_specials
    chains = range(1, len(predictor.columns.sequence) + 1)
    lengths = [torch.export.Dim(f"length_{chain}", max=most) for chain in chains]
    return tuple({0: rows, 1: length} for length in lengths for _ in range(2))


def _inputs(predictor: Predictor, sequences: Sequence[str]) -> tuple[Tensor, ...]:
    """Return the tensors of a padded batch; in every chain the same sequences, in another order."""
    alphabet = predictor.model.adapter.alphabet
    chains = [[*sequences[i:], *sequences[:i]] for i in range(len(predictor.columns.sequence))]
    rows = SequenceRows(chains, encoder=alphabet, max_residues=predictor.max_residues).rows
    batch = Collate(alphabet, predictor.task)(rows).to(predictor.precision.device)
    return tuple(tensor for chain in batch.chains for tensor in (chain.tokens_BL, chain.residues_BL))


@torch.no_grad()
def _compare(predictor: Predictor, graph: InferenceGraph, path: Path, names: Sequence[str]) -> float:
    """Return the largest difference between graph and model on a padded batch and on a single row."""
    session, largest = _session(path), 0.0
    for sequences in (PROBES, PROBES[-1:]):
        tensors = _inputs(predictor, sequences)
        wanted = graph(*tensors).cpu().numpy()
        feed = {name: tensor.cpu().numpy() for name, tensor in zip(names, tensors, strict=True)}
        found = np.asarray(session.run(None, feed)[0])
        if predictor.task == "per_residue":
            wanted, found = wanted[feed["residues_1"]], found[feed["residues_1"]]
        largest = max(largest, _largest_difference(wanted, found))
    return largest


def _largest_difference(wanted: np.ndarray, found: np.ndarray) -> float:
    """Return the largest absolute difference between predictions of torch and of ONNX.

    Raises:
        ModelError: One is beyond the tolerance, or no number.
    """
    difference = np.abs(found - wanted) if found.shape == wanted.shape else np.array(np.inf)
    if not (difference <= TOLERANCE * np.maximum(1.0, np.abs(wanted))).all():
        raise ModelError(
            f"The ONNX graph predicts something else than the model: {float(difference.max()):.3g} apart, where "
            f"{TOLERANCE:g} is allowed. Export the merged model instead."
        )
    return float(difference.max())


def _session(path: Path) -> Any:
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors only
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep from users what the exporter says of itself: packages that it could support, names of axes it merges."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

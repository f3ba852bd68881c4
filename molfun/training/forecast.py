"""Memory and work of the heaviest batch before anything is paid for: no weights, no data, no device.

The real model, set up by the real strategy, goes forward and backward on tensors that have shapes but no numbers
(torch's `FakeTensorMode`). Every block of memory that an operation asks for is counted until it is given back, so that
activations, work space and gradient checkpointing come out as they are and not by a rule of thumb. What the optimiser
and the average keep is known from the parameters. Operations are counted by torch's `FlopCounterMode`.
"""

from __future__ import annotations

import math
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.esm.openfold_utils.rigid_utils import Rigid
from typing_extensions import override

from molfun.losses.fape import point_errors
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training.base import gradient_checkpointing_on
from molfun.training.build import build_strategy
from molfun.training.distributed import choose_device
from molfun.training.prefix_cache import find_boundary
from molfun.training.rehearsal import ADAM_BYTES
from molfun.types import Batch, Chain, Folds

SPECIAL_TOKENS = 2
# What a batch must leave of a device: a program's own memory, and fragments that an allocator keeps for later. On a
# processor these are as much again as the activations (`benchmarks/memory.py`).
PROGRAM_BYTES = 500_000_000
FRAGMENTS = {"cuda": 0.15, "cpu": 1.0}
# Rigid groups and heavy atoms of a residue, as proteins have them on average.
MEAN_GROUPS, MEAN_ATOMS = 4, 8
Parts = dict[str, int]


class Ledger(TorchDispatchMode):
    """Counts the memory that operations hold, in bytes, and the most that they ever held.

    Args:
        known: Tensors that are there already and are not counted.
    """

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self.held = self.peak = 0
        self._sizes: dict[int, int] = {}
        for tensor in known:
            self._sizes[tensor.untyped_storage()._cdata] = 0

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            return False  # "is the mask full?": a batch of rows of different lengths is not
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._sizes:
            return
        self._sizes[key] = size
        self.held += size
        self.peak = max(self.peak, self.held)
        weakref.finalize(storage, self._give_back, key)

    def _give_back(self, key: int) -> None:
        self.held -= self._sizes.pop(key, 0)


def forecast(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the heaviest batch of a spec takes, and settings with which it fits.

    Args:
        request: {"spec": model, strategy and training of a run spec as plain values, "task", "num_outputs",
            "num_chains", "lengths": residues of the longest row of each chain, "limit_bytes": memory of the device, 0
            where it is not known, "device": "cuda", "cpu", or "" for the one that is here, whose speed is measured}.

    Returns:
        {"parts": bytes of "weights", "lora", "gradients", "optimizer", "average" and "activations" (with work space),
        "total", "flops" of forward and backward, "seconds": the least that they can take here, 0 for another device,
        "frozen_seconds": what of it the frozen beginning of the trunk takes, which may be computed once and kept,
        "batch_size", "residues", "precision": in words, "limit_bytes", "fits", "fit": {"training.batch_size",
        "strategy.accumulation_steps", "training.gradient_checkpointing"} with the same rows a step, or None where
        nothing is to be changed or nothing helps, "fit_total"}.

    Raises:
        MolfunError: The spec's model or strategy cannot be built.
    """
    spec, training = request["spec"], request["spec"]["training"]
    with torch.device("meta"):
        model = build_model(
            ModelSettings.parse(spec["model"]), task=request["task"], num_chains=request["num_chains"],
            num_outputs=request["num_outputs"], load=False,
        )  # fmt: skip
        build_strategy(spec["strategy"]).setup(model)
    precision = Precision(torch.device(request["device"] or choose_device("auto")), amp=bool(spec["strategy"]["amp"]))
    size, accumulation = int(training["batch_size"]), int(spec["strategy"]["accumulation_steps"])
    is_checkpointing = bool(training["gradient_checkpointing"])
    lengths = [int(length) for length in request["lengths"]]
    kept = _kept_bytes(model, has_average=spec["strategy"]["ema_decay"] > 0)

    def parts_of(size: int, accumulation: int, is_checkpointing: bool) -> Parts:
        with gradient_checkpointing_on(model, enabled=is_checkpointing):
            peak = _peak_bytes(model, _Shape(size, lengths, precision, has_gradients=accumulation > 1))
        return {**kept, "activations": max(0, peak - kept["gradients"])}

    parts = parts_of(size, accumulation, is_checkpointing)
    device = _Device(precision.device.type, int(request["limit_bytes"]))
    fits = device.holds(parts)
    fit, fit_parts = (None, parts) if fits else _fit(parts_of, size, accumulation, is_checkpointing, device)
    with gradient_checkpointing_on(model, enabled=is_checkpointing):
        flops = _count_flops(model, _Shape(1, lengths, precision, has_gradients=False)) * size
    frozen_flops = _count_frozen_flops(model, _Shape(1, lengths, precision, has_gradients=False)) * size
    speed = math.inf if request["device"] else _flops_a_second(choose_device("auto"), precision.dtype)
    return {
        "parts": parts, "total": sum(parts.values()), "flops": flops, "seconds": flops / speed,
        "frozen_seconds": frozen_flops / speed, "batch_size": size,
        "residues": max(lengths), "precision": precision.reason, "limit_bytes": device.limit_bytes,
        "fits": fits, "fit": fit,
        "fit_total": sum(fit_parts.values()),
    }  # fmt: skip


@dataclass(frozen=True)
class _Device:
    """Where a batch must fit: its type, and its memory in bytes, 0 where that is not known."""

    type: str
    limit_bytes: int

    def needs(self, parts: Parts) -> float:
        """Return what a batch takes with fragments and the program itself."""
        return sum(parts.values()) + FRAGMENTS[self.type] * parts["activations"] + PROGRAM_BYTES

    def holds(self, parts: Parts) -> bool:
        """Tell whether a batch fits."""
        return not self.limit_bytes or self.needs(parts) <= self.limit_bytes


@lru_cache(maxsize=8)
def _flops_a_second(device: str, dtype: torch.dtype) -> float:
    """Return how fast this machine multiplies large matrices, the best of three."""
    size = 1024 if device == "cpu" else 8192
    matrix = torch.rand(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(4):  # the first one loads kernels
        begin = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def _kept_bytes(model: MolfunStructureModel, *, has_average: bool) -> Parts:
    """Return what lies in memory during the whole fit, by part."""
    bytes_of = {name: p.numel() * p.element_size() for name, p in model.named_parameters()}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    lora = sum(size for name, size in bytes_of.items() if "lora_" in name)
    gradients = sum(bytes_of[name] for name in trained)
    moments = sum(p.numel() for p in model.parameters() if p.requires_grad) * ADAM_BYTES
    return {
        "weights": sum(bytes_of.values()) - lora, "lora": lora, "gradients": gradients, "optimizer": moments,
        "average": gradients if has_average else 0,
    }  # fmt: skip


@dataclass(frozen=True)
class _Shape:
    """A batch whose rows are all as long as the longest, and whether gradients of earlier ones are kept already."""

    size: int
    lengths: Sequence[int]
    precision: Precision
    has_gradients: bool


def _peak_bytes(model: MolfunStructureModel, shape: _Shape) -> int:
    """Return the most that forward and backward hold beside the parameters, gradients included."""
    trained = [p for p in model.parameters() if p.requires_grad]
    with _no_tables(), FakeTensorMode(), _shapes_only(model):
        held = 0
        if shape.has_gradients:
            for parameter in (p for p in model.parameters() if p.requires_grad):
                parameter.grad = torch.zeros_like(parameter)
            held = sum(p.numel() * p.element_size() for p in trained)
        batch = _full_batch(shape.size, shape.lengths)
        tokens = [tensor for chain in batch.chains for tensor in vars(chain).values()]
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        ledger = Ledger([*model.parameters(), *model.buffers(), *tokens, *grads])
        with ledger:
            _forward_and_backward(model, batch, shape.precision)
    return ledger.peak + held


@contextmanager
def _no_tables() -> Iterator[None]:
    """Let the folding code's cached constants be made anew, before and behind: they would be without numbers after."""

    def forget() -> None:
        modules = [module for name, module in list(sys.modules.items()) if name.endswith("rigid_utils")]
        for function in (value for module in modules for value in vars(module).values()):
            if hasattr(function, "cache_clear"):
                function.cache_clear()

    forget()
    try:
        yield
    finally:
        forget()


def _count_flops(model: MolfunStructureModel, shape: _Shape) -> int:
    """Return the operations of forward and backward; counting them keeps tensors alive, so it goes by itself."""
    counter = FlopCounterMode(display=False)
    with _no_tables(), FakeTensorMode(), _shapes_only(model), Ledger([]), counter:
        _forward_and_backward(model, _full_batch(shape.size, shape.lengths), shape.precision)
    return int(counter.get_total_flops())


def _count_frozen_flops(model: MolfunStructureModel, shape: _Shape) -> int:
    """Return the operations of the frozen beginning of the trunk, 0 where it has none that is kept."""
    boundary, counter = find_boundary(model), FlopCounterMode(display=False)
    if boundary is None:
        return 0
    with _no_tables(), FakeTensorMode(), _shapes_only(model), torch.no_grad(), counter:
        model.adapter.run_to(_full_batch(shape.size, shape.lengths), boundary.depth, is_whole=boundary.is_whole)
    return int(counter.get_total_flops())


def _forward_and_backward(model: MolfunStructureModel, batch: Batch, precision: Precision) -> None:
    model.train()
    with torch.autocast("cpu", precision.dtype, enabled=precision.dtype is not torch.float32):
        preds = model(batch)["preds"].float()
        loss = preds.sum() if isinstance(preds, Tensor) else _fold_loss(preds)
    loss.backward()


def _fold_loss(folds: Folds) -> Tensor:
    """Return what takes as much memory as a loss of structures: every atom is seen from every rigid group.

    How many there are depends on the residues; here they are what proteins have on average.
    """
    loss = folds.distogram_BRRN.log_softmax(-1).sum() + folds.plddt_BRN.sum() + folds.raw_angles_BKR72.sum()
    backbone, alphas_BKR3 = Rigid.from_tensor_7(folds.frames_BKR7), folds.frames_BKR7[..., 4:]
    loss = loss + point_errors(backbone, backbone, alphas_BKR3, alphas_BKR3).clamp(max=1.0).sum()
    for groups_RG44, atoms_RA3 in zip(folds.group_frames_BRG44, folds.positions_BRA3, strict=True):
        frames = Rigid.from_tensor_4x4(groups_RG44[:, :MEAN_GROUPS].reshape(-1, 4, 4))
        points = atoms_RA3[:, :MEAN_ATOMS].reshape(-1, 3)
        loss = loss + point_errors(frames, frames, points, points).clamp(max=1.0).sum()
    return loss


@contextmanager
def _shapes_only(model: nn.Module) -> Iterator[None]:
    """Give a model on the meta device parameters on the processor, as shapes without numbers, for the block."""
    meta = [(module, dict(module._parameters), dict(module._buffers)) for module in model.modules()]
    for module, parameters, buffers in meta:
        for name, parameter in parameters.items():
            if parameter is not None:
                held = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
                module._parameters[name] = nn.Parameter(held, requires_grad=parameter.requires_grad)
        for name, buffer in buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
    try:
        yield
    finally:
        for module, parameters, buffers in meta:
            module._parameters.update(parameters)
            module._buffers.update(buffers)


def _full_batch(size: int, lengths: Sequence[int]) -> Batch:
    def chain(length: int) -> Chain:
        shape = (size, length + SPECIAL_TOKENS)
        real = torch.ones(shape, dtype=torch.bool)
        return Chain(torch.zeros(shape, dtype=torch.int64), real, real.clone())

    return Batch(tuple(chain(length) for length in lengths), None, None, torch.zeros(size, dtype=torch.int64))


def _fit(
    parts_of: Callable[[int, int, bool], Parts],
    size: int,
    accumulation: int,
    is_checkpointing: bool,
    device: _Device,
) -> tuple[dict[str, Any] | None, Parts]:
    """Return the settings nearest to the given ones that fit, with as many rows a step, and what they take."""
    rows = size * accumulation
    smaller = [one for one in range(size, 0, -1) if rows % one == 0]
    least: Parts = {}
    for checkpoints in dict.fromkeys((is_checkpointing, True)):
        least = parts_of(1, rows, checkpoints)
        if not device.holds(least):
            continue
        # What a batch takes grows in proportion to its rows, so two batches tell which one to try first.
        many = parts_of(size, accumulation, checkpoints)
        a_row = (device.needs(many) - device.needs(least)) / max(1, size - 1)
        room = device.limit_bytes - device.needs(least)
        for one in (one for one in smaller if (one - 1) * a_row <= room):
            parts = parts_of(one, rows // one, checkpoints)
            if device.holds(parts):
                return {
                    "training.batch_size": one, "strategy.accumulation_steps": rows // one,
                    "training.gradient_checkpointing": checkpoints,
                }, parts  # fmt: skip
    return None, least

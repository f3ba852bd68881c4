"""What a fit holds at one instant, as plain values and tensors on the CPU; and bringing a fit back to it.

Knows nothing of files: `molfun.training.checkpoint` writes and reads them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from molfun.errors import RunError
from molfun.models.lora import lora_keys
from molfun.models.structure import MolfunStructureModel
from molfun.training.gradients import modules_in_training
from molfun.training.randomness import random_state, set_random_state
from molfun.training.schedules import go_to_step, scale_rates
from molfun.training.sharding import own_part, share_like, whole

if TYPE_CHECKING:
    from molfun.training.loop import Loop

logger = logging.getLogger(__name__)

Weights = Literal["raw", "ema"]
# Settings that say when to look and when to stop, not what a step computes: a resumed fit may have others.
# Accumulation is compared as rows a step, which may be made up in another way.
FREE_SETTINGS = frozenset({"early_stopping_patience", "early_stopping_min_delta", "validate_raw", "accumulation_steps"})


@dataclass(frozen=True)
class Snapshot:
    """A fit at a step edge.

    Attributes:
        raw: Live weights that a checkpoint holds, by parameter name, running statistics included; on the CPU.
        average: Their moving average, for those that train; empty without EMA.
        lora_keys: Names in peft's files of the LoRA parameters among them, by parameter name.
        lora_config: peft's settings of them; None without LoRA.
        training: Optimiser, schedule, scaler, average's counter, progress, random states.
        about: Epoch, step, strategy, processes: what a manifest says in words and numbers.
    """

    raw: dict[str, Tensor]
    average: dict[str, Tensor]
    lora_keys: dict[str, str]
    lora_config: Any
    training: dict[str, Any]
    about: dict[str, Any]

    def weights(self, which: Weights) -> dict[str, Tensor]:
        """Return the weights to use: live ones, or the average with what is not averaged."""
        return {**self.raw, **self.average} if which == "ema" else self.raw

    def other(self, which: Weights) -> dict[str, Tensor]:
        """Return the weights that `weights` leaves out, empty without EMA."""
        if which == "raw":
            return self.average
        return {name: self.raw[name] for name in self.average}


def take_snapshot(loop: Loop) -> Snapshot:
    """Copy what a fit holds. Every process must call it at the same step; what the main one gets is complete."""
    is_main = loop.distributed.is_main_process
    keys = {id(p): key for key, p in lora_keys(loop.model.adapter).items()} if loop.model.lora_config else {}
    names = {name: keys[id(p)] for name, p in loop.model.named_parameters() if id(p) in keys}
    return Snapshot(
        raw={name: _copy(tensor, is_main) for name, tensor in kept_tensors(loop.model).items()},
        average={name: _copy(tensor, is_main) for name, tensor in loop.ema.state_dict().items()},
        lora_keys=names,
        lora_config=loop.model.lora_config,
        training={
            "optimizer": _copy_nested(loop.optimizer.state_dict(), is_main),
            "scheduled_steps": loop.scheduler.last_epoch,
            "scaler": loop.precision.scaler.state_dict(),
            "ema_updates": loop.ema.num_updates,
            "progress": loop.progress.state_dict(),
            "random": loop.distributed.collect(random_state()),
            "epoch_start": loop.distributed.collect(loop.epoch_start),
            "generators": [generator.get_state() for generator in loop.generators],
            "order_seed": loop.order_seed,
        },
        about={
            "epoch": loop.progress.epoch, "step": loop.progress.step, "epochs": loop.progress.epochs,
            "strategy": loop.strategy.describe(), "model": loop.about_model, "rows": loop.rows,
            "precision": str(loop.precision.dtype), "num_processes": loop.distributed.world_size,
        },
    )  # fmt: skip


def kept_tensors(model: MolfunStructureModel) -> dict[str, Tensor]:
    """Return what a checkpoint keeps, by name: all that trains, the head, and their running statistics.

    A frozen trunk is left out: it is what it was when it was built.
    """
    kept: dict[str, Tensor] = {n: p for n, p in model.named_parameters() if p.requires_grad or n.startswith("head.")}
    persistent = model.state_dict(keep_vars=True)
    training = modules_in_training(model)
    for name, buffer in model.named_buffers():
        owner = model.get_submodule(name.rpartition(".")[0])
        if name in persistent and (owner in training or name.startswith("head.")):
            kept[name] = buffer
    return kept


def check_settings(loop: Loop, about: Mapping[str, Any], name: str) -> None:
    """Hold that a checkpoint was written with the settings of this fit.

    Raises:
        RunError: Some differ; each is named with both values.
    """
    saved, ours = about.get("strategy", {}), loop.strategy.describe()
    odd = [key for key in ours if key in saved and key not in FREE_SETTINGS and saved[key] != ours[key]]
    if odd:
        listed = ", ".join(f"{key} is {saved[key]!r} there and {ours[key]!r} here" for key in odd)
        raise RunError(
            f"The checkpoint {name} was written with other settings: {listed}. Resume with the same settings, or start "
            "a new run with these."
        )
    rows = about.get("rows") or loop.rows
    if rows != loop.rows:
        raise RunError(
            f"The checkpoint {name} was written with {_rows_in_words(rows)}, this run has {_rows_in_words(loop.rows)}; "
            "resume with the same rows, and with batch size x accumulation x processes as they were."
        )
    if about.get("precision") not in (None, str(loop.precision.dtype)):
        logger.warning(
            "The checkpoint %s was computed in %s, this machine computes in %s: close, not equal.",
            name, about["precision"], loop.precision.dtype,
        )  # fmt: skip


def _rows_in_words(rows: Mapping[str, Any]) -> str:
    return f"{rows['an_epoch'] or '?'} rows an epoch and {rows['a_step'] or '?'} rows a step"


def describe_model(model: MolfunStructureModel) -> dict[str, Any]:
    """Return what a checkpoint must find again, as plain values: backbone, task, outputs, and the frozen weights.

    Args:
        model: Prepared by a strategy, and not shared out over processes.
    """
    return {
        "backbone": model.adapter.card.name, "task": model.task, "head": type(model.head).__name__,
        "num_outputs": getattr(model.head, "num_outputs", None), "frozen_weights": _fingerprint(model),
    }  # fmt: skip


def check_model(found: Mapping[str, Any], about: Mapping[str, Any], place: str) -> None:
    """Hold that a model is the one that a checkpoint was written of.

    Raises:
        RunError: Something differs; each difference is named.
    """
    saved = about.get("model") or {}
    odd = [key for key in saved if key in found and saved[key] != found[key]]
    if odd == ["frozen_weights"]:
        raise RunError(
            f"{place} was trained on another frozen trunk than this one: the weights differ. Build the model with the "
            "weights that it was trained with."
        )
    if odd:
        listed = ", ".join(f"{key} is {saved[key]!r} there and {found[key]!r} here" for key in odd)
        raise RunError(f"{place} does not fit this model: {listed}; build the model that it was trained with.")


def _fingerprint(model: MolfunStructureModel) -> str:
    """Return a hash of the frozen weights that the loss sees.

    Each tensor goes in as the sum of its bits read as integers, which is exact in any order and on any device.
    """
    unused = {id(p) for module in model.adapter.get_excluded_modules() for p in module.parameters()}
    sums = [
        f"{name} {_bits(p).sum(dtype=torch.int64).item()}"
        for name, p in model.adapter.named_parameters()
        if not p.requires_grad and id(p) not in unused
    ]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:16]


def _bits(tensor: Tensor) -> Tensor:
    kinds = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.detach().contiguous().view(kinds[tensor.element_size()])


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor], *, place: str) -> None:
    """Put weights into a model, once all of them are known to fit.

    Args:
        model: Plain, or shared out over processes.
        tensors: Whole tensors by name.
        place: Where they come from, for messages.

    Raises:
        RunError: A name or shape differs.
    """
    targets = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    odd = sorted(name for name, t in tensors.items() if name not in targets or targets[name].shape != t.shape)
    if odd:
        raise RunError(
            f"{place} does not fit this model and strategy: {len(odd)} tensors differ (first: {odd[0]}); use the spec "
            "that it was trained with."
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            target = targets[name].detach()
            own_part(target).copy_(own_part(share_like(tensor, target)))


def restore_training(loop: Loop, state: Mapping[str, Any]) -> None:
    """Bring optimiser, schedule, scaler, progress and random numbers back; weights and average are in place already.

    Raises:
        RunError: The steps of an epoch are others than they were.
    """
    loop.progress.load_state_dict(state["progress"], patience=loop.settings.early_stopping_patience)
    loop.optimizer.load_state_dict(_shared_out(state["optimizer"], loop.optimizer))
    # The curve is drawn by this fit, which may have more epochs; only the number of steps is taken over.
    go_to_step(loop.scheduler, state["scheduled_steps"])
    scale_rates(loop.scheduler, loop.progress.lr_factor)
    if state["scaler"] or not loop.precision.scaler.is_enabled():
        loop.precision.scaler.load_state_dict(state["scaler"])
    loop.ema.num_updates = state["ema_updates"]
    loop.order_seed = state["order_seed"]
    for generator, saved in zip(loop.generators, state["generators"], strict=False):
        generator.set_state(saved)
    rank, known = loop.distributed.rank, len(state["random"])
    # The order of the rows is that of the main process; only dropout is each one's own.
    loop.epoch_start = state["epoch_start"][rank if rank < known else 0]
    if rank < known:
        set_random_state(state["random"][rank])


def _shared_out(saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimiser state of whole tensors as the optimiser's own parameters are shared out."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        i: {name: share_like(v, parameters[i]) if _is_shaped(v, parameters[i]) else v for name, v in values.items()}
        for i, values in saved["state"].items()
    }
    # Checkpoints of before steps were fused say that they are not.
    groups = [{**group, "fused": True, "foreach": None} for group in saved["param_groups"]]
    return {**saved, "state": state, "param_groups": groups}


def _is_shaped(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape


def _copy(tensor: Tensor, is_kept: bool) -> Tensor:
    """Return a copy on the CPU; a process that keeps none still helps to put the tensor together."""
    full = whole(tensor.detach())
    return full.to("cpu", copy=True).contiguous() if is_kept else torch.empty(0)


def _copy_nested(value: Any, is_kept: bool) -> Any:
    if isinstance(value, Tensor):
        return _copy(value, is_kept)
    if isinstance(value, dict):
        return {key: _copy_nested(item, is_kept) for key, item in value.items()}
    return type(value)(_copy_nested(item, is_kept) for item in value) if isinstance(value, list | tuple) else value

"""A checkpoint is a folder, written aside and renamed: weights that train as safetensors, LoRA in peft's format,
the state of the training, and a manifest with hashes. Nothing in it is unpickled into objects.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from molfun.errors import RunError
from molfun.models.lora import load_lora, save_lora
from molfun.models.structure import MolfunStructureModel

if TYPE_CHECKING:
    from molfun.training.loop import Loop

FORMAT = 1
WEIGHTS, AVERAGE, STATE, MANIFEST, LORA = (
    "weights.safetensors",
    "ema.safetensors",
    "training.pt",
    "manifest.json",
    "lora",
)


def save(loop: Loop, folder: Path, *, weights: str) -> Path:
    """Write a checkpoint of the model as it is now.

    Args:
        loop: The fit.
        folder: Where the checkpoint goes; an older one there is replaced when the new one is whole.
        weights: "ema" or "raw": which weights the model holds now. A checkpoint of averaged weights is for use, not for
            resuming, so the training state is left out.
    """
    aside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_file(_trained_tensors(loop.model), aside / WEIGHTS)
    if loop.model.lora_config is not None:
        save_lora(loop.model.adapter, loop.model.lora_config, aside / LORA)
    if folder.name != "best":
        _save_training(loop, aside)
    manifest = {
        "format": FORMAT, "weights": weights, "epoch": loop.progress.epoch, "step": loop.progress.step,
        "strategy": loop.strategy.describe(), "files": {name: _sha256(aside / name) for name in _files(aside)},
    }  # fmt: skip
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    _publish(aside, folder)
    return folder


def _trained_tensors(model: MolfunStructureModel) -> dict[str, Tensor]:
    """Return head, target scale and every trained trunk tensor by name; LoRA goes into its own file."""
    kept: dict[str, Tensor] = {
        n: p for n, p in model.named_parameters() if (p.requires_grad or n.startswith("head.")) and ".lora_" not in n
    }
    kept |= {"target_mean": model.target_mean, "target_std": model.target_std}
    return {name: tensor.detach().contiguous().cpu() for name, tensor in kept.items()}


def _save_training(loop: Loop, folder: Path) -> None:
    if loop.ema.is_active:
        save_file({n: t.detach().contiguous().cpu() for n, t in loop.ema.state_dict().items()}, folder / AVERAGE)
    state: dict[str, Any] = {
        "optimizer": loop.optimizer.state_dict(), "scheduler": loop.scheduler.state_dict(),
        "scaler": loop.precision.scaler.state_dict(), "ema_updates": loop.ema.num_updates,
        "progress": loop.state(), "random": _random_state(),
    }  # fmt: skip
    # Schedule curves are functions of the settings, which the new loop has; only the counters travel.
    state["scheduler"].pop("lr_lambdas", None)
    torch.save(state, folder / STATE)


def restore(loop: Loop, folder: Path) -> None:
    """Bring a loop back to where a checkpoint was written.

    Raises:
        RunError: The folder is no checkpoint, is damaged, or belongs to another model or strategy.
    """
    load_weights(loop.model, folder)
    if not (folder / STATE).exists():
        raise RunError(f"{folder} holds weights only, no training state; resume from `last` or an `epoch_N`.")
    state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    loop.optimizer.load_state_dict(state["optimizer"])
    loop.scheduler.load_state_dict({"lr_lambdas": [None] * len(loop.scheduler.lr_lambdas), **state["scheduler"]})
    loop.precision.scaler.load_state_dict(state["scaler"])
    if loop.ema.is_active:
        loop.ema.load_state_dict(load_file(folder / AVERAGE), state["ema_updates"])
    _restore_progress(loop, state["progress"])
    _set_random_state(state["random"])


def _restore_progress(loop: Loop, saved: dict[str, Any]) -> None:
    for name in ("epoch", "step", "best_value", "best_epoch", "epochs_without_improvement", "history"):
        setattr(loop.progress, name, saved[name])


def load_weights(model: MolfunStructureModel, folder: Path) -> dict[str, Any]:
    """Read the weights of a checkpoint into a model that its strategy has set up; return the manifest.

    Raises:
        RunError: The folder is no checkpoint, a file is damaged, or tensors do not fit.
    """
    manifest = read_manifest(folder)
    tensors = load_file(folder / WEIGHTS)
    expected = set(_trained_tensors(model))
    if set(tensors) != expected:
        odd = sorted(expected.symmetric_difference(tensors))
        raise RunError(
            f"{folder} does not fit this model and strategy: {len(odd)} tensors differ (first: {odd[0]}); "
            "use the spec that it was trained with."
        )
    model.load_state_dict(tensors, strict=False)
    if (folder / LORA).is_dir():
        load_lora(model.adapter, folder / LORA)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint whose files are whole.

    Raises:
        RunError: The folder is no checkpoint, or a file's hash differs.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{folder} is no checkpoint: it has no readable {MANIFEST}.") from None
    for name, expected in manifest.get("files", {}).items():
        path = folder / name
        if not path.is_file() or _sha256(path) != expected:
            raise RunError(f"The checkpoint {folder} is damaged: {name} is missing or changed; use an earlier one.")
    return manifest


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(aside: Path, folder: Path) -> None:
    """Flush a whole folder to disk and put it in the place of an older one."""
    for name in _files(aside):
        with (aside / name).open("rb") as file:
            os.fsync(file.fileno())
    older = folder.with_name(f".{folder.name}.older")
    shutil.rmtree(older, ignore_errors=True)
    if folder.exists():
        folder.rename(older)
    aside.rename(folder)
    shutil.rmtree(older, ignore_errors=True)


def _random_state() -> dict[str, Any]:
    version, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(words), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])

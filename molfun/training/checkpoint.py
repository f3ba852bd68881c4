"""A checkpoint is a folder, written aside and renamed: weights as safetensors, LoRA in peft's format, the state of the
training, and a manifest with hashes. Nothing in it is unpickled into objects.

    weights.safetensors      head, trained trunk, running statistics: the weights to use
    lora/                    LoRA, as peft loads it
    ema.safetensors          the moving average, where the weights above are the raw ones ("weights": "raw")
    raw.safetensors          the raw weights, where those above are the average ("weights": "ema")
    training.pt              optimiser, schedule, scaler, progress, history, random numbers
    manifest.json            what is where, and the hash of every file
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

from molfun.errors import RunError
from molfun.models.lora import lora_keys, read_lora, write_lora
from molfun.models.structure import MolfunStructureModel
from molfun.training.snapshot import (
    Snapshot,
    Weights,
    check_model,
    describe_model,
    kept_tensors,
    load_tensors,
)

FORMAT = 2
WEIGHTS, STATE, MANIFEST, LORA = "weights.safetensors", "training.pt", "manifest.json", "lora"
BEST, LAST, PREVIOUS = "best", "last", "previous"


def write_checkpoint(snapshot: Snapshot, folder: Path, *, weights: Weights) -> Path:
    """Write a checkpoint; what was in its place stays whole until the new one is.

    Args:
        snapshot: What to write.
        folder: Where it goes. The folder that `last` replaces becomes `previous`; any other is removed.
        weights: Which weights are those to use.

    Raises:
        OSError: The disk is full or not writable; nothing was replaced.
    """
    aside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _write_files(snapshot, aside, weights)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _publish(aside, folder)
    return folder


def _write_files(snapshot: Snapshot, folder: Path, weights: Weights) -> None:
    tensors, other = snapshot.weights(weights), snapshot.other(weights)
    lora = {key: tensors[name] for name, key in snapshot.lora_keys.items()}
    save_file({n: t for n, t in tensors.items() if n not in snapshot.lora_keys}, folder / WEIGHTS)
    if lora:
        write_lora(lora, snapshot.lora_config, folder / LORA)
    if other:
        save_file(other, folder / other_name(weights))
    with (folder / STATE).open("wb") as file:  # torch's own way of opening it loses what the system says of a full disk
        torch.save(snapshot.training, file)
    manifest = {
        "format": FORMAT, "weights": weights, **snapshot.about,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: metadata.version(name) for name in ("molfun", "torch")},
        "files": {name: _sha256(folder / name) for name in _files(folder)},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def other_name(weights: str) -> str:
    """Return the file of the weights that are not those to use."""
    return "raw.safetensors" if weights == "ema" else "ema.safetensors"


def _publish(aside: Path, folder: Path) -> None:
    """Flush a whole folder to disk and put it in the place of an older one."""
    for path in [*(aside / name for name in _files(aside)), *_folders(aside)]:
        _flush(path)
    older = folder.with_name(PREVIOUS if folder.name == LAST else f".{folder.name}.older")
    remove(older)
    if folder.exists():
        folder.rename(older)
    aside.rename(folder)
    _flush(folder.parent)
    if older.name != PREVIOUS:
        remove(older)


def remove(folder: Path) -> None:
    """Remove a checkpoint, if it is there; killed in between, it is gone and not damaged."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint whose files are whole.

    Raises:
        RunError: The folder is no checkpoint, a file's hash differs, or a newer Molfun wrote it.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, str] = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{folder} is no checkpoint: it has no readable {MANIFEST}.") from None
    check_format(manifest, folder)
    for name, expected in files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != expected:
            raise RunError(f"The checkpoint {folder} is damaged: {name} is missing or changed; use an earlier one.")
    return manifest


def check_format(manifest: Mapping[str, Any], folder: Path) -> None:
    """Hold that this version can read what a manifest tells of.

    Raises:
        RunError: A newer Molfun wrote it.
    """
    written_as = int(manifest.get("format", 0))
    if written_as > FORMAT:
        raise RunError(
            f"{folder} is in format {written_as}, this version of Molfun reads up to {FORMAT}; update Molfun."
        )


def load_weights(model: MolfunStructureModel, folder: Path) -> dict[str, Any]:
    """Read the weights to use of a checkpoint into a model that its strategy has set up; return the manifest.

    Raises:
        RunError: The folder is no checkpoint, is damaged, or does not fit the model.
    """
    manifest = read_manifest(folder)
    weights = read_weights(model, folder)
    if not any(isinstance(p, DTensor) for p in model.parameters()):
        check_model(describe_model(model), manifest, str(folder))
    load_tensors(model, weights, place=str(folder))
    return manifest


def read_weights(model: MolfunStructureModel, folder: Path) -> dict[str, Tensor]:
    """Return the weights to use by parameter name, LoRA included, once they are those that the model wants."""
    tensors = load_file(folder / WEIGHTS)
    if (folder / LORA).is_dir():
        names = {id(p): name for name, p in model.named_parameters()}
        places = {key: names[id(p)] for key, p in lora_keys(model.adapter).items()}
        tensors |= {places.get(key, key): value for key, value in read_lora(folder / LORA).items()}
    odd = sorted(set(kept_tensors(model)).symmetric_difference(tensors))
    if odd:
        raise RunError(
            f"{folder} does not fit this model and strategy: {len(odd)} tensors differ (first: {odd[0]}); "
            "use the spec that it was trained with."
        )
    return tensors


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _folders(folder: Path) -> list[Path]:
    return [*(path for path in folder.rglob("*") if path.is_dir()), folder]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

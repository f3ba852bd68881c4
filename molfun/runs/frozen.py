"""Kept states of frozen trunks, without torch: what a run would add to them, and which stores lie on the disk."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from molfun.adapters.catalog import MODELS, find_model
from molfun.data.dataset import Dataset, load_dataset
from molfun.data.encoded_rows import residue_window
from molfun.errors import DataError
from molfun.runs.disk import folder_bytes, format_bytes
from molfun.runs.files import read_json
from molfun.runs.spec import RunSpec
from molfun.training.state_store import (
    FLOAT_BYTES,
    KEY_BYTES,
    RECORD,
    SPARE_BYTES,
    is_in_use,
    last_used,
    read_keys,
    remove_store,
)

GIGABYTE = 10**9
PACKAGES = ("torch", "transformers")  # states of another version are others


@dataclass(frozen=True)
class KeptForecast:
    """What a run adds to the kept states.

    Attributes:
        num_sequences: Different sequences of all parts and chains.
        num_known: Those whose states are there already.
        num_kept: Of the others, those for which there is room.
        num_bytes: States and index of all the others, in bytes.
        limit_bytes: What all stores together may hold.
        where: Of what the states are, in words.
    """

    num_sequences: int
    num_known: int
    num_kept: int
    num_bytes: int
    limit_bytes: int
    where: str

    def passes(self, epochs: int) -> float:
        """Return how often the frozen beginning is computed in so many epochs: 1 is once for all sequences."""
        later = 1.0 - (self.num_known + self.num_kept) / self.num_sequences
        return 1.0 - self.num_known / self.num_sequences + (epochs - 1) * later

    @property
    def line(self) -> str:
        """It in a sentence."""
        new, known = self.num_sequences - self.num_known, f"{self.num_known:,} of {self.num_sequences:,} sequences"
        if not new:
            return f"Frozen states: already kept of all {self.num_sequences:,} sequences ({self.where})."
        size, limit = format_bytes(self.num_bytes), format_bytes(self.limit_bytes)
        have = f"; {known} are there already" if self.num_known else ""
        if self.num_kept < new:
            return (
                f"Frozen states: {size} ({self.where}) do not fit{have}; {self.num_kept:,} of {new:,} sequences will "
                f"be kept, the others are computed again each epoch. All stores together may take {limit}."
            )
        return f"Frozen states: {size} on disk (of {limit}), {self.where}; computed once, read ever after{have}."


def forecast_kept(home: Path, spec: RunSpec, dataset: Dataset, answer: Mapping[str, Any]) -> KeptForecast | None:
    """Return what a run would keep; None where it keeps nothing.

    Args:
        home: The data folder.
        spec: The run's.
        dataset: Its data; saved.
        answer: Of `molfun.runs.analysis.preview_parameters`.
    """
    frozen, training = answer.get("frozen"), spec.training
    is_spread = training.num_processes > 1 and training.distributed == "fsdp"
    if not frozen or not training.keep_frozen or not training.keep_frozen_gb or training.crop_size or is_spread:
        return None
    about = frozen["about"]
    sizes = sequence_sizes(home, dataset.id, spec.model.name)
    if not sizes:
        return None
    store = _find_store(home, spec, about)
    known = sizes.keys() & read_keys(store).keys() if store is not None else set()
    new = [size for key, size in sizes.items() if key not in known]
    rows = len(new) if about["pooling"] else sum(new)
    num_bytes = rows * frozen["width"] * FLOAT_BYTES + len(new) * RECORD.size
    limit = int(training.keep_frozen_gb * GIGABYTE)
    room = _room(home, store, limit)
    num_kept = len(new) if num_bytes <= room else max(0, int(len(new) * room / num_bytes))
    return KeptForecast(len(sizes), len(known), num_kept, num_bytes, limit, _where(about, frozen["num_blocks"]))


@lru_cache(maxsize=8)
def sequence_sizes(home: Path, dataset_id: str, model: str) -> dict[bytes, int]:
    """Return tokens, specials included, of every different sequence that a model sees of a dataset, by its key.

    Keys are those of `molfun.training.prefix_cache`.
    """
    card = find_model(model)
    dataset = load_dataset(home / "datasets", dataset_id)
    try:
        dataset = dataset.fitting(card.num_residues_limit)
    except DataError:  # it cannot start; the page says so
        return {}
    frame = dataset.frame[dataset.frame["split"].isin(list(dataset.counts))]
    found: dict[bytes, int] = {}
    for name in (f"chain_{i + 1}" for i in range(dataset.num_chains)):
        for sequence in frame[name].unique():
            try:
                window = residue_window(len(sequence), card.num_residues_limit, dataset.columns.too_long)
                tokens = card.alphabet.encode(sequence[window])
            except DataError:  # as above
                continue
            key = hashlib.blake2b(np.asarray(tokens, dtype=np.int32).tobytes(), digest_size=KEY_BYTES).digest()
            found[key] = len(tokens)
    return found


def _find_store(home: Path, spec: RunSpec, about: Mapping[str, Any]) -> Path | None:
    """Return the store that a run reads, where that can be told without its weights."""
    source = spec.model.start_from or spec.model.weights
    if source != "pretrained" and not spec.model.start_from:
        return None  # drawn anew, or a folder that may have changed since
    wanted = {**about, "card": spec.model.name, "weights": source} | {name: _version(name) for name in PACKAGES}
    for folder in _folders(home):
        if read_json(folder / "about.json") == wanted:
            return folder
    return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _room(home: Path, own: Path | None, limit: int) -> int:
    """Return the bytes that a store may still grow by: those that nobody has open make room."""
    sizes = {folder: folder_bytes(folder) for folder in _folders(home)}
    stay = sum(size for folder, size in sizes.items() if folder == own or is_in_use(folder))
    free = shutil.disk_usage(home).free + sum(sizes.values()) - stay - SPARE_BYTES
    return max(0, min(limit - stay, free))


def _where(about: Mapping[str, Any], num_blocks: int | None) -> str:
    part = "all of the trunk" if about["whole"] else f"first {about['depth']} of {num_blocks or '?'} blocks"
    return f"{part}, one vector a sequence" if about["pooling"] else f"{part}, of every residue"


@dataclass(frozen=True)
class FrozenStore:
    """Kept states on the disk.

    Attributes:
        path: Its folder.
        title: Of what model and which part of it.
        num_sequences: How many.
        num_bytes: Its size.
        used: When it was opened last, unix seconds.
        is_open: Whether a process has it open.
    """

    path: Path
    title: str
    num_sequences: int
    num_bytes: int
    used: float
    is_open: bool


def list_stores(home: Path) -> list[FrozenStore]:
    """Return the stores, the largest first."""
    found = [
        FrozenStore(folder, _title(read_json(folder / "about.json")), len(read_keys(folder)), folder_bytes(folder),
                    last_used(folder), is_in_use(folder))
        for folder in _folders(home)
    ]  # fmt: skip
    return sorted(found, key=lambda store: store.num_bytes, reverse=True)


def free_store(folder: Path) -> int:
    """Remove a store unless it is open; return the bytes that were freed."""
    size = folder_bytes(folder)
    return size if remove_store(folder) else 0


def _title(about: Mapping[str, Any]) -> str:
    try:
        card = MODELS.get(about["card"])
        name = card.short_title if card is not None else str(about["card"])
        return f"{name}, {about['weights'] or 'own'} weights: {_where(about, card.num_blocks if card else None)}"
    except (KeyError, TypeError):  # half written, or of another version
        return "States of a frozen trunk"


def _folders(home: Path) -> list[Path]:
    root = home / "cache" / "frozen"
    if not root.is_dir():
        return []
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]

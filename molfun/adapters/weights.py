"""Where pretrained weights come from: a file inside an installed package, a local folder, or the hub.

Packages are read as data and never imported; nothing is unpickled but plain tensors (`weights_only=True`).
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from molfun.adapters.card import how_to_install
from molfun.errors import ModelError, first_line


def package_folder(distribution: str, inside: str) -> Path:
    """Return the folder `inside` an installed distribution, without importing it.

    Raises:
        ModelError: The distribution, or the folder in it, is absent; the install line is given.
    """
    remedy = how_to_install(distribution)
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        raise ModelError(
            f"The pretrained weights lie in the package {distribution}, which is absent; {remedy}"
        ) from None
    folder = Path(str(found.locate_file(f"{distribution}/{inside}")))
    if not folder.is_dir():
        raise ModelError(f"The package {distribution} {found.version} holds no weights; {remedy}")
    return folder


def read_package_weights(distribution: str, inside: str) -> dict[str, Tensor]:
    """Return the state dict in `pytorch_model.bin` of a package folder, on the CPU, memory-mapped.

    Raises:
        ModelError: The distribution, or that file in it, is absent.
    """
    path = package_folder(distribution, inside) / "pytorch_model.bin"
    if not path.is_file():
        raise ModelError(f"The package {distribution} lacks {inside}/{path.name}; {how_to_install(distribution)}")
    # The file was saved on a GPU, so it needs map_location; weights_only refuses anything but tensors.
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return state


def read_local_config(folder: Path) -> dict[str, Any]:
    """Return the `config.json` of a folder in Hugging Face format.

    Raises:
        ModelError: The folder has no readable `config.json`.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read {path}: {error}. Expected a model folder in Hugging Face format.") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} is no model configuration; expected a folder in Hugging Face format.")
    return config


def load_model(
    family: type[Any], place: str, problem: str, *, unused: tuple[str, ...] = (), **options: Any
) -> nn.Module:
    """Read a model in Hugging Face format, in float32 whatever the file holds.

    Args:
        family: Class of transformers.
        place: Folder, or name on the hub.
        problem: How an error begins.
        unused: Beginnings of names that may be missing.
        **options: Of `from_pretrained`.

    Raises:
        ModelError: There is nothing that can be read, or a part of it is missing.
    """
    try:
        model, report = family.from_pretrained(
            place, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{problem}: {first_line(error)}. Give a local folder with config.json and model.safetensors as "
            "`model.weights`, or 'random' for the untrained architecture."
        ) from error
    # transformers would leave these at their random start and only log it.
    lost = sorted(name for name in report["missing_keys"] if not name.startswith(unused or ("-",)))
    if lost:
        raise ModelError(f"{problem}: {len(lost)} tensors are missing (first: {lost[0]}); the file is incomplete.")
    trunk: nn.Module = model
    return trunk

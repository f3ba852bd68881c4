"""Finds and imports the package OpenFold, which no registry has; everything of it comes through here, late."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molfun.errors import ModelError

KERNEL = "attn_core_inplace_cuda"
INSTALL = (
    "Clone https://github.com/aqlaboratory/openfold (version 2.2.0 was tried), put its folder on PYTHONPATH, and "
    "install what it imports: pip install ml_collections dm-tree biopython modelcif"
)


@dataclass(frozen=True)
class OpenFold:
    """What is used of the package: the class of the model, its presets, and how it reads weights."""

    model: type[Any]
    model_config: Any
    import_weights: Any


def import_openfold() -> OpenFold:
    """Import the package.

    Raises:
        ModelError: It is absent, lacks a package that it needs, or is another version; the install line is given.
    """
    # It calls PyTorch by older names, and every process would say so.
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=r"openfold\.")
    _provide_kernel()
    try:
        return OpenFold(
            importlib.import_module("openfold.model.model").AlphaFold,
            importlib.import_module("openfold.config").model_config,
            importlib.import_module("openfold.utils.import_weights").import_openfold_weights_,
        )
    except (ImportError, AttributeError) as error:
        raise ModelError(f"The package OpenFold cannot be used here: {error}. {INSTALL}") from error


def _provide_kernel() -> None:
    """Put PyTorch's own operations in the place of OpenFold's kernel where that is not compiled, or has no GPU.

    OpenFold imports the kernel in any case; what it compiles without a GPU only raises.
    """
    if KERNEL in sys.modules or (torch.cuda.is_available() and importlib.util.find_spec(KERNEL)):
        return
    module = ModuleType(KERNEL)
    vars(module).update(forward_=_softmax_inplace, backward_=_softmax_backward_inplace)
    sys.modules[KERNEL] = module


def _softmax_inplace(logits: Tensor, num_rows: int, num_columns: int) -> None:
    """Write the softmax over the last dimension into `logits`."""
    logits.copy_(logits.softmax(-1))


def _softmax_backward_inplace(
    weights: Tensor, gradient: Tensor, values: Tensor, num_rows: int, num_columns: int, num_channels: int
) -> None:
    """Write the gradient of the logits into `weights`, given the gradient of weights x values."""
    of_weights = gradient @ values.transpose(-1, -2)
    weights.mul_(of_weights - (of_weights * weights).sum(-1, keepdim=True))


@contextmanager
def numpy_follows_torch() -> Iterator[None]:
    """Draw NumPy's random numbers from torch's seed for a while: OpenFold's first weights come from NumPy."""
    state = np.random.get_state()
    np.random.seed(int(torch.randint(2**31, (), device="cpu")))
    try:
        yield
    finally:
        np.random.set_state(state)

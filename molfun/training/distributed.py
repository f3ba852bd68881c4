"""How a run is spread over processes. One process is a class too, so that the loop has no special case."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from molfun.errors import SettingError
from molfun.models.structure import MolfunStructureModel


class BaseDistributedStrategy(ABC):
    """Process group, wrapping and reduction."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of this process."""

    @property
    @abstractmethod
    def is_main_process(self) -> bool:
        """True in the one process that writes."""

    @property
    @abstractmethod
    def local_rank(self) -> int:
        """Number of this process on its machine, from 0."""

    def setup(self) -> None:
        """Join the process group."""
        return

    def wrap_model(self, model: MolfunStructureModel) -> Any:
        """Return the module whose forward synchronises gradients."""
        return model

    def wrap_loader(self, loader: Any, *, shuffle: bool) -> Any:
        """Return a loader that gives this process its share of the rows."""
        return loader

    def reduce(self, value: Tensor) -> Tensor:
        """Return the sum of `value` over all processes."""
        return value

    def barrier(self) -> None:
        """Wait for all processes."""
        return

    def cleanup(self) -> None:
        """Leave the process group."""
        return


class SingleDevice(BaseDistributedStrategy):
    """One process on one device.

    Args:
        device: "auto" takes the GPU where there is one; "cpu"; "cuda".

    Raises:
        SettingError: "cuda" is asked for and there is none.
    """

    def __init__(self, device: str = "auto") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise SettingError("Device 'cuda' was asked for, but this machine shows no GPU; use 'auto' or 'cpu'.")
        has_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self._device = torch.device("cuda" if has_gpu else "cpu")

    @property
    @override
    def device(self) -> torch.device:
        return self._device

    @property
    @override
    def is_main_process(self) -> bool:
        return True

    @property
    @override
    def local_rank(self) -> int:
        return 0

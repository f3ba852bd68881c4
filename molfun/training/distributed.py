"""How a run is spread over processes: one, several copies (DDP), or shared-out parameters (FSDP2).

One process is a class too, so that the loop has no special case. Several are started by torchrun.
"""

from __future__ import annotations

import inspect
import os
import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from molfun.errors import RunError, SettingError
from molfun.models.structure import MolfunStructureModel
from molfun.training.loaders import RankLoader
from molfun.types import Loader

# Running statistics stay as each process computed them; torch 2.13 renamed the switch.
_HAS_NEW_NAME = "forward_sync_buffers" in inspect.signature(DistributedDataParallel.__init__).parameters
_LEAVE_BUFFERS: dict[str, Any] = {"forward_sync_buffers" if _HAS_NEW_NAME else "broadcast_buffers": False}


class BaseDistributedStrategy(ABC):
    """Process group, wrapping and reduction. The defaults are those of a single process."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of this process."""

    @property
    def rank(self) -> int:
        """Number of this process among all, from 0."""
        return 0

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return 1

    @property
    def local_rank(self) -> int:
        """Number of this process on its machine, from 0."""
        return 0

    @property
    def is_main_process(self) -> bool:
        """True in the one process that writes."""
        return self.rank == 0

    @property
    def shares_weights(self) -> bool:
        """Whether no process holds all of the model, so that parts of it cannot be run alone."""
        return False

    def setup(self) -> None:
        """Join the process group; a second call inside the first only counts."""
        return

    def wrap_model(self, model: MolfunStructureModel) -> nn.Module:
        """Place a prepared model and return the module whose forward and backward synchronise gradients."""
        return model.to(self.device)

    def wrap_loader(self, loader: Loader, *, shuffle: bool) -> RankLoader:
        """Return a loader that gives this process its share of the batches.

        Args:
            loader: As for a single process, with the batch size of one process.
            shuffle: Whether the order of rows may be random.

        Raises:
            DataError: The loader shares its rows out already.
        """
        return RankLoader(loader, rank=self.rank, world_size=self.world_size)

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """Return a context in which gradients are only summed up locally: all batches of a window but the last."""
        return nullcontext()

    def reduce(self, value: Tensor) -> Tensor:
        """Return the sum of `value` over all processes."""
        return value

    def total(self, *values: float) -> list[float]:
        """Return the sums of numbers over all processes, in float64."""
        return list(values)

    def collect(self, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks, on every process."""
        return [value]

    def barrier(self) -> None:
        """Wait for all processes."""
        return

    def cleanup(self) -> None:
        """Leave the process group, at the call that belongs to the first `setup`."""
        return


class SingleDevice(BaseDistributedStrategy):
    """One process on one device.

    Args:
        device: "auto" takes the GPU where there is one; "cpu"; "cuda".

    Raises:
        SettingError: "cuda" is asked for and there is none.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = torch.device(choose_device(device))

    @property
    @override
    def device(self) -> torch.device:
        return self._device


class DDPStrategy(BaseDistributedStrategy):
    """A copy of the model in every process; gradients are averaged while the backward pass runs.

    Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, which torchrun sets.

    Args:
        backend: "nccl", "gloo", or "auto": nccl on GPUs, gloo on CPUs.
        device: "auto", "cpu" or "cuda"; each process takes the GPU of its local rank.
        timeout_seconds: How long a process waits for the others before it gives up.

    Raises:
        SettingError: The process was not started by torchrun, or there are fewer GPUs than processes.
    """

    def __init__(self, backend: str = "auto", device: str = "auto", timeout_seconds: float = 600.0) -> None:
        missing = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name not in os.environ]
        if missing:
            raise SettingError(
                f"{type(self).__name__} expects {', '.join(missing)} in the environment, which torchrun sets; start "
                "with: torchrun --nproc-per-node 2 script.py"
            )
        kind = choose_device(device)
        if kind == "cuda" and self.local_rank >= torch.cuda.device_count():
            raise SettingError(
                f"This machine shows {torch.cuda.device_count()} GPUs, but process {self.local_rank + 1} wants one of "
                "its own; start as many processes as there are GPUs, or take device 'cpu'."
            )
        self._device = torch.device(kind, self.local_rank) if kind == "cuda" else torch.device(kind)
        self.backend = ("nccl" if kind == "cuda" else "gloo") if backend == "auto" else backend
        self.timeout = timedelta(seconds=timeout_seconds)
        self._depth = 0
        self._owns_group = False

    @property
    @override
    def device(self) -> torch.device:
        return self._device

    @property
    @override
    def rank(self) -> int:
        return int(os.environ["RANK"])

    @property
    @override
    def world_size(self) -> int:
        return int(os.environ["WORLD_SIZE"])

    @property
    @override
    def local_rank(self) -> int:
        return int(os.environ["LOCAL_RANK"])

    @override
    def setup(self) -> None:
        self._depth += 1
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if dist.is_initialized():
            return
        dist.init_process_group(self.backend, timeout=self.timeout)
        self._owns_group = True

    @override
    def wrap_model(self, model: MolfunStructureModel) -> nn.Module:
        # Adapters keep out of training what never enters the loss, so no parameter is waited for in vain.
        return DistributedDataParallel(model.to(self.device), gradient_as_bucket_view=True, **_LEAVE_BUFFERS)

    @override
    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        assert isinstance(wrapped, DistributedDataParallel)
        return wrapped.no_sync()

    @override
    def reduce(self, value: Tensor) -> Tensor:
        summed = value.to(self.device, copy=True)
        dist.all_reduce(summed)
        return summed.to(value.device)

    @override
    def total(self, *values: float) -> list[float]:
        summed: list[float] = self.reduce(torch.tensor(values, dtype=torch.float64)).tolist()
        return summed

    @override
    def collect(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.world_size
        dist.all_gather_object(found, value)
        return found

    @override
    def barrier(self) -> None:
        dist.barrier()

    @override
    def cleanup(self) -> None:
        self._depth -= 1
        if self._depth or not self._owns_group:
            return
        # After an error the others may never answer, and leaving an nccl group waits for them; the end of the
        # process leaves it as well.
        if self.backend != "nccl" or sys.exc_info()[0] is None:
            dist.destroy_process_group()
        self._owns_group = False


class FSDPStrategy(DDPStrategy):
    """Parameters, gradients and optimiser state shared out over the processes (FSDP2), for models beyond one card.

    Every trunk block is a unit that is put together only while it computes. After `fit` the model stays shared out;
    load a checkpoint into a new model to use it elsewhere.
    """

    @property
    @override
    def shares_weights(self) -> bool:
        return True

    @override
    def wrap_model(self, model: MolfunStructureModel) -> nn.Module:
        if isinstance(model, FSDPModule):
            raise RunError("The model is shared out by an earlier fit; build a new one and load a checkpoint into it.")
        mesh = init_device_mesh(self.device.type, (self.world_size,))
        for module in [*model.adapter.get_trunk_blocks(), model]:
            self._take_from_main(module)
            # Also for the root: left together after a validation, it would not see weights that change meanwhile.
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
        return model

    def _take_from_main(self, module: nn.Module) -> None:
        """Give every process the main one's values; each could have drawn others for what starts at random."""
        for tensor in [*module.parameters(), *module.buffers()]:
            if not isinstance(tensor, DTensor):
                moved = tensor.data.to(self.device)
                dist.broadcast(moved, src=0)
                tensor.data = moved

    @override
    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        assert isinstance(wrapped, FSDPModule)
        return _UnsharedSync(wrapped)


class _UnsharedSync:
    """Keeps FSDP2 from reducing gradients within the block."""

    def __init__(self, wrapped: FSDPModule) -> None:
        self.wrapped = wrapped

    def __enter__(self) -> None:
        self.wrapped.set_requires_gradient_sync(False)

    def __exit__(self, *error: object) -> None:
        self.wrapped.set_requires_gradient_sync(True)


def choose_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cpu" or "cuda".

    Raises:
        SettingError: "cuda" is asked for and there is none, or no device is named so.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SettingError(
            f"No device is named {device!r}; expected 'auto', 'cpu' or 'cuda'. Which GPU that is, CUDA_VISIBLE_DEVICES "
            "decides."
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("Device 'cuda' was asked for, but this machine shows no GPU; use 'auto' or 'cpu'.")
    return "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"

"""Numbers to compute in: bfloat16 where it is faster, float16 with scaling on older GPUs, else float32."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.optim import Optimizer


class Precision:
    """Autocast and gradient scaling for one device.

    Args:
        device: Where the model computes.
        amp: False computes everything in float32.
        dtype: Takes this one instead of choosing; float16 always comes with gradient scaling.

    `reason` says in words what was chosen and why.
    """

    def __init__(self, device: torch.device, *, amp: bool, dtype: torch.dtype | None = None) -> None:
        self.device = device
        self.dtype, self.reason = _choose(device, amp) if dtype is None else (dtype, f"{dtype}, as asked for")
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def step(self, optimizer: Optimizer, *, unless: Tensor | None = None) -> bool:
        """Take an optimiser step; return False where the scaler skipped it because of an overflow.

        Args:
            optimizer: A fused one, where `unless` is given.
            unless: Bool [], on the device: nothing moves where it is True, and nobody waits to know whether it is.
        """
        if not self.scaler.is_enabled():
            self._step_unless(optimizer, unless)
            return True
        self.scaler.step(optimizer)
        # A fused optimiser skips on the device, where no hook sees it; the scale shrinks after every skipped step.
        before = self.scaler.get_scale()
        self.scaler.update()
        return self.scaler.get_scale() >= before

    def _step_unless(self, optimizer: Optimizer, unless: Tensor | None) -> None:
        if unless is None:
            optimizer.step()
            return
        # Where fused optimisers look, and where torch's own scaler puts it.
        optimizer.found_inf = unless.float()  # type: ignore[attr-defined]
        try:
            optimizer.step()
        finally:
            del optimizer.found_inf  # type: ignore[attr-defined]


def _choose(device: torch.device, amp: bool) -> tuple[torch.dtype, str]:
    if not amp:
        return torch.float32, "float32, as mixed precision is off"
    if device.type == "cuda":
        if not torch.cuda.is_available():  # a forecast for another machine, whose GPU nobody can ask here
            return torch.bfloat16, "bfloat16, if the GPU there has it (Ampere or newer)"
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "bfloat16, native on this GPU"
        return torch.float16, "float16 with gradient scaling, as this GPU has no native bfloat16"
    if _cpu_gains_from_bfloat16():
        return torch.bfloat16, "bfloat16, native on this CPU"
    return torch.float32, "float32, as bfloat16 has no matrix unit on this CPU and would be slower"


def _cpu_gains_from_bfloat16() -> bool:
    """Tell whether this CPU multiplies matrices of bfloat16 in tiles (AMX, or Arm's own instructions).

    Vectors alone (AVX-512 BF16) do not make up for the casts: `python -m benchmarks.steps` compares both.
    """
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("bf16"))

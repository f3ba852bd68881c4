from __future__ import annotations

import pytest
import torch

from molfun.models.precision import Precision

CPU = torch.device("cpu")


def test_precision_without_amp_is_float32() -> None:
    precision = Precision(CPU, amp=False)
    assert precision.dtype is torch.float32
    with precision.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


def test_precision_on_cpu_is_bfloat16_only_where_matrices_are_multiplied_in_it() -> None:
    precision = Precision(CPU, amp=True)
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ("amx_bf16", "bf16"))
    assert precision.dtype is (torch.bfloat16 if native else torch.float32)
    assert ("native" if native else "slower") in precision.reason
    assert not precision.scaler.is_enabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the GPU itself is asked")
def test_of_a_gpu_that_is_not_here_nothing_is_said_that_nobody_knows() -> None:
    precision = Precision(torch.device("cuda"), amp=True)
    assert precision.dtype is torch.bfloat16
    assert precision.reason == "bfloat16, if the GPU there has it (Ampere or newer)"
    assert not precision.scaler.is_enabled()


def test_step_without_scaler_always_counts() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = torch.ones(1)
    assert Precision(CPU, amp=False).step(optimizer)
    assert weight.item() == 0.0


def test_a_step_that_overflows_is_not_taken_and_not_counted() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight], fused=True)
    precision = Precision(CPU, amp=True, dtype=torch.float16)
    for gradient, is_taken in ((torch.inf, False), (1.0, True)):
        precision.scaler.scale(weight.sum()).backward()
        weight.grad = torch.full((1,), gradient)
        before = weight.item()
        assert precision.step(optimizer) is is_taken
        assert (weight.item() != before) is is_taken


def test_a_step_is_not_taken_where_the_device_finds_what_is_not_finite() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer, precision = torch.optim.AdamW([weight], fused=True), Precision(CPU, amp=False)
    for gradient in (1.0, torch.nan, 1.0):
        weight.grad = torch.full((3,), gradient)
        before = weight.detach().clone()
        precision.step(optimizer, unless=~torch.isfinite(weight.grad).all())
        assert torch.equal(weight, before) is (gradient != 1.0)
    assert optimizer.state[weight]["step"].item() == 2
    assert not hasattr(optimizer, "found_inf")

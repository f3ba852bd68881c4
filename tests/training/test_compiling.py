"""Compiled blocks give the same numbers, and a machine without a compiler trains all the same."""

from __future__ import annotations

import logging
import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from molfun.training import PartialFinetune
from molfun.training.compiling import compiled_blocks, why_not
from tests.tiny import tiny_batch, tiny_model

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler (g++)")


def losses(strategy: PartialFinetune, *, compiles: bool) -> tuple[list[float], dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = tiny_model(num_blocks=2)
    batches = [tiny_batch(model.adapter.alphabet) for _ in range(3)]
    history = strategy.fit(model, batches, batches[:1], epochs=2, seed=3, compile_blocks=compiles)
    return [row[name] for row in history for name in ("train_loss", "val_loss")], model.state_dict()


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself, and under pytest that would be what stops it
def test_compiled_blocks_have_the_same_losses_and_leave_the_model_as_it_was() -> None:
    plain, weights = losses(PartialFinetune(amp=False, unfreeze_last_n=1), compiles=False)
    counters.clear()
    compiled, others = losses(PartialFinetune(amp=False, unfreeze_last_n=1), compiles=True)
    assert counters["stats"]["unique_graphs"] >= 2
    assert compiled == pytest.approx(plain, rel=1e-5)
    assert weights.keys() == others.keys()


@pytest.mark.filterwarnings("ignore")
def test_without_a_compiler_a_fit_goes_on_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path
) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "no-compiler"),))
    torch.compiler.reset()
    with caplog.at_level(logging.WARNING):
        found, _ = losses(PartialFinetune(amp=False, unfreeze_last_n=1), compiles=True)
    assert len(found) == 4
    assert "Blocks are not compiled: torch.compile does not work here" in caplog.text


def test_shared_weights_are_not_compiled() -> None:
    assert why_not(shares_weights=True) == "FSDP shares the weights of a block out"
    with compiled_blocks(tiny_model(), enabled=True, shares_weights=True) as reason:
        assert "FSDP" in reason

"""Blocks of a trunk compiled for the time of a fit, and why they are not where that does not work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from molfun.errors import first_line
from molfun.models.structure import MolfunStructureModel

logger = logging.getLogger(__name__)

# Lengths differ from batch to batch: one program for all of them, rather than one each.
DYNAMIC = True


@contextmanager
def compiled_blocks(
    model: MolfunStructureModel, *, enabled: bool, shares_weights: bool = False, device: torch.device | None = None
) -> Iterator[str]:  # fmt: skip
    """Compile every block of the trunk within the block of code; names and values of its parameters stay as they are.

    A block that cannot be compiled runs as it is: nothing that torch raises while it compiles ends a fit.

    Args:
        model: Prepared by its strategy.
        enabled: False does nothing.
        shares_weights: Whether each process holds a part of every weight (FSDP), which is left as it is.
        device: On which the blocks will run, each kind has a compiler of its own; None is the processor.

    Yields:
        Why nothing is compiled, "" where it is or nobody asked.
    """
    reason = why_not(shares_weights=shares_weights, device=device) if enabled else ""
    if not enabled or reason:
        if reason:
            logger.warning("Blocks are not compiled: %s. They run as they are.", reason)
        yield reason
        return
    blocks = model.adapter.get_trunk_blocks()
    dynamo, inductor = torch._dynamo.config, _inductor_config()
    before, dynamo.suppress_errors = dynamo.suppress_errors, True
    # Dropout draws as it does without compiling, so that a seed means the same.
    drawn, inductor.fallback_random = inductor.fallback_random, True
    for block in blocks:
        block.compile(dynamic=DYNAMIC)
    logger.info("The %d blocks are compiled when they first run, which takes a minute or so.", len(blocks))
    try:
        yield ""
    finally:
        dynamo.suppress_errors, inductor.fallback_random = before, drawn
        for block in blocks:
            block._compiled_call_impl = None


def why_not(*, shares_weights: bool = False, device: torch.device | None = None) -> str:
    """Return why this machine cannot compile for a device, in words; "" where it can."""
    if shares_weights:
        return "FSDP shares the weights of a block out"
    before, torch._dynamo.config.suppress_errors = torch._dynamo.config.suppress_errors, False
    try:
        torch.compile(_probe)(torch.ones(2, device=device))
    except Exception as error:  # noqa: BLE001 - compilers fail in as many ways as there are machines
        return f"torch.compile does not work here ({type(error).__name__}: {first_line(error)[:150]})"
    finally:
        torch._dynamo.config.suppress_errors = before
    return ""


def _inductor_config() -> Any:
    """Return inductor's settings; it takes seconds to load, which is for those who compile."""
    return import_module("torch._inductor.config")


def _probe(numbers: torch.Tensor) -> torch.Tensor:
    return numbers * 2 + 1

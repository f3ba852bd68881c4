"""What would train, counted on the meta device from the configuration alone, and what memory it takes: no weights.

Runs as its own process, because it needs torch and the app must not load it: one JSON request a line on standard
input, one JSON answer a line on standard output (`python -m molfun.training.preview --serve`).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import torch

from molfun.errors import MolfunError
from molfun.models.build import build_model
from molfun.models.parameters import count_parts
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training.build import build_strategy
from molfun.training.distributed import choose_device
from molfun.training.forecast import forecast
from molfun.training.prefix_cache import about_states, find_boundary

logger = logging.getLogger(__name__)


def preview_parameters(request: Mapping[str, Any]) -> dict[str, Any]:
    """Count what a spec would train.

    Args:
        request: {"spec": a run spec as plain values, "task", "num_outputs", "num_chains"}.

    Returns:
        {"parts", "groups", "blocks", "total", "trainable", "warnings"}, where counts are numbers of parameters; and
        "frozen", what of the trunk is computed once a sequence: {"about": as `prefix_cache.about_states` gives it,
        "width" of a state in numbers, "num_blocks" of the trunk}, None where nothing is.

    Raises:
        MolfunError: The spec's model or strategy cannot be built.
    """
    spec = request["spec"]
    with torch.device("meta"):
        model = build_model(
            ModelSettings.parse(spec["model"]), task=request["task"], num_chains=request["num_chains"],
            num_outputs=request["num_outputs"], load=False,
        )  # fmt: skip
        strategy = build_strategy(spec["strategy"])
        strategy.setup(model)
    return {**count_parts(model, strategy.param_groups(model)), "frozen": _frozen(model, amp=strategy.settings.amp)}


def _frozen(model: MolfunStructureModel, *, amp: bool) -> dict[str, Any] | None:
    boundary = find_boundary(model)
    if boundary is None:
        return None
    precision = Precision(torch.device(choose_device("auto")), amp=amp)
    return {
        "about": about_states(model.adapter, boundary, precision), "width": model.adapter.hidden_size,
        "num_blocks": len(model.adapter.get_trunk_blocks()),
    }  # fmt: skip


def answer(line: str) -> dict[str, Any]:
    """Answer one request; problems come back as {"error": sentence}."""
    try:
        request = json.loads(line)
        return forecast(request) if request.get("what") == "memory" else preview_parameters(request)
    except MolfunError as error:
        return {"error": str(error)}
    except Exception:  # the process must outlive any one request; the log keeps the traceback
        logger.exception("A preview failed.")
        return {"error": "It could not be worked out; the app's log says why."}


def serve() -> None:
    """Answer requests until standard input closes, which it does when the app ends."""
    # Libraries print banners; only answers may reach standard output.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(answer(line)), file=out, flush=True)


if __name__ == "__main__":
    serve()

"""The forecast of memory against what the same batch holds with real numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from molfun.data.batches import Collate, SequenceRows
from molfun.data.example_structures import example_protein
from molfun.losses.catalog import find_loss
from molfun.models.build import build_model
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.runs.breakdown import ask_of_model
from molfun.training.build import build_strategy
from molfun.training.forecast import FRAGMENTS, PROGRAM_BYTES, SPECIAL_TOKENS, Ledger, forecast
from molfun.types import Batch, Chain

SIZE, LENGTHS = 3, (50,)
NAME = "esm2_8m"


class RealLedger(Ledger):
    """Counts what operations on real tensors hold; nothing is answered for them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result


def request(kind: str, *, limit: int = 0, device: str = "cpu", **changes: Any) -> dict[str, Any]:
    told = {"training.batch_size": SIZE, "strategy.amp": False}
    told |= {name.replace("__", "."): value for name, value in changes.items()}
    question = ask_of_model(NAME, strategy=kind, changes=told)
    spec = question.spec.model_dump(mode="json")
    return {"spec": spec, **question.about, "lengths": list(LENGTHS), "limit_bytes": limit, "device": device}


def build(spec: dict[str, Any]) -> MolfunStructureModel:
    model = build_model(ModelSettings.parse(spec["model"]), task="regression", num_chains=1, num_outputs=1, load=False)
    build_strategy(spec["strategy"]).setup(model)
    return model.train()


def real_peak(spec: dict[str, Any], *, dtype: torch.dtype, has_gradients: bool) -> int:
    """Return the most that forward and backward of a real batch hold beside the parameters."""
    model = build(spec)
    model.adapter.set_gradient_checkpointing(enabled=spec["training"]["gradient_checkpointing"])
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained if has_gradients else []:
        parameter.grad = torch.zeros_like(parameter)
    mask = torch.ones(SIZE, LENGTHS[0] + SPECIAL_TOKENS, dtype=torch.bool)
    mask[0, -1] = False
    batch = Batch((Chain(torch.full(mask.shape, 5), mask, mask),), None, None, torch.arange(SIZE))
    grads = [p.grad for p in trained if p.grad is not None]
    ledger = RealLedger([*model.parameters(), *model.buffers(), *grads, batch.chains[0].tokens_BL, mask])
    with ledger:
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            loss = model(batch)["preds"].float().sum()
        loss.backward()
    return ledger.peak + sum(grad.nbytes for grad in grads)


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_memory_is_what_real_tensors_hold(kind: str, checkpointing: bool, accumulation: int) -> None:
    asked = request(kind, training__gradient_checkpointing=checkpointing, strategy__accumulation_steps=accumulation)
    found = forecast(asked)
    peak = real_peak(asked["spec"], dtype=torch.float32, has_gradients=accumulation > 1)
    forecast_peak = found["parts"]["activations"] + found["parts"]["gradients"]
    # Where the peak is below the gradients alone, those are what stays.
    assert forecast_peak == pytest.approx(max(peak, found["parts"]["gradients"]), rel=0.001)


def test_half_precision_is_forecast_as_well() -> None:
    from molfun.training import forecast as module

    asked = request("full", strategy__amp=True)
    found = forecast(asked)
    dtype = module.Precision(torch.device("cpu"), amp=True).dtype
    peak = real_peak(asked["spec"], dtype=dtype, has_gradients=False)
    assert found["parts"]["activations"] + found["parts"]["gradients"] == pytest.approx(peak, rel=0.001)


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
def test_what_is_kept_is_what_parameters_and_optimiser_hold(kind: str) -> None:
    asked = request(kind, strategy__ema_decay=0.9)
    parts, model = forecast(asked)["parts"], build(asked["spec"])
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moments = sum(t.nbytes for state in optimizer.state.values() for t in state.values() if t.numel() > 1)
    singles = sum(2 * p.nbytes for p in trained if p.numel() == 1)  # whose moments look like the counter of steps
    assert parts["optimizer"] == moments + singles
    assert parts["weights"] + parts["lora"] == sum(p.nbytes for p in model.parameters())
    assert parts["gradients"] == parts["average"] == sum(p.nbytes for p in trained)
    assert (parts["lora"] > 0) == (kind == "lora")


def needs(found: dict[str, Any]) -> float:
    """Return what must be there for a batch on a processor."""
    return float(found["total"] + FRAGMENTS["cpu"] * found["parts"]["activations"] + PROGRAM_BYTES)


def test_what_does_not_fit_is_made_to_fit_at_the_same_rows_a_step() -> None:
    whole = forecast(request("full", training__batch_size=12))
    assert (whole["fits"], whole["fit"]) == (True, None)
    limit = int(needs(whole) - 0.3 * whole["parts"]["activations"])
    less = forecast(request("full", training__batch_size=12, limit=limit))
    assert not less["fits"]
    assert less["fit"]["training.batch_size"] * less["fit"]["strategy.accumulation_steps"] == 12
    assert less["fit"]["training.gradient_checkpointing"] is False
    changed = {name.replace(".", "__"): value for name, value in less["fit"].items()}
    again = forecast(request("full", limit=limit, **changed))
    assert (again["fits"], again["total"]) == (True, less["fit_total"])
    assert needs(again) <= limit


def test_checkpointing_is_the_last_resort_before_giving_up() -> None:
    row = forecast(request("full", training__batch_size=1, strategy__accumulation_steps=4))
    kept = row["total"] - row["parts"]["activations"]
    limit = int(needs(row) - 0.4 * row["parts"]["activations"])
    tight = forecast(request("full", training__batch_size=4, limit=limit))
    assert tight["fit"]["training.gradient_checkpointing"] is True
    hopeless = forecast(request("full", training__batch_size=4, limit=kept))
    assert (hopeless["fits"], hopeless["fit"]) == (False, None)


def test_the_least_time_is_told_for_this_machine_only() -> None:
    assert forecast(request("lora"))["seconds"] == 0
    here = forecast(request("lora", device=""))
    assert here["seconds"] > 0
    assert here["flops"] == forecast(request("lora"))["flops"]
    assert forecast(request("full"))["flops"] > here["flops"]


def test_what_is_frozen_takes_its_share_of_the_least_time() -> None:
    """Of 6 blocks with 2 in training: 4 F forward of 4 F + 2 * 3 F, as a trained block is passed three times."""
    told = {"full": {}, "lora": {}, "head_only": {}, "partial": {"strategy__unfreeze_last_n": 2}}
    found = {kind: forecast(request(kind, device="", **changes)) for kind, changes in told.items()}
    shares = {kind: one["frozen_seconds"] / one["seconds"] for kind, one in found.items()}
    assert shares["full"] == shares["lora"] == 0
    assert 0.99 < shares["head_only"] <= 1
    assert shares["partial"] == pytest.approx(0.4, rel=1e-3)


def test_the_largest_model_is_forecast_without_its_weights() -> None:
    question = ask_of_model("esm2_15b", strategy="lora", changes={"training.batch_size": 1})
    spec = question.spec.model_dump(mode="json")
    found = forecast({"spec": spec, **question.about, "lengths": [512], "limit_bytes": 0, "device": "cpu"})
    assert found["parts"]["weights"] == pytest.approx(60.4e9, rel=0.01)
    assert found["parts"]["activations"] > 1e9


def structure_request(length: int, *, checkpointing: bool) -> dict[str, Any]:
    changes = {"training.batch_size": 1, "strategy.amp": False, "model.weights": "random",
               "training.gradient_checkpointing": checkpointing}  # fmt: skip
    question = ask_of_model("esmfold_small", strategy="full", changes=changes)
    about = {"task": "structure", "num_outputs": 1, "num_chains": 1}
    spec = question.spec.model_dump(mode="json")
    return {"spec": spec, **about, "lengths": [length], "limit_bytes": 0, "device": "cpu"}


def test_a_structure_takes_what_it_was_forecast_to() -> None:
    """Real tensors: loss included, on a real protein; which atoms it has makes the difference."""
    told = forecast(structure_request(58, checkpointing=False))["parts"]["activations"]
    torch.manual_seed(0)
    model = build_model(ModelSettings(name="esmfold_small", weights="random"), task="structure")
    build_strategy({"kind": "full", "amp": False}).setup(model)
    protein = example_protein("5pti")
    rows = SequenceRows(
        [[protein.chains[0].sequence]], encoder=model.adapter.alphabet, max_residues=99, structures=[protein]
    )
    batch = Collate(model.adapter.alphabet, "structure")(rows.rows)
    model.train()
    ledger = RealLedger([*model.parameters(), *model.buffers()])
    with ledger:
        find_loss("structure_without_violation").function(model(batch)["preds"], batch.structures).sum().backward()
    gradients = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    assert told == pytest.approx(ledger.peak - gradients, rel=0.15)


def test_checkpointing_of_a_folding_model_is_in_the_forecast() -> None:
    plain, less = (forecast(structure_request(24, checkpointing=c))["parts"]["activations"] for c in (False, True))
    assert less < 0.8 * plain

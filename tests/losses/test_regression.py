"""Losses of numbers, against values worked out by hand and against numpy, scipy and torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from molfun.losses import regression
from molfun.losses.catalog import build_loss


def numbers(count: int, seed: int = 0, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return predictions that need a gradient, and targets with ties."""
    random = torch.Generator().manual_seed(seed)
    preds = torch.randn(count, generator=random, dtype=dtype).requires_grad_()
    return preds, torch.randint(0, 5, (count,), generator=random).to(dtype)


def gradient(loss: Callable[[Tensor, Tensor], Tensor], preds: list[float], targets: list[float]) -> Tensor:
    leaf = torch.tensor(preds, requires_grad=True)
    loss(leaf, torch.tensor(targets)).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize(
    ("name", "preds", "targets", "expected"),
    [
        ("mse", [1.0, 5.0], [3.0, 5.0], [4.0, 0.0]),
        ("mae", [1.0, 5.0], [3.0, 5.5], [2.0, 0.5]),
        ("huber", [0.0, 0.0], [0.5, 3.0], [0.125, 2.5]),
        # Centred: (-1, 0, 1) and (-1, 1, 0); r = 1 / sqrt(2 * 2).
        ("pearson", [1.0, 2.0, 3.0], [0.0, 2.0, 1.0], [0.5, 0.5, 0.5]),
        ("pearson", [10.0, 20.0], [-1.0, -0.9], [0.0, 0.0]),
        ("pearson", [0.0, 0.0, 0.0], [0.0, 2.0, 1.0], [1.0, 1.0, 1.0]),
        # log(1 + exp(-lead)): leads of 0, log 3 and -log 3; then two items with the same target, which are no pair.
        ("ranking", [0.0, 0.0], [1.0, 2.0], [math.log(2.0)] * 2),
        ("ranking", [0.0, math.log(3.0)], [1.0, 2.0], [math.log(4 / 3)] * 2),
        ("ranking", [math.log(3.0), 0.0], [1.0, 2.0], [math.log(4.0)] * 2),
        (
            "ranking", [0.0, math.log(3.0), 0.0], [1.0, 2.0, 2.0],
            [(math.log(4 / 3) + math.log(2)) / 2, math.log(4 / 3), math.log(2)],
        ),
    ],
)  # fmt: skip
def test_losses_equal_values_by_hand(
    name: str, preds: list[float], targets: list[float], expected: list[float]
) -> None:
    values = build_loss(name)(torch.tensor(preds), torch.tensor(targets))
    assert values.dtype == torch.float32
    assert values.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e3])
def test_pearson_equals_scipy_whatever_the_unit(scale: float) -> None:
    preds, targets = numbers(40)
    values = regression.pearson(preds * scale + 7.0, targets * scale - 3.0)
    expected = 1.0 - stats.pearsonr(preds.detach().double().numpy(), targets.double().numpy()).statistic
    assert values.shape == (40,)
    assert values.detach().numpy() == pytest.approx(expected, abs=1e-4)


def test_pearson_takes_targets_whose_squares_vanish() -> None:
    assert regression.pearson(torch.tensor([1.0, 2.0]), torch.tensor([1e-30, 3e-30])).tolist() == pytest.approx(
        [0.0, 0.0], abs=1e-6
    )


@pytest.mark.parametrize("name", ["pearson", "ranking"])
@pytest.mark.parametrize(
    ("preds", "targets"), [([], []), ([2.0], [1.0]), ([1.0, 2.0, 5.0], [0.3, 0.3, 0.3])], ids=["none", "one", "equal"]
)
def test_where_items_cannot_be_compared_loss_and_gradient_are_zero(
    name: str, preds: list[float], targets: list[float]
) -> None:
    leaf = torch.tensor(preds, requires_grad=True)
    values = build_loss(name)(leaf, torch.tensor(targets))
    values.sum().backward()
    assert values.tolist() == [0.0] * len(preds)
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [0.0] * len(preds)


@pytest.mark.parametrize("name", ["pearson", "ranking"])
@pytest.mark.parametrize("preds", [[0.0] * 4, [3.7] * 4, [1.0, 1.0, 1.0, 1.0 + 1e-7]])
def test_constant_predictions_have_a_finite_gradient_in_the_right_direction(name: str, preds: list[float]) -> None:
    found = gradient(build_loss(name), preds, [1.0, 2.0, 3.0, 4.0])
    assert torch.isfinite(found).all()
    assert (found[1:] < found[:-1]).all()  # descent lifts later items more


def test_gradient_of_pearson_at_constant_predictions_equals_the_value_by_hand() -> None:
    # d(1 - r)/dp_i = -y_i / (N * 0.001) with y = (-1, 1) standardised; the sum over N items takes the N away.
    assert gradient(regression.pearson, [5.0, 5.0], [0.0, 2.0]).tolist() == pytest.approx([1e3, -1e3])


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "pearson", "ranking"])
def test_gradients_equal_finite_differences(name: str) -> None:
    preds, targets = numbers(12, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: build_loss(name)(p, targets), preds)


def rank_in_numpy(preds: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> list[float]:
    """Return the ranking losses, pair by pair."""
    found = []
    for p, y in zip(preds, targets, strict=True):
        costs = [np.logaddexp(0.0, -(p - q) if y > z else p - q) for q, z in zip(preds, targets, strict=True) if y != z]
        found.append(float(np.mean(costs)) if costs else 0.0)
    return found


@pytest.mark.parametrize("max_pairs", [10**6, 90, 1], ids=["at_once", "by_three_rows", "row_by_row"])
def test_ranking_equals_pairs_counted_one_by_one_in_any_chunks(max_pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, targets = numbers(30, dtype=torch.float64)
    (whole,) = torch.autograd.grad(regression.ranking(preds, targets).sum(), preds)
    monkeypatch.setattr(regression, "MAX_PAIRS", max_pairs)
    values = regression.ranking(preds, targets)
    (found,) = torch.autograd.grad(values.sum(), preds)
    assert values.detach().numpy() == pytest.approx(np.array(rank_in_numpy(preds.detach().numpy(), targets.numpy())))
    assert found.numpy() == pytest.approx(whole.numpy())


class LargestTensor(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    numel = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.numel = max(self.numel, made.numel())
        return made


def test_ranking_of_many_items_never_holds_all_pairs() -> None:
    preds, targets = numbers(6000)  # 36 M pairs
    kept: list[int] = []
    with LargestTensor() as largest, saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):  # type: ignore[func-returns-value]
        regression.ranking(preds, targets).sum().backward()
    assert 6000 < largest.numel <= 2 * regression.MAX_PAIRS < 6000**2 / 10
    assert sum(kept) == 2 * 6000  # what the backward pass needs: predictions and targets


def test_ranking_agrees_with_the_order_not_with_the_values() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0])
    right, wrong = torch.tensor([10.0, 20.0, 30.0]), torch.tensor([30.0, 20.0, 10.0])
    assert regression.ranking(right, targets).max() < 1e-3
    assert regression.ranking(wrong, targets).min() > 9.0

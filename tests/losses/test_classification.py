"""Losses of classes, against values worked out by hand and against numpy and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from torch import Tensor

from molfun.losses import classification
from molfun.losses.catalog import build_loss

NAMES = ("cross_entropy", "bce", "focal")


def logits(count: int = 12, classes: int = 3, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    preds = 3 * torch.randn(count, classes, generator=random, dtype=dtype)
    return preds.requires_grad_(), torch.randint(0, classes, (count,), generator=random)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # Shares 1/4 and 3/4; the true class is the second.
        ("cross_entropy", {}, -math.log(0.75)),
        ("focal", {}, 0.25**2 * -math.log(0.75)),
        ("focal", {"focal_gamma": 0.5}, 0.5 * -math.log(0.75)),
        # sigmoid(0) = 1/2 should be 0; sigmoid(log 3) = 3/4 should be 1.
        ("bce", {}, (-math.log(0.5) - math.log(0.75)) / 2),
    ],
)
def test_losses_equal_values_by_hand(name: str, options: dict[str, float], expected: float) -> None:
    values = build_loss(name, **options)(torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([1]))  # type: ignore[arg-type]
    assert values.dtype == torch.float32
    assert values.tolist() == pytest.approx([expected])


def test_losses_equal_numpy() -> None:
    preds, targets = logits()
    values, wanted = preds.detach().double().numpy(), np.eye(3)[targets]
    nats = -(log_softmax(values, axis=1) * wanted).sum(axis=1)
    binary = -(wanted * np.log(expit(values)) + (1 - wanted) * np.log(expit(-values))).mean(axis=1)
    expected = {"cross_entropy": nats, "bce": binary, "focal": (1 - np.exp(-nats)) ** 2 * nats}
    for name in NAMES:
        assert build_loss(name)(preds, targets).detach().numpy() == pytest.approx(expected[name], rel=1e-4, abs=1e-7)


def test_focal_with_gamma_zero_is_cross_entropy_to_the_bit() -> None:
    preds, targets = logits(200)
    preds.data[0, targets[0]] = 100.0  # so sure that its loss is 0
    losses = [build_loss("focal", focal_gamma=0.0), build_loss("cross_entropy")]
    focal, plain = [loss(preds, targets) for loss in losses]
    assert torch.equal(focal, plain)
    grads = [torch.autograd.grad(values.sum(), preds)[0] for values in (focal, plain)]
    assert torch.equal(*grads)


def test_focal_down_weights_what_is_right_already() -> None:
    targets = torch.tensor([0, 0])
    preds = torch.tensor([[4.0, 0.0], [-4.0, 0.0]])
    share = classification.focal(preds, targets) / classification.cross_entropy(preds, targets)
    assert share[0] < 1e-3
    assert share[1] > 0.95


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("logit", [-300.0, -20.0, 0.0, 20.0, 300.0])
def test_focal_has_a_finite_gradient_however_sure_the_model_is(gamma: float, logit: float) -> None:
    preds = torch.tensor([[logit, 0.0]], requires_grad=True)
    values = classification.focal(preds, torch.tensor([0]), gamma=gamma)
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert preds.grad is not None
    assert torch.isfinite(preds.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name: str) -> None:
    preds, targets = logits(dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: build_loss(name)(p, targets), preds)


@pytest.mark.parametrize("name", NAMES)
def test_no_items_give_no_losses(name: str) -> None:
    assert build_loss(name)(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_class_weights_multiply_the_item_of_their_class(name: str) -> None:
    preds, targets = logits()
    weights = torch.tensor([0.5, 2.0, 0.0])
    weighted = build_loss(name, class_weights=weights)(preds, targets)
    assert weighted.dtype == torch.float32
    assert torch.allclose(weighted, build_loss(name)(preds, targets) * weights[targets])

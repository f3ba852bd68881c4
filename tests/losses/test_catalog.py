from __future__ import annotations

import math

import pytest
import torch

from molfun.errors import SettingError
from molfun.losses.catalog import find_loss


@pytest.mark.parametrize(
    ("name", "preds", "targets", "expected"),
    [
        ("mse", [1.0, 5.0], [3.0, 5.0], [4.0, 0.0]),
        ("mae", [1.0, 5.0], [3.0, 5.5], [2.0, 0.5]),
        ("huber", [0.0, 0.0], [0.5, 3.0], [0.125, 2.5]),
    ],
)
def test_number_losses_equal_values_by_hand(name, preds, targets, expected) -> None:
    assert find_loss(name)(torch.tensor(preds), torch.tensor(targets)).tolist() == pytest.approx(expected)


def test_cross_entropy_equals_the_value_by_hand() -> None:
    loss = find_loss("cross_entropy")(torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([1]))
    assert loss.tolist() == pytest.approx([-math.log(0.75)])


def test_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'huber'"):
        find_loss("hubber")

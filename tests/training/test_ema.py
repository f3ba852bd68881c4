from __future__ import annotations

import pytest
import torch
from torch import nn

from molfun.training.ema import EMA, NullEMA


def _pair() -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.zeros(3)), nn.Parameter(torch.ones(2), requires_grad=False)


def test_ema_after_k_updates_equals_the_recursion() -> None:
    live, frozen = _pair()
    ema = EMA([("live", live), ("frozen", frozen)], decay=0.9)
    expected, values = 0.0, [1.0, -2.0, 5.0, 0.5] * 30
    for n, value in enumerate(values):
        live.data.fill_(value)
        ema.update()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
        assert ema.shadow["live"][0].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert ema.num_updates == len(values)
    assert ema.current_decay == 0.9


def test_ema_follows_trained_parameters_only() -> None:
    live, frozen = _pair()
    assert set(EMA([("live", live), ("frozen", frozen)], decay=0.9).shadow) == {"live"}


def test_applied_swaps_the_average_in_and_the_same_bits_back() -> None:
    live = nn.Parameter(torch.randn(5))
    ema = EMA([("live", live)], decay=0.5)
    ema.update()
    live.data.add_(1.0)
    before, average = live.detach().clone(), ema.shadow["live"].clone()
    with ema.applied():
        assert torch.equal(live, average)
    assert torch.equal(live, before)
    assert torch.equal(ema.shadow["live"], average)


def test_applied_swaps_back_after_an_error() -> None:
    live = nn.Parameter(torch.ones(2))
    ema = EMA([("live", live)], decay=0.5)
    ema.shadow["live"].zero_()
    with pytest.raises(RuntimeError, match="validation broke"), ema.applied():
        raise RuntimeError("validation broke")
    assert live.tolist() == [1.0, 1.0]


def test_optimizer_still_moves_the_live_weights_after_a_swap() -> None:
    live = nn.Parameter(torch.ones(2))
    ema, optimizer = EMA([("live", live)], decay=0.5), torch.optim.SGD([live], lr=1.0)
    with ema.applied():
        pass
    live.grad = torch.ones(2)
    optimizer.step()
    assert live.tolist() == [0.0, 0.0]


def test_null_ema_leaves_everything() -> None:
    ema = NullEMA()
    ema.update()
    with ema.applied():
        assert not ema.is_active
    assert ema.state_dict() == {}

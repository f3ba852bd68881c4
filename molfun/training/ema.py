"""Exponential moving average of the parameters that train, and its null case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Moving average of trainable parameters.

    The decay warms up as min(decay, (1 + n) / (10 + n)) after n updates, so that a short run is not judged by its
    initial weights (the rule of TensorFlow's `ExponentialMovingAverage(num_updates=...)`).

    Args:
        parameters: (name, parameter) pairs; those without `requires_grad` are ignored.
        decay: Share of the old average that each update keeps, once warmed up; in [0, 1).
    """

    is_active = True

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self._live = {name: p for name, p in parameters if p.requires_grad}
        self.shadow = {name: p.detach().clone() for name, p in self._live.items()}

    @property
    def current_decay(self) -> float:
        """Decay that the next update uses."""
        return min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the live weights: shadow <- decay * shadow + (1 - decay) * live."""
        weight = 1.0 - self.current_decay
        torch._foreach_lerp_(list(self.shadow.values()), [p.data for p in self._live.values()], weight)
        self.num_updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Swap the average into the model, and the live weights back at the end, also after an error."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Overwrite the live weights with the average."""
        for name, parameter in self._live.items():
            parameter.data.copy_(self.shadow[name])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average by parameter name."""
        return dict(self.shadow)

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor], num_updates: int) -> None:
        """Take over an average; names and shapes must be those of this model."""
        for name, average in self.shadow.items():
            average.copy_(state[name])
        self.num_updates = num_updates

    def _swap(self) -> None:
        # Exchanging storage keeps the optimiser's references and costs no copy.
        for name, parameter in self._live.items():
            parameter.data, self.shadow[name] = self.shadow[name], parameter.data


class NullEMA:
    """No averaging: validation sees the live weights."""

    is_active = False
    num_updates = 0

    def update(self) -> None:
        """Do nothing."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Leave the live weights in place."""
        yield

    def copy_to_model(self) -> None:
        """Do nothing: the live weights are the only ones."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing to save."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor], num_updates: int) -> None:
        """Ignore a saved average."""

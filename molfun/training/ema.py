"""Exponential moving average of the parameters that train, and its null case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from molfun.training.sharding import own_part


class EMA:
    """Moving average of trainable parameters.

    The decay warms up as min(decay, (1 + n) / (10 + n)) after n updates, so that a short run is not judged by its
    initial weights (the rule of TensorFlow's `ExponentialMovingAverage(num_updates=...)`). Buffers (running statistics)
    are not averaged: the averaged model uses the live ones, as torch's `AveragedModel` does by default.

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
        averages = [own_part(t) for t in self.shadow.values()]
        live = [own_part(p.detach()) for p in self._live.values()]
        torch._foreach_lerp_(averages, live, 1.0 - self.current_decay)
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
    def copy_from_model(self) -> None:
        """Overwrite the average with the live weights."""
        for name, parameter in self._live.items():
            own_part(self.shadow[name]).copy_(own_part(parameter.detach()))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average by parameter name."""
        return dict(self.shadow)

    @torch.no_grad()
    def _swap(self) -> None:
        # Values move, storage stays: FSDP2, CUDA graphs and DDP's buckets all hold on to the storage of a parameter.
        for name, parameter in self._live.items():
            live, average = own_part(parameter.detach()), own_part(self.shadow[name])
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)


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

    def copy_from_model(self) -> None:
        """Do nothing: there is no average."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing to save."""
        return {}


@torch.no_grad()
def put_average(model: nn.Module, average: Mapping[str, Tensor]) -> None:
    """Overwrite weights of a model by their average, given by parameter name."""
    parameters = dict(model.named_parameters())
    for name, tensor in average.items():
        own_part(parameters[name].detach()).copy_(own_part(tensor))

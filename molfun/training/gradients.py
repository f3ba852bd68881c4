"""What has a gradient, how large it may be, and which modules are in training mode."""

from __future__ import annotations

from torch import nn

from molfun.errors import ModelError
from molfun.training.sharding import clip_norm


def check_gradients(model: nn.Module) -> None:
    """Hold that what trains has a gradient and nothing else has; call after the first backward.

    Raises:
        ModelError: Trained parameters are cut off from the loss, or frozen ones are not; the first few are named.
    """
    cut_off = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    leaking = [name for name, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    if cut_off or leaking:
        names = ", ".join((cut_off or leaking)[:5])
        problem = "should train but get no gradient" if cut_off else "are frozen but get a gradient"
        raise ModelError(
            f"{len(cut_off or leaking)} parameters {problem} ({names}); "
            "the adapter must exclude what the loss does not see, or the strategy must freeze it."
        )


def clip_gradients(model: nn.Module, limit: float) -> float:
    """Scale gradients down to a total norm of `limit` (0: leave them) and return the norm before."""
    return clip_norm([p for p in model.parameters() if p.grad is not None], limit)


def set_training_mode(model: nn.Module) -> None:
    """Put what trains into training mode and leave frozen modules in eval mode (no dropout, no running statistics).

    A module without parameters of its own, such as dropout, follows the module that holds it.
    """
    model.train(True)
    _set_mode(model, parent_trains=True)


def _set_mode(module: nn.Module, *, parent_trains: bool) -> None:
    parameters = list(module.parameters())
    trains = any(p.requires_grad for p in parameters) if parameters else parent_trains
    module.training = trains
    for child in module.children():
        _set_mode(child, parent_trains=trains)

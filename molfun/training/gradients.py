"""What has a gradient, how large it may be, and which modules are in training mode."""

from __future__ import annotations

from torch import Tensor, nn

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


def clip_gradients(model: nn.Module, limit: float) -> Tensor:
    """Scale gradients down to a total norm of `limit` (0: leave them); return the norm before, [], on the device."""
    return clip_norm([p for p in model.parameters() if p.grad is not None], limit)


def set_training_mode(model: nn.Module) -> None:
    """Put what trains into training mode and leave frozen modules in eval mode (no dropout, no running statistics).

    A module without parameters of its own, such as dropout, follows the module that holds it.
    """
    training = modules_in_training(model)
    for module in model.modules():
        module.training = module in training


def modules_in_training(model: nn.Module) -> set[nn.Module]:
    """Return the modules that `set_training_mode` puts into training mode: only their statistics may change."""
    found: set[nn.Module] = set()
    _collect_training(model, True, found)
    return found


def _collect_training(module: nn.Module, parent_trains: bool, found: set[nn.Module]) -> None:
    parameters = list(module.parameters())
    trains = any(p.requires_grad for p in parameters) if parameters else parent_trains
    if trains:
        found.add(module)
    for child in module.children():
        _collect_training(child, trains, found)

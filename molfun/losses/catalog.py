"""The losses by name: the task each one serves, and how it is bound to class weights. Users add theirs to `LOSSES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

import torch
from torch import Tensor

from molfun.errors import SettingError
from molfun.losses import classification, regression, structure
from molfun.losses.names import installed_losses, unknown_loss
from molfun.types import Folds, Structures

# (predictions, targets) of the items that count -> float32 [N], one value an item; both are tensors, or `Folds` and
# `Structures`, whose items are rows.
Loss = Callable[[Any, Any], Tensor]

NUMBERS = ("regression",)
CLASSES = ("classification", "per_residue")
STRUCTURES = ("structure",)


@dataclass(frozen=True)
class LossCard:
    """One loss as a person chooses it.

    Attributes:
        function: Called with predictions (float32 [N], logits [N, C], or `Folds`) and targets (float32 [N], int64 [N],
            or `Structures`) of the items that count; returns one value an item [N], never their mean.
        tasks: Which of "regression", "classification", "per_residue" and "structure" it serves.
        min_items: Fewest items of one batch for which it is defined.
    """

    function: Loss
    tasks: tuple[str, ...]
    min_items: int = 1


LOSSES: dict[str, LossCard] = {
    "mse": LossCard(regression.mse, NUMBERS),
    "mae": LossCard(regression.mae, NUMBERS),
    "huber": LossCard(regression.huber, NUMBERS),
    "pearson": LossCard(regression.pearson, NUMBERS, min_items=2),
    "ranking": LossCard(regression.ranking, NUMBERS, min_items=2),
    "cross_entropy": LossCard(classification.cross_entropy, CLASSES),
    "bce": LossCard(classification.bce, CLASSES),
    "focal": LossCard(classification.focal, CLASSES),
    "structure": LossCard(structure.alphafold, STRUCTURES),
    "structure_without_violation": LossCard(structure.without_violation, STRUCTURES),
    "fape": LossCard(structure.fape, STRUCTURES),
}


def find_loss(name: str) -> LossCard:
    """Return a loss by name: one of `LOSSES`, or of an installed package (entry points of group `molfun.losses`).

    Raises:
        SettingError: No loss has that name (the nearest known one is given), or its package does not load.
    """
    if name in LOSSES:
        return LOSSES[name]
    installed = installed_losses()
    if name in installed:
        return _load(installed[name])
    raise SettingError(unknown_loss(name, {*LOSSES, *installed}))


def _load(point: EntryPoint) -> LossCard:
    package = point.dist.name if point.dist else point.module
    try:
        card = point.load()
    except Exception as error:
        raise SettingError(
            f"The loss {point.name!r} of the package {package} cannot be loaded: {error}. Install that package again, "
            "or choose another loss."
        ) from error
    if not isinstance(card, LossCard):
        raise SettingError(
            f"The loss {point.name!r} of the package {package} should be a LossCard, but {point.value} is a "
            f"{type(card).__name__}; correct that package, or choose another loss."
        )
    return card


def build_loss(
    name: str, *, class_weights: Tensor | None = None, focal_gamma: float = 2.0, task: str = ""
) -> BoundLoss:
    """Return a loss with its options bound.

    Class weights multiply each item's value by the weight of its true class; the sum is still divided by the number of
    items, not by the sum of their weights. With `balanced_weights` the mean weight over the training items is 1, so
    both are the same over an epoch, and batches of rare classes keep their greater say.

    Args:
        name: One of `LOSSES`, or of an installed package.
        class_weights: float32 [C]; None counts every item once.
        focal_gamma: Exponent of `focal`; the others take no notice.
        task: What the loss must serve; empty does not ask.

    Raises:
        SettingError: The name is unknown, the loss does not serve the task, or weights are given to a loss of numbers.

    >>> loss = build_loss("cross_entropy", class_weights=torch.tensor([1.0, 3.0]))
    >>> loss(torch.zeros(2, 2), torch.tensor([0, 1]))  # log 2, and three times that
    tensor([0.6931, 2.0794])
    """
    card = find_loss(name)
    if task and task not in card.tasks:
        fitting = [known for known, other in LOSSES.items() if task in other.tasks]
        raise SettingError(f"The loss {name!r} does not fit the task {task!r}; choose {' or '.join(fitting)}.")
    if class_weights is not None and not set(card.tasks) & set(CLASSES):
        compared = "numbers" if set(card.tasks) & set(NUMBERS) else "structures"
        raise SettingError(
            f"Class weights need a loss of classes, but {name!r} compares {compared}; leave 'class_weights' at 'none'."
        )
    function = card.function
    if function is classification.focal:
        function = partial(classification.focal, gamma=focal_gamma)
    return BoundLoss(name, function, class_weights)


@dataclass(frozen=True)
class BoundLoss:
    """A loss with its class weights, float32 [C] or None; it holds the function to one value an item."""

    name: str
    function: Loss
    class_weights: Tensor | None = None

    def __call__(self, preds: Tensor | Folds, targets: Tensor | Structures) -> Tensor:
        """Return one value an item [N].

        Raises:
            SettingError: The function returned anything else, such as the mean over the items.
        """
        values = self.function(preds, targets)
        if values.shape != targets.shape:
            raise SettingError(
                f"The loss {self.name!r} should return one value an item, shape {list(targets.shape)}, but its shape "
                f"is {list(values.shape)}; leave out the mean or sum over the items."
            )
        if self.class_weights is None:
            return values
        assert isinstance(targets, Tensor)  # `build_loss` gives class weights to losses of classes only
        return values * self.class_weights.to(values)[targets]


def balanced_weights(counts: Tensor) -> Tensor:
    """Return the class weights that let every class count the same: n / (C * n_c) for n_c of n items.

    Args:
        counts: int64 [C], items of each class.

    Returns:
        float32 [C], with mean 1 over the items. Classes that are absent get 0 and are not among the C.

    >>> balanced_weights(torch.tensor([6, 2, 0]))
    tensor([0.6667, 2.0000, 0.0000])
    """
    share = counts.double() / counts.sum().clamp(min=1)
    weights = 1.0 / (share * (counts > 0).sum().clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights)).float()

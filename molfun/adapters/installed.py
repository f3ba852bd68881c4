"""Backbones that installed packages bring. Their cards are read without torch, if the package keeps to that.

A package declares `[project.entry-points."molfun.models"]` with `name = "module:CARD"`, a `ModelCard`. Its `builder`
names the function that builds the adapter, in another module, because that one loads torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint

from molfun.adapters.card import ModelCard
from molfun.entry_points import installed_parts
from molfun.errors import ModelError

ENTRY_POINT_GROUP = "molfun.models"


def installed_models() -> dict[str, EntryPoint]:
    """Return the entry points of installed packages that bring backbones, by name; none of them is loaded."""
    return installed_parts(ENTRY_POINT_GROUP)


@cache
def read_card(point: EntryPoint) -> ModelCard:
    """Return the card of a backbone that an installed package brings.

    Raises:
        ModelError: The package cannot be imported, or has something else there.
    """
    package = point.dist.name if point.dist else point.module
    try:
        card = point.load()
    except Exception as error:
        raise ModelError(
            f"The model {point.name!r} of the package {package} cannot be read: {error}. Install that package again, "
            "or choose another model."
        ) from error
    if not isinstance(card, ModelCard) or card.name != point.name:
        came = f"of the name {card.name!r}" if isinstance(card, ModelCard) else f"a {type(card).__name__}"
        raise ModelError(
            f"The entry point {point.name!r} of the package {package} should be a ModelCard of that name, but "
            f"{point.value} is {came}; mend the package, or choose another model."
        )
    return card


class Catalog(Mapping[str, ModelCard]):
    """Cards by name: our own, then those of installed packages, which cannot take the place of ours.

    Going through it leaves out what cannot be read; asking for that by its name says why.
    """

    def __init__(self, own: Mapping[str, ModelCard]) -> None:
        self.own = own

    def __getitem__(self, name: str) -> ModelCard:
        """Return a card.

        Raises:
            KeyError: No backbone has that name.
            ModelError: The package that brings it is broken.
        """
        return self.own[name] if name in self.own else read_card(installed_models()[name])

    def __contains__(self, name: object) -> bool:
        """Return whether a backbone has that name, be its package broken or not."""
        return name in self.own or name in installed_models()

    def __iter__(self) -> Iterator[str]:
        """Yield the names of cards that can be read."""
        yield from self.own
        for name, point in installed_models().items():
            if name not in self.own and _is_readable(point):
                yield name

    def __len__(self) -> int:
        """Return how many names going through it yields."""
        return sum(1 for _ in self)


def _is_readable(point: EntryPoint) -> bool:
    try:
        read_card(point)
    except ModelError:
        return False
    return True

"""Names that a package offers and imports when they are first used, so that it is read without torch or pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return what a package needs as its `__getattr__` and `__dir__`.

    Args:
        package: Its dotted name.
        homes: The module within the package that a name is defined in, by name.

    Example:
        >>> get, names = lazy("molfun", {"nearest": "errors"})
        >>> get("nearest")("lorra", ["lora"]), names()
        (", did you mean 'lora'?", ['nearest'])
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return get, lambda: sorted(homes)

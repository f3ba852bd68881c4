"""The public surface: what packages export is there, says what it takes, and shows an example where people begin."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import molfun

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "molfun", "molfun.adapters", "molfun.data", "molfun.evaluation", "molfun.losses", "molfun.models", "molfun.runs",
    "molfun.tracking", "molfun.training",
)  # fmt: skip
MEMBERS = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]
BEGINNERS = (molfun.Run,)
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
IDS = [f"{package}.{name}" for package, name in MEMBERS]


def member(package: str, name: str) -> Any:
    """Return what a package exports under a name."""
    return getattr(importlib.import_module(package), name)


def explained(thing: Any) -> list[tuple[str, Any]]:
    """Return functions, and public methods of classes, that take arguments of their own, with their names."""
    if inspect.isclass(thing):
        own = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
        methods = [(name, value) for name, value in own.items() if inspect.isfunction(value)]
        # Of other classes than these a page or their own text tells how they are used.
        return [(thing.__name__, thing), *methods] if thing in BEGINNERS else []
    return [(thing.__name__, thing)] if inspect.isfunction(thing) else []


def arguments(thing: Any) -> list[str]:
    """Return the names of the arguments that a caller gives."""
    called = thing.__init__ if inspect.isclass(thing) else thing
    return [name for name in inspect.signature(called).parameters if name not in ("self", "args", "kwargs")]


@pytest.mark.parametrize("package", PACKAGES)
def test_exported_names_are_sorted_and_once(package: str) -> None:
    names = importlib.import_module(package).__all__
    assert names == sorted(set(names))


@pytest.mark.parametrize(("package", "name"), MEMBERS, ids=IDS)
def test_what_is_exported_is_documented(package: str, name: str) -> None:
    thing = member(package, name)
    assert inspect.getdoc(thing)
    assert f"`{name}`" in PAGE or f".{name}" in PAGE, "docs/library.md does not name it"


@pytest.mark.parametrize(("package", "name"), MEMBERS, ids=IDS)
def test_arguments_are_explained(package: str, name: str) -> None:
    for title, thing in explained(member(package, name)):
        names, said = arguments(thing), inspect.getdoc(thing) or ""
        missing = [one for one in names if not re.search(rf"\b{one}\b", said)]
        assert missing == [], f"{title} says nothing of {missing}"


def test_the_surface_of_the_library_has_examples_and_says_what_it_raises() -> None:
    for name in ("Run", "fit", "load"):
        said = inspect.getdoc(getattr(molfun, name)) or ""
        assert "Raises:" in said, name
        assert "Example:" in said, name


def test_types_are_shipped() -> None:
    assert (ROOT / "molfun" / "py.typed").is_file()


def test_dir_names_what_is_exported() -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        assert set(module.__all__) <= set(dir(module)), package

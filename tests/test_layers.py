"""Imports go strictly downward, also late ones inside functions. The table is docs/architecture.md's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        *("molfun.errors", "molfun.settings", "molfun.types", "molfun.home", "molfun.plain_files", "molfun.yaml_files"),
        *("molfun.data.atoms", "molfun.superposition", "molfun.lazy_names", "molfun.entry_points"),
    ),
    (
        *("molfun.adapters", "molfun.data", "molfun.losses", "molfun.metrics", "molfun.structure_metrics"),
        "molfun.tracking",
    ),
    ("molfun.models",),
    ("molfun.training", "molfun.evaluation"),
    ("molfun.runs",),
    ("molfun.ui",),
    ("app", "pages", "molfun.cli", "molfun.commands", "molfun.library"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Everything on the ground floor may raise errors, never the other way.
SAME_FLOOR_ALLOWED = {
    ("molfun.cli", "molfun.commands"),
    ("molfun.settings", "molfun.errors"),
    ("molfun.home", "molfun.errors"),
    ("molfun.yaml_files", "molfun.errors"),
}
# Started as processes of their own, by name; importing one would load torch into the app.
NAMED_NEVER_IMPORTED = (
    "molfun.runs.worker", "molfun.runs.predicting", "molfun.runs.export_process", "molfun.training.preview",
)  # fmt: skip
SOURCES = sorted([*ROOT.glob("molfun/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("app.py")])


def module_name(path: Path) -> str:
    """Return the dotted name of a file below the root."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """Return the room that a module belongs to: the longest name in the table that it starts with."""
    found = [room for room in FLOOR_OF if f"{module}.".startswith(f"{room}.")]
    return max(found, key=len, default=None)


def imports_in(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Yield (line, imported name) of every import, `from a import b` both as `a` and as `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively; write the whole name"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def breaches(source: str, module: str) -> list[str]:
    """Return one sentence for each import of `module` that does not go downward."""
    own = room_of(module)
    found = []
    for line, name in imports_in(source, module):
        other = room_of(name)
        if own is None or other is None or other == own or (own, other) in SAME_FLOOR_ALLOWED:
            continue
        if FLOOR_OF[other] >= FLOOR_OF[own]:
            found.append(f"{module}:{line} ({own}, floor {FLOOR_OF[own]}) imports {name} (floor {FLOOR_OF[other]})")
    return found


def test_every_module_has_a_floor() -> None:
    homeless = [module_name(path) for path in SOURCES if room_of(module_name(path)) is None]
    assert homeless == ["molfun"]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_downward(path: Path) -> None:
    assert breaches(path.read_text(encoding="utf-8"), module_name(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_processes_are_named_never_imported(path: Path) -> None:
    imported = {name for _, name in imports_in(path.read_text(encoding="utf-8"), module_name(path))}
    assert imported.isdisjoint(NAMED_NEVER_IMPORTED)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("molfun.data.tables", "from molfun.runs.store import RunStore"),
        ("molfun.models.build", "def build():\n    from molfun.training import LoRAFinetune"),
        ("molfun.losses.mse", "import molfun.data.tables"),
        ("molfun.evaluation.report", "from molfun import training"),
    ],
)
def test_upward_and_sideways_imports_are_found(module: str, source: str) -> None:
    assert breaches(source, module)

"""Specs to draw: YAML with anchors, tags, depth and odd numbers; settings with values of every type."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import strategies as st

from molfun.runs.spec import RunSpec
from tests.fuzz.damage import damaged

ODD_SCALARS = (
    "!!python/object/apply:os.system [id]", "!!python/name:os.system", "!!binary aGk=", "!!set {a, b}", "&a 1", "*a",
    "2024-01-01", "2024-01-01 10:00:00 +1", "12:30:45", "0x1F", "0o17", "010", "1_000", "1e3", ".nan", "-.inf",
    "9" * 60, "~", "yes", "No", "'", '"', "|", ">", "{", "[", "- a", "? a", ": a", "@a", "`a`", "%a", "\t", "<<", "#",
    '"\\ud800"', '"\\x00"', "!", "!!float 1", "=", "null", "a: b", "../../etc/passwd", "~nobody/x", "\u202e",
    "x" * 3000, "1e400",
)  # fmt: skip
PATHS = (
    "name", "data", "data.table", "data.example", "data.dataset", "data.values", "data.columns",
    "data.columns.sequence", "data.columns.target", "data.columns.task", "data.columns.too_long", "data.split",
    "data.split.kind", "data.split.val_fraction", "data.split.seed", "model", "model.name", "model.weights",
    "model.head", "model.head.pooling", "strategy", "strategy.kind", "strategy.lr", "strategy.rank",
    "strategy.monitor", "strategy.loss_fn", "strategy.schedule", "training", "training.epochs", "training.batch_size",
    "training.num_processes", "training.device", "training.seed", "training.precision", "training.unknown", "launch",
    "launch.where", "launch.gpus", "launch.nodes", "launch.slurm", "launch.slurm.time_limit", "launch.slurm.extra",
    "launch.ray.address", "trackers", "unknown",
)  # fmt: skip
DATA = ("v_genes", "gb1", "rows.csv", "../rows.csv", "/dev/zero", "/etc/passwd", "rows\0.csv", "x" * 400, "~nobody/x")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.sampled_from(DATA),
    st.sampled_from(["lora", "full", "esm2_8m", "random", "regression", "val_loss", "mse", "slurm", "auto", "cpu"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def settings_tree(draw: Any) -> dict[str, Any]:
    """Draw settings: known names, each with a value of any type."""
    tree: dict[str, Any] = draw(
        st.sampled_from([{}, {"data": {"table": "rows.csv"}}, {"data": {"example": "v_genes"}}])
    )
    tree = json.loads(json.dumps(tree))
    for path, value in draw(st.lists(st.tuples(st.sampled_from(PATHS), values), max_size=4)):
        *parents, last = path.split(".")
        place = tree
        for parent in parents:
            inner = place.get(parent)
            place[parent] = inner if isinstance(inner, dict) else {}
            place = place[parent]
        place[last] = value
    return tree


@st.composite
def written(draw: Any) -> bytes:
    """Draw YAML as people write it, with odd scalars, anchors and indentation."""
    lines = []
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=6)):
        *parents, last = path.split(".")
        for depth, parent in enumerate(parents):
            lines.append("  " * depth + f"{parent}:")
        value = draw(st.sampled_from(ODD_SCALARS) | scalars.map(str))
        lines.append("  " * len(parents) + f"{last}: {value}")
    return "\n".join(lines).encode("utf-8", "replace")


def laughs(levels: int) -> bytes:
    """Return YAML whose anchors would unfold to 9 ** levels values."""
    lines = ["a0: &a0 [lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


deep = st.tuples(st.sampled_from([b"[", b"{a: ", b"- ", b"? ", b"a:\n "]), st.integers(1, 3000)).map(
    lambda x: x[0] * x[1]
)
SOUND = RunSpec().to_yaml().encode()
SPECS = st.one_of(
    written(), written(), damaged(st.just(SOUND)), damaged(written()), deep, st.integers(2, 30).map(laughs),
    settings_tree().map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")),
    st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
)  # fmt: skip

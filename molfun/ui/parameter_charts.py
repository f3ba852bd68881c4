"""What trains, as pictures: one cell a block coloured by its learning rate, and the tree of modules by what they are.

Values in, plotly Figures out: no streamlit, no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go

from molfun.ui import text, theme
from molfun.ui.charts import empty_figure

ROLE_TITLES = {"frozen": "Frozen", "unfrozen": "Unfrozen", "lora": "LoRA", "head": "Head"}
ROLE_COLORS = {"frozen": theme.FROZEN, "unfrozen": theme.BLUE, "lora": theme.VERMILION, "head": theme.GREEN}
SHORT_TITLES = {"embedder": "Emb.", "output": "Norm", "structure_module": "Struct."}
ROW_HEIGHT, TREE_HEIGHT = 34, 460
# Readable on light and dark, and by colour-blind eyes; grey is not on it.
RATE_SCALE = "Plasma"
PALE = 0.3  # share of its role in the colour of a module of which a part trains
# Rates that are all the same still need two ends of a colour scale.
LEAST_SPAN = 0.5


def strip_figure(answers: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """Draw one cell for each part of a model, a row a strategy, coloured by learning rate; grey is frozen.

    Args:
        answers: By title of the row, as `molfun.models.parameters.count_parts` gives them; the same model in all.
    """
    parts = [part["name"] for answer in answers.values() for part in answer["parts"]]
    names = sorted(set(parts), key=parts.index)
    rows = [{part["name"]: part for part in answer["parts"]} for answer in answers.values()]
    rates = np.array([[_log_rate(row.get(name)) for name in names] for row in rows])
    figure = empty_figure("", "", "", height=ROW_HEIGHT * len(rows) + 96)
    place = {"x": [short_part(name) for name in names], "y": list(answers), "xgap": 2, "ygap": 4}
    grey = [[0.0, theme.FROZEN], [1.0, theme.FROZEN]]
    figure.add_heatmap(
        z=np.zeros(rates.shape), colorscale=grey, opacity=0.35, showscale=False, hoverinfo="skip", **place
    )
    words = [[_cell_words(row.get(name)) for name in names] for row in rows]
    mark = [["L" if _is_partly(row.get(name)) else "" for name in names] for row in rows]
    figure.add_heatmap(
        z=rates, colorscale=RATE_SCALE, hovertext=words, hoverinfo="text", text=mark,
        texttemplate="%{text}", textfont={"size": 9}, **_color_bar(rates), **place,
    )  # fmt: skip
    # Where nothing trains the upper layer has no cell to point at.
    figure.data[0].update(hovertext=words, hoverinfo="text")
    figure.update_layout(hovermode="closest", margin={"l": 8, "r": 8, "t": 8, "b": 8})
    figure.update_xaxes(type="category", tickfont={"size": 10}, title_text="Block")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def short_part(name: str) -> str:
    """Return the name of a part as it fits under a cell: blocks are their number.

    >>> short_part("block_12"), short_part("embedder")
    ('12', 'Emb.')
    """
    return name.removeprefix("block_") if name.startswith("block_") else SHORT_TITLES.get(name, text.part_title(name))


def _log_rate(part: Mapping[str, Any] | None) -> float:
    rate = (part or {}).get("lr")
    return float(np.log10(rate)) if rate else np.nan


def _is_partly(part: Mapping[str, Any] | None) -> bool:
    return part is not None and 0 < part["trainable"] < part["total"]


def _cell_words(part: Mapping[str, Any] | None) -> str:
    if part is None:
        return ""
    trains = text.count(part["trainable"])
    share = text.share(part["trainable"], part["total"])
    rate = "frozen" if part["lr"] is None else f"learning rate {text.learning_rate(part['lr'])}"
    return (
        f"<b>{text.part_title(part['name'])}</b><br>{trains} of {text.count(part['total'])} train ({share})<br>{rate}"
    )


def _color_bar(rates: np.ndarray) -> dict[str, Any]:
    known = rates[np.isfinite(rates)]
    if not len(known):
        return {"showscale": False, "zmin": 0.0, "zmax": 1.0}
    low, high = float(known.min()), float(known.max())
    ticks = [low, high] if high > low else [high]
    bar = {
        "title": {"text": "Learning rate", "side": "right", "font": {"size": 11}}, "thickness": 10, "outlinewidth": 0,
        "tickvals": ticks, "ticktext": [text.learning_rate(10**tick) for tick in ticks],
    }  # fmt: skip
    return {"zmin": min(low, high - LEAST_SPAN), "zmax": high, "colorbar": bar}


@dataclass
class _Node:
    """A module, with what lies below it."""

    path: tuple[str, ...]
    children: dict[str, _Node] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)


def tree_figure(modules: Sequence[Mapping[str, Any]], *, is_true_to_size: bool = False) -> go.Figure:
    """Draw the tree of modules as an icicle, coloured by frozen, LoRA, head and unfrozen.

    Args:
        modules: As `molfun.models.modules.list_modules` gives them.
        is_true_to_size: Width by parameters; else by their square root, so that a small head beside a large trunk can
            be seen.
    """
    ids, labels, parents, values, colors, hovers = [], [], [], [], [], []
    for node, parent in _flat(_tree(modules)):
        rows = node.rows
        ids.append(".".join(node.path) or "model")
        labels.append(_label(node, parent))
        parents.append("" if parent is None else ".".join(parent.path) or "model")
        values.append(float(sum(row["total"] if is_true_to_size else row["total"] ** 0.5 for row in rows)))
        colors.append(_node_color(rows))
        hovers.append(_node_words(node))
    figure = empty_figure("", "", "", height=TREE_HEIGHT)
    figure.add_icicle(
        ids=ids, labels=labels, parents=parents, values=values, branchvalues="total", marker={"colors": colors},
        hovertext=hovers, hoverinfo="text", tiling={"orientation": "v"}, sort=False, leaf={"opacity": 1.0},
    )  # fmt: skip
    figure.update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 8})
    return figure


def _tree(modules: Sequence[Mapping[str, Any]]) -> _Node:
    """Return the modules below the parts that people know; folders that all modules of a part share are left out."""
    paths: dict[str, list[list[str]]] = {}
    for row in modules:
        paths.setdefault(str(row["part"]), []).append(str(row["path"]).split("."))
    depth = {part: len(_common_prefix(found)) for part, found in paths.items()}
    root = _Node(())
    for row in modules:
        part, node = str(row["part"]), root
        node.rows.append(row)
        for name in (part, *str(row["path"]).split(".")[depth[part] :]):
            node = node.children.setdefault(name, _Node((*node.path, name)))
            node.rows.append(row)
    return _joined(root)


def _common_prefix(paths: Sequence[Sequence[str]]) -> list[str]:
    prefix = []
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        prefix.append(names[0])
    return prefix


def _joined(node: _Node) -> _Node:
    """Return a node without chains: one that holds nothing but one other is that other."""
    while len(node.children) == 1 and node.path:
        (only,) = node.children.values()
        node = _Node(only.path, only.children, only.rows)
    node.children = {name: _joined(child) for name, child in node.children.items()}
    return node


def _flat(node: _Node, parent: _Node | None = None) -> list[tuple[_Node, _Node | None]]:
    return [(node, parent), *(pair for child in node.children.values() for pair in _flat(child, node))]


def _label(node: _Node, parent: _Node | None) -> str:
    if parent is None:
        return "Model"
    if not parent.path:
        return text.part_title(node.path[0])
    return ".".join(node.path[len(parent.path) :]).removesuffix(".default").removesuffix(".base_layer")


def _node_color(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the colour of what most of the trained parameters are; where few train, a pale one."""
    trained = [row for row in rows if row["trainable"]]
    if not trained:
        return ROLE_COLORS["frozen"]
    role = max(trained, key=lambda row: int(row["trainable"]))["role"]
    is_whole = len(trained) == len(rows)
    return ROLE_COLORS[role] if is_whole else mixed(ROLE_COLORS[role], ROLE_COLORS["frozen"], share=PALE)


def mixed(first: str, second: str, *, share: float) -> str:
    """Return a colour between two, with a share of the first; all as "#rrggbb".

    >>> mixed("#ff0000", "#0000ff", share=0.2)
    '#3300cc'
    """
    pairs = zip(bytes.fromhex(first[1:]), bytes.fromhex(second[1:]), strict=True)
    return "#" + bytes(round(share * one + (1 - share) * other) for one, other in pairs).hex()


def _words_of(path: Sequence[str]) -> str:
    return " · ".join([text.part_title(path[0]), ".".join(path[1:])]).removesuffix(" · ") if path else "Model"


def _node_words(node: _Node) -> str:
    total, trainable = (sum(row[name] for row in node.rows) for name in ("total", "trainable"))
    rates = sorted({row["lr"] for row in node.rows if row["lr"] is not None})
    dtypes = "/".join(sorted({row["dtype"] for row in node.rows}))
    said = [
        f"<b>{_words_of(node.path)}</b>",
        f"{text.count(total)} parameters, {dtypes}",
        ", ".join(dict.fromkeys(ROLE_TITLES[row["role"]] for row in node.rows)),
        f"{text.count(trainable)} train ({text.share(trainable, total)})",
    ]
    if rates:
        ends = dict.fromkeys((rates[0], rates[-1]))
        said.append(f"learning rate {' to '.join(map(text.learning_rate, ends))}")
    return "<br>".join(said)

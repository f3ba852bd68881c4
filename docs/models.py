"""Prints the tables of docs/models.md: `python docs/models.py --write` the facts, `--memory` the forecasts as well.

The facts come out of the catalog. Memory is the forecast of the heaviest batch (`molfun parameters MODEL --memory`) for
a GPU; for all models that takes some twenty minutes, and OpenFold's needs OpenFold.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from molfun.adapters.card import ModelCard
from molfun.adapters.catalog import MODELS
from molfun.runs.breakdown import ask_of_model
from molfun.runs.memory import ask_of_question
from molfun.training.forecast import forecast

PAGE = Path(__file__).with_name("models.md")
FACTS, MEMORY = "facts: python docs/models.py --write", "memory: python docs/models.py --memory"
NUM_RESIDUES, NUM_ROWS, NUM_FOLDED_ROWS = 256, 8, 1
COLUMNS = (("lora", False), ("lora", True), ("full", False), ("full", True))


def facts() -> str:
    """Return the table of what the catalog says."""
    head = ("`model.name`", "parameters", "blocks", "width", "residues", "letters", "LoRA goes to", "licence",
            "weights", "knows", "paper")  # fmt: skip
    return table(head, (row_of(card) for card in MODELS.own.values()))


def row_of(card: ModelCard) -> tuple[str, ...]:
    """Return the cells of one model."""
    rare = "".join(sorted(set(card.alphabet.letters) - set("ACDEFGHIKLMNPQRSTVWY")))
    targets = " ".join(card.lora_targets).replace("|", "\\|")
    return (
        f"`{card.name}`", f"{card.num_parameters:,}", str(card.num_blocks), f"{card.hidden_size:,}",
        f"{card.num_residues_limit:,}", f"20 + {rare}" if rare else "20", f"`{targets}`",
        card.licence, place_of(card), card.knows, card.citation,
    )  # fmt: skip


def place_of(card: ModelCard) -> str:
    """Return where the weights come from, in words."""
    kind, _, place = card.weights.partition(":")
    if kind == "hub":
        return f"hub, {place.replace(':', ', ')}"
    return f"package {place.partition(':')[0]}" if kind == "package" else "none"


def memory() -> str:
    """Return the table of forecasts, gigabytes."""
    head = ("`model.name`", "rows", *(f"{s}{', checkpointing' if c else ''}" for s, c in COLUMNS))
    return table(head, map(memory_of, MODELS.own.values()))


def memory_of(card: ModelCard) -> tuple[str, ...]:
    """Return the cells of one model."""
    rows, cells = NUM_FOLDED_ROWS if card.predicts_structure else NUM_ROWS, []
    for strategy, is_checkpointing in COLUMNS:
        changes = {"training.batch_size": rows, "training.gradient_checkpointing": is_checkpointing}
        question = ask_of_model(card.name, strategy=strategy, changes=changes)
        request = {**ask_of_question(question, NUM_RESIDUES).request, "device": "cuda", "limit_bytes": 0}
        cells.append(f"{forecast(request)['total'] / 1e9:,.1f}")
        sys.stderr.write(f"{card.name} {strategy} {is_checkpointing} {cells[-1]}\n")
    return f"`{card.name}`", str(rows), *cells


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_table(page: str, mark: str, text: str) -> str:
    """Return the page with a table between its two marks."""
    before, _, rest = page.partition(f"<!-- {mark} -->")
    after = rest.partition(f"<!-- end of {mark.partition(':')[0]} -->")[2]
    return f"{before}<!-- {mark} -->\n{text}\n<!-- end of {mark.partition(':')[0]} -->{after}"


def names_between(page: str, mark: str) -> list[str]:
    """Return the models that stand in a table."""
    inside = page.partition(f"<!-- {mark} -->")[2].partition("<!-- end of")[0]
    return re.findall(r"(?m)^\| `(\w+)`", inside)


if __name__ == "__main__":
    new = with_table(PAGE.read_text(encoding="utf-8"), FACTS, facts())
    if "--memory" in sys.argv:
        new = with_table(new, MEMORY, memory())
    if "--write" in sys.argv or "--memory" in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    else:
        sys.stdout.write(new)

"""The README.md of an exported model, as the hub reads it: what it is, made of what, how good, and what it is not for.

No torch: values in, Markdown out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import yaml

LIBRARIES = {"merged": "transformers", "adapter": "peft", "onnx": "onnx"}
SCRIPTS = {"merged": "predict.py", "adapter": "predict.py", "onnx": "predict_onnx.py"}
# Licences by the names that the hub has for them.
HUB_LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC BY 4.0": "cc-by-4.0"}
# Letters that Markdown and HTML would take for something else than text.
SPECIAL = "\\`*_[]<>#|"


@dataclass(frozen=True)
class ModelFacts:
    """What a card says.

    Attributes:
        title: Name of the run.
        kind: "merged", "adapter" or "onnx".
        facts: What it is and what it was made of, by name; empty ones are left out.
        scores: Test metrics as index; `value`, `low`, `high` (95 %, NaN where there is no interval).
        baselines: Test scores of simple baselines by their name, each by metric.
        num_test: Test rows.
        use: Sentences on what it is for.
        limits: Sentences on what it is not for.
        citations: What to cite, by what it is of; empty ones are left out.
        example: Arguments of the line that predicts.
        base_model: Name of the backbone on the hub; "" where it has none.
        licence: Of the backbone's weights; "" where it is not known.
    """

    title: str
    kind: str
    facts: Mapping[str, str] = field(default_factory=dict)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    baselines: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    num_test: int = 0
    use: Sequence[str] = ()
    limits: Sequence[str] = ()
    citations: Mapping[str, str] = field(default_factory=dict)
    example: str = "MKTAYIAKQR"
    base_model: str = ""
    licence: str = ""


def model_card(about: ModelFacts) -> str:
    """Return the README.md of an exported model."""
    parts = [front_matter(about), f"# {plain(about.title)}", _named(about.facts)]
    parts += _section("Intended use", _sentences(about.use))
    if len(about.scores):
        rows = f"{about.num_test:,} test rows that training never saw; 95 % intervals over resampled rows."
        parts += _section("Scores", f"On {rows}\n\n{score_lines(about.scores, about.baselines)}")
    parts += _section("Limits", _sentences(about.limits))
    parts += _section("Use", f"    python {SCRIPTS[about.kind]} {about.example}")
    parts += _section("How to cite", _named(about.citations))
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(about: ModelFacts) -> str:
    """Return what the hub reads of a card: YAML between two lines of hyphens."""
    values: dict[str, object] = {"library_name": LIBRARIES[about.kind], "tags": ["protein", "biology", "molfun"]}
    if licence := HUB_LICENCES.get(about.licence):
        values["license"] = licence
    if about.base_model:
        values["base_model"] = about.base_model
        values["base_model_relation"] = "adapter" if about.kind == "adapter" else "finetune"
    return f"---\n{yaml.safe_dump(values, sort_keys=False).strip()}\n---"


def score_lines(scores: pd.DataFrame, baselines: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return test scores as a table in Markdown, the model with its intervals, baselines beside it."""
    head = ["metric", "this model", "95 % interval", "better", *map(plain, baselines)]
    rows = [
        [name, _number(row["value"]), _interval(row["low"], row["high"]), str(row.get("better", "")),
         *(_number(values.get(name)) for values in baselines.values())]
        for name, row in scores.iterrows()
        if pd.notna(row["value"])
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def plain(words: object) -> str:
    """Return words that somebody typed on one line, such that no letter of them is formatting, a link or HTML.

    >>> plain("a  <b>\\n[c](d)")
    'a \\\\<b\\\\> \\\\[c\\\\](d)'
    """
    one_line = " ".join(str(words).split())
    return "".join(f"\\{letter}" if letter in SPECIAL else letter for letter in one_line)


def _section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def _named(values: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}:** {plain(value)}" for name, value in values.items() if value)


def _sentences(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {plain(sentence)}" for sentence in sentences if sentence)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) and pd.notna(value) else "–"


def _interval(low: float, high: float) -> str:
    return "–" if pd.isna(low) or pd.isna(high) else f"{low:.4g} to {high:.4g}"

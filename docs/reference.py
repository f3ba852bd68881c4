"""Writes docs/settings.md and docs/commands.md out of what is declared in the code. `python docs/reference.py --write`.

Whatever is not generated in them stands in this file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import typer

from molfun.adapters.catalog import MODELS
from molfun.cli import app
from molfun.runs.cleaning import CleaningRules
from molfun.runs.spec import RunSpec
from molfun.settings import SettingInfo, Settings, default_in_words, describe_settings
from molfun.training.catalog import STRATEGIES
from molfun.training.defaults import recommended
from molfun.training.settings import StrategySettings

DOCS = Path(__file__).parent
MADE = "<!-- Made by `python docs/reference.py --write`; change the declarations in molfun/, not this page. -->"
SECTIONS = {
    "": ("The run", "One run is one spec: these, and the sections below."),
    "data": ("Data: where the rows come from", "Exactly one of `data.dataset`, `data.example` and `data.table`."),
    "data.columns": ("Data: columns", "Guessed where they are not given; [data formats](data.md#columns-and-tasks)."),
    "data.split": ("Data: split", "How rows are divided; [splits](data.md#splits) says which one tests what."),
    "model": ("Model", "The backbone; [models](models.md) lists them."),
    "model.head": ("Model: head", "The task layer on top of the trunk."),
    "strategy": (
        "Strategy: all of them",
        "`strategy.kind` is one of `head_only`, `lora`, `partial`, `full`; all share these.",
    ),
    "training": ("Training", "The loop around a strategy; [training](training.md) says what is exact."),
    "launch": ("Where it runs", "This machine or a cluster; [clusters](clusters.md)."),
    "launch.slurm": ("Where it runs: Slurm", "Have an effect where `launch.where` is `slurm`."),
    "launch.ray": ("Where it runs: Ray", "Have an effect where `launch.where` is `ray`."),
    "tracking": ("Tracking", "What remote trackers get; [trackers](tracking.md)."),
}
SETTINGS_INTRO = """\
# Every setting

A setting has one name everywhere: `--set strategy.rank=16` on the command line, `strategy: {rank: 16}` in a spec
(YAML), `LoRAFinetune(rank=16)` in Python (strategies only), a field of the form in the app. It is declared once in the
code, beside what uses it, and this page is made of these declarations. *Advanced* ones are folded in the app. An
unknown name is refused with the nearest known one, a value out of bounds with the bounds; what a run used is in its
`spec.yaml`, all of it.

## What a run starts from

Where a spec has no `strategy` block, and in the form *New run*, these take the place of the plain defaults below. They
follow from strategy, task, training rows and model; here for a regression on AntiBERTy (8 blocks):
"""
ROW_COUNTS = (200, 2_000, 20_000)
COMMANDS_INTRO = """\
# Every command

The same as `molfun COMMAND --help`, on one page. [The command line](command_line.md) says what they are for, how they
belong together, and what exit codes mean.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    parts = [MADE, "", SETTINGS_INTRO, *recommendations()]
    for path, cls in sections(RunSpec):
        title, words = SECTIONS[path]
        parts += ["", f"## {title}", "", words, "", *table_of(path, cls)]
        if path == "strategy":
            parts += list(strategies())
    rules = "Rules of `molfun clean --set RULE=VALUE` and of the page Settings; they are no part of a spec."
    parts += ["", "## Clean-up", "", rules, "", *table_of("", CleaningRules)]
    return "\n".join(parts) + "\n"


def recommendations() -> Iterator[str]:
    """Yield the table of recommended settings, by strategy and number of training rows."""
    yield "| setting | rows | " + " | ".join(card.title for card in STRATEGIES.values()) + " |"
    yield "|---|---|" + "---|" * len(STRATEGIES)
    found = {
        (kind, rows): recommended(kind, num_rows=rows, task="regression", model=MODELS["antiberty"])
        for kind in STRATEGIES
        for rows in ROW_COUNTS
    }
    names = dict.fromkeys(name for values in found.values() for name in values if name != "strategy.kind")
    for name in names:
        cells = {rows: [_value(found[kind, rows].get(name)) for kind in STRATEGIES] for rows in ROW_COUNTS}
        is_same = len({tuple(row) for row in cells.values()}) == 1
        for rows in ROW_COUNTS[:1] if is_same else ROW_COUNTS:
            yield f"| `{name}` | {'any' if is_same else f'{rows:,}'} | {' | '.join(cells[rows])} |"


def _value(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def strategies() -> Iterator[str]:
    """Yield what each strategy has beside the settings that all share."""
    shared = StrategySettings.model_fields
    for kind, card in STRATEGIES.items():
        own = [info for info in describe_settings(card.settings) if info.name not in shared]
        yield from ("", f"### {card.title} (`strategy.kind={kind}`)", "", f"Trains {card.trains}. Suits: {card.suits}.")
        yield from ("", *table("strategy", own)) if own else ()


def sections(cls: type[Settings], path: str = "") -> Iterator[tuple[str, type[Settings]]]:
    """Yield (path, settings) of a spec and of all that lies in it; the strategies as what they share."""
    yield path, cls
    for name, field in cls.model_fields.items():
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if _is_settings(part)]
        if inner:
            shared = StrategySettings if len(inner) > 1 else inner[0]
            yield from sections(shared, f"{path}.{name}".lstrip("."))


def _is_settings(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Settings)


def table_of(path: str, cls: type[Settings]) -> Iterator[str]:
    """Yield the table of a class of settings."""
    return table(path, describe_settings(cls))


def table(path: str, infos: Iterable[SettingInfo]) -> Iterator[str]:
    """Yield a table, one row a setting."""
    yield "| setting | on screen | default | may be | what it does, and when to change it |"
    yield "|---|---|---|---|---|"
    for info in infos:
        unit = f" ({info.unit})" if info.unit else ""
        label = f"{info.label}{unit}" + ("; advanced" if info.level == "advanced" else "")
        effect = f" Has an effect where {info.depends_on}." if info.depends_on else ""
        name = f"{path}.{info.name}".lstrip(".")
        yield cells(f"`{name}`", label, f"`{default_in_words(info)}`", may_be(info), f"{info.help}{effect}")


def may_be(info: SettingInfo) -> str:
    """Return the values that a setting takes, in words."""
    if info.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in info.choices)
    if info.kind not in ("int", "float"):
        return {"bool": "on or off", "list": "a list"}.get(info.kind, "text")
    said = {"int": "whole number", "float": "number"}[info.kind]
    low = f"{'above' if info.minimum_exclusive else 'from'} {info.minimum:,g}" if info.minimum is not None else ""
    high = f"{'below' if info.maximum_exclusive else 'to'} {info.maximum:,g}" if info.maximum is not None else ""
    return " ".join(filter(None, (said, low, high))) + (", or auto" if info.optional else "")


def cells(*texts: str) -> str:
    """Return a row of a table of Markdown."""
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in texts) + " |"


def commands_page() -> str:
    """Return docs/commands.md."""
    root: Any = typer.main.get_command(app)
    found = dict(sorted(walk(root, "molfun")))
    list_of = [f"- [`{name}`](#{name.replace(' ', '-')}): {first_line(command)}" for name, command in found.items()]
    parts = [MADE, "", COMMANDS_INTRO, *list_of]
    for name, command in found.items():
        parts += ["", f"## {name}", "", f"`{usage(name, command)}`", "", " ".join((command.help or "").split())]
        parts += ["", *parameters(command)] if shown(command) else []
    return "\n".join(parts) + "\n"


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, command) of one and of every command below it; groups without options are left out."""
    for word, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{name} {word}")
    if not hasattr(command, "commands") or shown(command):
        yield name, command


def first_line(command: Any) -> str:
    """Return the first sentence of a command's help."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def shown(command: Any) -> list[Any]:
    """Return the arguments and options of a command, without --help."""
    return [part for part in command.params if part.name != "help" and not getattr(part, "hidden", False)]


def usage(name: str, command: Any) -> str:
    """Return how a command is called."""
    arguments = [placeholder(part) for part in shown(command) if part.param_type_name == "argument"]
    has_options = any(part.param_type_name == "option" for part in shown(command))
    return " ".join([name, *arguments, *(["[OPTIONS]"] if has_options else [])])


def placeholder(part: Any) -> str:
    """Return what stands for the value of an argument or option."""
    word = part.opts[0].lstrip("-") if part.param_type_name == "option" else part.name
    return str(part.metavar or word.upper())


def parameters(command: Any) -> Iterator[str]:
    """Yield the table of arguments and options."""
    yield "| argument or option | default | what it is |"
    yield "|---|---|---|"
    for part in shown(command):
        is_flag = bool(getattr(part, "is_flag", False))
        if part.param_type_name == "argument":
            name = f"`{placeholder(part)}`"
        else:
            value = "" if is_flag else f" {placeholder(part)}"
            name = ", ".join(f"`{option}{value}`" for option in part.opts)
        yield cells(name, default_of(part, is_flag=is_flag), part.help or "")


def default_of(part: Any, *, is_flag: bool) -> str:
    """Return the default of an argument or option in words."""
    if part.required:
        return "needed"
    if is_flag:
        return "on" if part.default else "off"
    return f"`{part.default}`" if part.default not in (None, "", (), []) else "–"


PAGES = {"settings.md": settings_page, "commands.md": commands_page}

if __name__ == "__main__":
    for name, make in PAGES.items():
        page, text = DOCS / name, make()
        if "--write" in sys.argv:
            page.write_text(text, encoding="utf-8")
        elif page.read_text(encoding="utf-8") != text:
            sys.exit(f"docs/{name} is not what the code declares; run: python docs/reference.py --write")

"""The command on what would train: `molfun parameters`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.runs import AsJson, Changes

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("part", "trains", "total", "share", "group", "learning rate")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(parameters)


def parameters(
    target: Annotated[
        str, typer.Argument(metavar="SPEC", help="A spec (YAML), a table, the name of an example, or of a model.")
    ],
    strategy: Annotated[str, typer.Option(help="head_only, lora, partial or full; replaces the spec's strategy.")] = "",
    changes: Changes = None,
    task: Annotated[str, typer.Option(help="Of a model alone: regression, classification or per_residue.")] = "",
    classes: Annotated[int, typer.Option(help="Of a model alone: how many classes the head tells apart.")] = 2,
    memory: Annotated[bool, typer.Option("--memory", help="Also tell what the heaviest batch takes.")] = False,
    length: Annotated[int, typer.Option(min=1, help="Of a model alone: residues of the longest sequence.")] = 256,
    json: AsJson = False,
) -> None:
    """Show what would train, block by block; nothing is downloaded, and no run is made."""
    from dataclasses import asdict

    from rich.console import Console

    from molfun.home import data_home
    from molfun.runs.breakdown import read_question
    from molfun.runs.files import as_json
    from molfun.runs.frozen import forecast_kept
    from molfun.runs.memory import ask_of_question, ask_of_run
    from molfun.runs.plan import parse_changes

    home = data_home()
    question, dataset = read_question(
        home, target, strategy=strategy, changes=parse_changes(changes or []), task=task, num_classes=classes
    )
    answer = question.answer(home)
    if memory:
        asked = ask_of_run(question.spec, dataset) if dataset else ask_of_question(question, length)
        answer["memory"] = asked.answer(home)
    kept = forecast_kept(home, question.spec, dataset, answer) if dataset else None
    if json:
        typer.echo(as_json({**answer, "kept": None if kept is None else asdict(kept)}))
        return
    for sentence in answer["warnings"]:
        typer.echo(f"Note: {sentence}", err=True)
    spec, trains, total = question.spec, answer["trainable"], answer["total"]
    typer.echo(f"{spec.strategy.kind} on {spec.model.name}: {trains:,} of {total:,} parameters train.")
    Console().print(_table(answer))
    if kept is not None:
        typer.echo(kept.line)
    if memory:
        Console().print(_memory_table(answer["memory"]))
        typer.echo(_verdict(answer["memory"]))


def _memory_table(found: dict[str, Any]) -> Table:
    from rich.table import Table

    from molfun.runs.disk import format_bytes

    table = Table("memory", "heaviest batch", title=f"{found['batch_size']} rows of {found['residues']:,} residues")
    for name, size in found["parts"].items():
        table.add_row(name, format_bytes(size))
    table.add_row("total", format_bytes(found["total"]), style="bold")
    return table


def _verdict(found: dict[str, Any]) -> str:
    """Return whether the batch fits, and with which settings it would."""
    from molfun.runs.disk import format_bytes

    if not found["limit_bytes"]:
        return "The memory of the device is not known here."
    if found["fits"]:
        return f"Fits into {format_bytes(found['limit_bytes'])}."
    if found["fit"] is None:
        return f"Does not fit into {format_bytes(found['limit_bytes'])}, not even row by row."
    changes = " ".join(f"--set {name}={str(value).lower()}" for name, value in found["fit"].items())
    limit, least = format_bytes(found["limit_bytes"]), format_bytes(found["fit_total"])
    return f"May not fit into {limit}. Takes {least} with: {changes}"


def _table(answer: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(*COLUMNS)
    for part in answer["parts"]:
        modules = [row for row in answer["modules"] if row["part"] == part["name"]]
        groups = dict.fromkeys(row["group"] for row in modules if row["group"])
        rate = "" if part["lr"] is None else f"{part['lr']:.3g}"
        share = f"{100 * part['trainable'] / part['total']:.3g} %" if part["trainable"] else ""
        counts = (f"{part['trainable']:,}" if part["trainable"] else "", f"{part['total']:,}")
        table.add_row(part["name"], *counts, share, ", ".join(groups), rate)
    return table

"""Commands on what lies on the disk: names, notes and tags of runs, the bin, disk use, clean-up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from molfun.commands.runs import AsJson, RunId, find_run

RunIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of runs; `molfun runs list` lists them.")]


def register(app: typer.Typer, runs_app: typer.Typer) -> None:
    """Add the commands."""
    for command in (rename, note, tag, delete, restore):
        runs_app.command()(command)
    runs_app.command("bin")(show_bin)
    app.command()(disk)
    app.command()(clean)


def rename(run_id: RunId, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a run another name."""
    from molfun.runs import notes

    folder = find_run(run_id)
    notes.rename(folder, name)
    typer.echo(f"{folder.id} is now called {folder.title}.")


def note(
    run_id: RunId,
    text: Annotated[str, typer.Argument(help="The notes; an empty text removes them.")],
    append: Annotated[bool, typer.Option("--append", help="Add a line to the notes that are there.")] = False,
) -> None:
    """Write notes on a run."""
    from molfun.runs import notes

    folder = find_run(run_id)
    before = str(folder.read_amended().get("notes") or "") if append else ""
    notes.set_notes(folder, f"{before}\n{text}" if before else text)
    typer.echo("Noted." if text else "The notes are removed.")


def tag(
    run_id: RunId,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Words to find runs by.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags away.")] = False,
) -> None:
    """Add tags to a run, or take them away."""
    from molfun.runs import notes

    folder = find_run(run_id)
    (notes.remove_tags if remove else notes.add_tags)(folder, tags)
    typer.echo(f"Tags: {', '.join(notes.tags_of(folder)) or 'none'}")


def delete(run_ids: RunIds) -> None:
    """Move runs to the bin; `molfun runs restore ID` brings one back."""
    from molfun.runs import bin as run_bin

    folders = [find_run(run_id) for run_id in run_ids]
    for folder in folders:
        run_bin.discard(folder)
        typer.echo(f"{folder.id} lies in the bin; undo with: molfun runs restore {folder.id}")


def restore(run_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a deleted run.")]) -> None:
    """Bring a deleted run back."""
    from molfun.runs import bin as run_bin

    typer.echo(f"{run_bin.restore(_home(), run_id).title} is back.")


def show_bin(json: AsJson = False) -> None:
    """List deleted runs, newest first."""
    from rich.console import Console
    from rich.table import Table

    from molfun.runs import bin as run_bin
    from molfun.runs.disk import format_bytes
    from molfun.runs.files import as_json
    from molfun.runs.terminal import two_lines

    rows = run_bin.discarded(_home()).to_dict("records")
    if json:
        typer.echo(as_json(rows))
        return
    table = Table("run", "size")
    for row in rows:
        table.add_row(two_lines(row["title"], row["id"]), format_bytes(row["bytes"]))
    Console().print(table if rows else "The bin is empty.")


def disk(json: AsJson = False) -> None:
    """Show what uses the disk."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from molfun.runs.disk import disk_use, format_bytes
    from molfun.runs.files import as_json
    from molfun.runs.frozen import list_stores
    from molfun.runs.terminal import two_lines

    use, stores = disk_use(_home()), list_stores(_home())
    if json:
        rooms = {"rooms": use.rooms, "free_bytes": use.free_bytes, "total_bytes": use.total_bytes}
        frozen = [{**asdict(store), "path": str(store.path)} for store in stores]
        typer.echo(as_json({**rooms, "runs": use.runs.to_dict("records"), "frozen": frozen}))
        return
    table = Table("run", "status", "size", "best", "last", "kept epochs")
    for row in use.runs.to_dict("records"):
        sizes = (format_bytes(row[name]) for name in ("bytes", "best", "last", "kept"))
        table.add_row(two_lines(row["title"], row["id"]), row["status"], *sizes)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{name} {format_bytes(size)}" for name, size in use.rooms.items()))
    for store in stores:
        plural = "" if store.num_sequences == 1 else "s"
        console.print(f"{format_bytes(store.num_bytes)} {store.title} ({store.num_sequences:,} sequence{plural})")
    console.print(f"{format_bytes(use.free_bytes)} free of {format_bytes(use.total_bytes)}.")


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this, only what would go is shown.")] = False,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one rule.")] = None,
    json: AsJson = False,
) -> None:
    """Show what may be removed to free room, and what that costs; with --yes, remove it.

    Rules: newest_epochs, last_after_days, replaced, bin_after_days, cache_after_days,
    frozen_after_days.
    """
    from dataclasses import asdict

    from molfun.runs import cleaning
    from molfun.runs.disk import format_bytes
    from molfun.runs.files import as_json
    from molfun.runs.plan import parse_changes

    home, rules = _home(), cleaning.CleaningRules.parse(parse_changes(changes or []))
    pieces = cleaning.plan_cleaning(home, rules)
    freed = cleaning.clean(home, pieces) if yes else 0
    if json:
        typer.echo(as_json({"pieces": [asdict(piece) for piece in pieces], "freed_bytes": freed}))
        return
    for piece in pieces:
        typer.echo(f"{format_bytes(piece.num_bytes):>8}  {piece.run_id}  {piece.what}. {piece.cost}")
    total = sum(piece.num_bytes for piece in pieces)
    if not pieces:
        typer.echo("Nothing may go by these rules.")
    elif yes:
        typer.echo(f"Freed {format_bytes(freed)}.")
    else:
        typer.echo(f"{format_bytes(total)} could be freed; add --yes to do it.")


def _home() -> Path:
    from molfun.home import data_home

    return data_home()

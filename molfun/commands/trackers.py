"""Commands on trackers: send what was not sent, and bring in runs that were trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from molfun.commands.runs import AsJson
from molfun.errors import MolfunError

if TYPE_CHECKING:
    from molfun.runs.folder import RunFolder


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sync)
    app.command("import")(import_)


def sync(
    run_id: Annotated[str, typer.Argument(metavar="[RUN]", help="Id of a run; without one, all that lack some.")] = "",
    to: Annotated[str, typer.Option(metavar="TRACKER", help="Send it there, also where it never was.")] = "",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long a service may be silent.")] = 30.0,
    json: AsJson = False,
) -> None:
    """Send to remote trackers what they lack of runs that are over: mlflow, wandb, comet, langfuse, tensorboard."""
    from dataclasses import asdict

    from molfun.home import data_home
    from molfun.runs.files import as_json
    from molfun.runs.senders import sync as send
    from molfun.runs.senders import unsent
    from molfun.runs.store import RunStore
    from molfun.tracking.catalog import find_tracker

    if to:
        find_tracker(to)
    store = RunStore(data_home())
    runs: list[RunFolder] = [store.get(run_id)] if run_id else store.list()
    rows, all_done = [], True
    for folder in runs:
        names = [to] if to and run_id else [name for name in unsent(folder) if name == (to or name)]
        if not names and not run_id:
            continue
        try:
            remotes = send(folder, names, patience_seconds=seconds)
        except MolfunError as error:
            if run_id:
                raise
            # What one run lacks must not keep the others from being sent.
            remotes, all_done = [], False
            typer.echo(f"{folder.id}  not sent: {error}", err=True)
        for remote in remotes:
            all_done &= remote.state == "done"
            rows.append({"id": folder.id, **asdict(remote)})
            if not json:
                where = f" {remote.link}" if remote.link else ""
                why = f" ({remote.error})" if remote.error else ""
                typer.echo(f"{folder.id}  {remote.words}{where}{why}")
    if json:
        typer.echo(as_json(rows))
    elif not rows and all_done:
        typer.echo("Nothing waits to be sent.")
    raise typer.Exit(0 if all_done else 1)


def import_(
    path: Annotated[Path, typer.Argument(help="Event files, an offline wandb run, mlruns or mlflow.db, a CSV file.")],
    json: AsJson = False,
) -> None:
    """Make runs of trainings that were recorded elsewhere, to compare with: TensorBoard, wandb, MLflow, CSV."""
    from molfun.home import data_home
    from molfun.runs.files import as_json
    from molfun.runs.importing import import_runs

    folders = import_runs(data_home(), path)
    if json:
        typer.echo(as_json([{"id": folder.id, "name": folder.title} for folder in folders]))
        return
    for folder in folders:
        typer.echo(f"{folder.title}: run {folder.id}")

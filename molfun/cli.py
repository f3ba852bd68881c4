"""The command line: thin commands over `molfun.runs`. Heavy rooms are imported inside commands, so help is quick."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from molfun.commands import data, opening, parameters, predict, race, report, runs, scan, server, storage, trackers
from molfun.errors import MolfunError

app = typer.Typer(
    name="molfun", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
runs_app = typer.Typer(help="Look at runs, stop, resume, extend, steer and delete them.", no_args_is_help=True)
server.register(app)
app.add_typer(runs_app, name="runs")
app.command("queue")(runs.queue)
runs.register(runs_app)
opening.register(runs_app)
storage.register(app, runs_app)
data.register(app)
parameters.register(app)
race.register(app, runs_app)
predict.register(app)
scan.register(app)
report.register(app)
trackers.register(app)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from importlib import metadata

        typer.echo(f"molfun {metadata.version('molfun')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Fine-tune protein models on your own measurements, and watch it happen."""


@app.command()
def fit(
    target: Annotated[str, typer.Argument(metavar="SPEC", help="A spec (YAML), a table, an example or a dataset.")],
    strategy: Annotated[str, typer.Option(help="head_only, lora, partial or full; replaces the spec's strategy.")] = "",
    changes: runs.Changes = None,
    detach: runs.Detach = False,
) -> None:
    """Train a model in the background and follow it; Ctrl-C stops and saves, twice leaves it alone."""
    from rich.console import Console

    from molfun.home import data_home
    from molfun.runs.advice import advise, introduce
    from molfun.runs.plan import parse_changes
    from molfun.runs.starting import plan_data
    from molfun.runs.submit import submit_run
    from molfun.runs.terminal import Follower

    home = data_home()
    spec, dataset = plan_data(home, target, strategy=strategy, changes=parse_changes(changes or []))
    for sentence in advise(spec, dataset):
        typer.echo(f"Note: {sentence}", err=True)
    folder = submit_run(home, spec)
    if detach:
        typer.echo(folder.id)
        return
    typer.echo(introduce(spec, dataset, folder.id))
    raise typer.Exit(Follower(folder, Console()).follow())


@app.command()
def examples(json: runs.AsJson = False) -> None:
    """List the built-in example data."""
    from molfun.data.examples import EXAMPLES

    names = ("name", "title", "task", "summary", "citation", "licence", "package", "notes", "suits")
    _print([{name: getattr(example, name) for name in names} for example in EXAMPLES.values()], names[:4], json)


@app.command()
def models(json: runs.AsJson = False) -> None:
    """List the backbones."""
    from molfun.adapters.catalog import MODELS

    names = (
        "name",
        "title",
        "num_parameters",
        "num_blocks",
        "num_residues_limit",
        "knows",
        "licence",
        "citation",
        "weights",
    )
    _print([{name: getattr(card, name) for name in names} for card in MODELS.values()], names[:7], json)


def _print(rows: list[dict[str, Any]], shown: tuple[str, ...], json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from molfun.runs.files import as_json

    if json:
        typer.echo(as_json(rows))
        return
    table = Table(*(name.removeprefix("num_").replace("_", " ") for name in shown))
    for row in rows:
        table.add_row(*(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in shown))
    Console().print(table)


def main() -> None:
    """Run the command line; what a user can mend is one sentence on stderr and exit code 2."""
    try:
        app()
    except MolfunError as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader of our output left (`molfun runs log ID | head`); Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or 'no file named'}.")


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()

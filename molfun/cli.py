"""The command line: thin commands over `molfun.runs`. Heavy rooms are imported inside commands, so help is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from molfun.errors import MolfunError, RunError, SettingError

app = typer.Typer(
    name="molfun", help="Fine-tune protein models on your own measurements, and watch it happen.", no_args_is_help=True,
    add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
runs_app = typer.Typer(help="Look at runs, stop and resume them, read their logs.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once; the run goes on in the background.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of a run; `molfun runs list` lists them.")]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the app.")] = 8501,
    host: Annotated[str, typer.Option(help="Address that the app answers on.")] = "127.0.0.1",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Answer other machines too; anyone there may start runs.")
    ] = False,
) -> None:
    """Open the app in the browser at http://HOST:PORT."""
    if host not in LOOPBACK and not insecure:
        raise SettingError(
            f"The address {host} would let other machines start runs here without a password; "
            "use 127.0.0.1, or add --insecure if that is meant."
        )
    script = Path(__file__).resolve().parent.parent / "app.py"
    if not script.is_file():
        raise RunError(f"The app's script {script} is absent; start the app from a checkout of Molfun.")
    _refuse_taken_port(host, port)
    typer.echo(f"Molfun runs at http://{host}:{port} (Ctrl-C ends it; runs go on).")
    sys.stdout.flush()
    # The script's folder holds .streamlit/config.toml.
    os.chdir(script.parent)
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(script), *_server_flags(host, port)])


def _server_flags(host: str, port: int) -> list[str]:
    """Return the settings on which safety rests, as flags: these win over a user's own configuration files."""
    settings: dict[str, Any] = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "type",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    allowed = ["localhost", "127.0.0.1", "[::1]"] if host in LOOPBACK else [host, "localhost", "127.0.0.1"]
    return flags + [f"--server.allowedHosts={name}" for name in allowed]


def _refuse_taken_port(host: str, port: int) -> None:
    import socket

    try:
        with socket.create_connection((host, port), timeout=0.3):
            pass
    except OSError:
        return
    raise RunError(f"Port {port} of {host} is in use; choose another one with --port, or end what runs there.")


@app.command()
def fit(
    target: Annotated[str, typer.Argument(metavar="SPEC", help="A spec (YAML), a table, or the name of an example.")],
    strategy: Annotated[str, typer.Option(help="head_only, lora, partial or full; replaces the spec's strategy.")] = "",
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    detach: Detach = False,
) -> None:
    """Train a model in the background and follow it; Ctrl-C stops and saves, twice leaves it alone."""
    from rich.console import Console

    from molfun.home import data_home
    from molfun.runs.advice import advise
    from molfun.runs.plan import parse_changes, plan_run, read_target
    from molfun.runs.submit import submit_run
    from molfun.runs.terminal import Follower

    home = data_home()
    spec, dataset = plan_run(home, read_target(target), strategy=strategy, changes=parse_changes(changes or []))
    for sentence in advise(spec, dataset):
        typer.echo(f"Note: {sentence}", err=True)
    folder = submit_run(home, spec)
    if detach:
        typer.echo(folder.id)
        return
    counts = ", ".join(f"{count} {part}" for part, count in dataset.counts.items())
    typer.echo(f"{spec.name}: {counts} rows; run {folder.id}")
    raise typer.Exit(Follower(folder, Console()).follow())


@runs_app.command("list")
def list_all(json: AsJson = False) -> None:
    """List all runs, newest first."""
    from rich.console import Console

    from molfun.home import data_home
    from molfun.runs.history import list_runs
    from molfun.runs.terminal import as_json, run_table

    runs = list_runs(data_home())
    if json:
        typer.echo(as_json(runs.to_dict("records")))
    elif runs.empty:
        typer.echo("No runs yet; start one with: molfun fit v_genes")
    else:
        Console().print(run_table(runs))


@runs_app.command()
def show(run_id: RunId, json: AsJson = False) -> None:
    """Show one run: state, choices, test scores."""
    from dataclasses import asdict

    from rich.console import Console

    from molfun.runs.history import summarise
    from molfun.runs.status import run_status
    from molfun.runs.terminal import as_json, field_table, number, score_table

    folder = _find(run_id)
    row, board = summarise(folder), folder.read_scoreboard()
    if json:
        extra = {"path": folder.path, "state": folder.read_state(), "scoreboard": board, **asdict(run_status(folder))}
        typer.echo(as_json({**row, **extra}))
        return
    shown = ("id", "name", "status", "cause", "strategy", "model", "weights", "dataset", "task", "metric")
    fields = [(name, row[name]) for name in shown]
    fields += [(name, number(row[name])) for name in ("best", "test", "minutes")]
    Console().print(field_table([*fields, ("folder", folder.path)]), soft_wrap=True)
    if board:
        Console().print(score_table(board))


@runs_app.command()
def stop(
    run_id: RunId,
    now: Annotated[bool, typer.Option("--now", help="End it at once, without saving the last steps.")] = False,
    json: AsJson = False,
) -> None:
    """Ask a run to stop at its next step and save."""
    from molfun.runs.launchers.local import LocalLauncher
    from molfun.runs.status import run_status
    from molfun.runs.terminal import as_json

    folder = _find(run_id)
    LocalLauncher().stop(folder, how="now" if now else "save")
    said = "Ended." if now else "It stops at its next step and saves."
    typer.echo(as_json({"id": folder.id, "status": run_status(folder).status}) if json else said)


@runs_app.command()
def resume(run_id: RunId, detach: Detach = False) -> None:
    """Go on with a run that was stopped, failed or was lost, from its last checkpoint, and follow it like fit."""
    from rich.console import Console

    from molfun.runs.launchers.local import LocalLauncher
    from molfun.runs.terminal import Follower

    folder = _find(run_id)
    follower = Follower(folder, Console())
    follower.skip_recorded()
    LocalLauncher().start(folder)
    if detach:
        typer.echo(folder.id)
        return
    raise typer.Exit(follower.follow())


@runs_app.command()
def log(
    run_id: RunId,
    num_bytes: Annotated[int, typer.Option("--bytes", min=1, help="How much of its end.")] = 65536,
    json: AsJson = False,
) -> None:
    """Print the end of a run's log."""
    from molfun.runs.terminal import as_json

    tail = _find(run_id).log_tail(num_bytes)
    typer.echo(as_json({"id": run_id, "log": tail}) if json else tail, nl=json)


def _find(run_id: str) -> Any:
    from molfun.home import data_home
    from molfun.runs.store import RunStore

    return RunStore(data_home()).get(run_id)


@app.command()
def examples(json: AsJson = False) -> None:
    """List the built-in example data."""
    from molfun.data.examples import EXAMPLES

    names = ("name", "title", "task", "summary", "citation", "licence", "package", "notes", "suits")
    _print([{name: getattr(example, name) for name in names} for example in EXAMPLES.values()], names[:4], json)


@app.command()
def models(json: AsJson = False) -> None:
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

    from molfun.runs.terminal import as_json

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

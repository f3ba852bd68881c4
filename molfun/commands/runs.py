"""Commands on runs: list, show, follow, stop, resume, extend, fork, steer, and the queue of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.errors import RunError, SettingError

if TYPE_CHECKING:
    from molfun.runs.folder import RunFolder

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once; the run goes on in the background.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of a run; `molfun runs list` lists them.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]

STEER = {
    "pause": "It waits after its next step; `molfun runs steer ID continue` lets it go on.",
    "continue": "It goes on.",
    "checkpoint": "It saves after its next step.",
    "halve-lr": "Every learning rate is halved from its next step on.",
    "stop-after-epoch": "It stops and saves at the end of this epoch.",
}


def register(runs_app: typer.Typer) -> None:
    """Add the commands of `molfun runs`."""
    runs_app.command("list")(list_all)
    for command in (show, follow, stop, resume, extend, fork, steer, log):
        runs_app.command()(command)


def list_all(json: AsJson = False) -> None:
    """List all runs, newest first."""
    from rich.console import Console

    from molfun.home import data_home
    from molfun.runs.files import as_json
    from molfun.runs.history import list_runs
    from molfun.runs.terminal import run_table
    from molfun.runs.watch import ask_clusters

    home = data_home()
    ask_clusters(home)
    runs = list_runs(home)
    if json:
        typer.echo(as_json(runs.to_dict("records")))
    elif runs.empty:
        typer.echo("No runs yet; start one with: molfun fit v_genes")
    else:
        Console().print(run_table(runs))


def show(run_id: RunId, json: AsJson = False) -> None:
    """Show one run: state, choices, test scores."""
    from dataclasses import asdict

    from rich.console import Console

    from molfun.runs.files import as_json
    from molfun.runs.history import summarise
    from molfun.runs.status import run_status
    from molfun.runs.terminal import field_table, number, score_table
    from molfun.runs.watch import ask_cluster

    folder = find_run(run_id)
    ask_cluster(folder)
    row, board, amended = summarise(folder), folder.read_scoreboard(), folder.read_amended()
    if json:
        extra = {"path": folder.path, "state": folder.read_state(), "scoreboard": board, **asdict(run_status(folder))}
        typer.echo(as_json({**row, **extra, "amended": amended, "launch": folder.read_launch()}))
        return
    shown = ("id", "name", "status", "cause", "strategy", "model", "weights", "dataset", "task", "metric")
    fields = [(name, row[name]) for name in shown]
    fields += [(name, number(row[name])) for name in ("best", "test", "minutes")]
    fields += [("tags", ", ".join(row["tags"])), ("notes", amended.get("notes", "")), ("folder", folder.path)]
    Console().print(field_table(fields), soft_wrap=True)
    if board:
        Console().print(score_table(board))


def follow(run_id: RunId) -> None:
    """Follow a run that waits or is at work; Ctrl-C stops and saves, twice leaves it alone."""
    from rich.console import Console

    from molfun.runs.terminal import Follower

    raise typer.Exit(Follower(find_run(run_id), Console()).follow())


def stop(
    run_id: RunId,
    now: Annotated[bool, typer.Option("--now", help="End it at once, without saving the last steps.")] = False,
    json: AsJson = False,
) -> None:
    """Ask a run to stop at its next step and save; one that waits is cancelled."""
    from molfun.runs.files import as_json
    from molfun.runs.launchers.catalog import launcher_of
    from molfun.runs.status import run_status

    folder = find_run(run_id)
    was_queued = run_status(folder).status == "queued"
    launcher_of(folder).stop(folder, how="now" if now else "save")
    said = "Cancelled." if was_queued else "Ended." if now else "It stops at its next step and saves."
    typer.echo(as_json({"id": folder.id, "status": run_status(folder).status}) if json else said)


def resume(run_id: RunId, detach: Detach = False) -> None:
    """Go on with a run that was stopped, failed or was lost, from its last checkpoint, and follow it like fit."""
    from molfun.runs.health import where_it_resumes
    from molfun.runs.status import run_status

    folder = find_run(run_id)
    point = where_it_resumes(folder)
    if run_status(folder).is_over and not point.is_possible:
        raise RunError(f"The run {folder.id} cannot go on. {point.sentence}")
    _start_again(folder, detach=detach, note=point.sentence)


def extend(
    run_id: RunId,
    epochs: Annotated[int, typer.Argument(min=1, help="Epochs in all, those that are trained already included.")],
    detach: Detach = False,
) -> None:
    """Give a run more epochs: one at work gets them at its next step, one that ended goes on."""
    from molfun.runs.steering import extend_run

    folder = find_run(run_id)
    if extend_run(folder, epochs):
        typer.echo(f"It trains {epochs} epochs from its next step on.")
        return
    _start_again(folder, detach=detach)


def fork(run_id: RunId, changes: Changes = None, detach: Detach = False) -> None:
    """Start a new run with the settings of another one, some of them changed; the other one stays as it is."""
    from molfun.home import data_home
    from molfun.runs.plan import parse_changes
    from molfun.runs.steering import fork_spec
    from molfun.runs.submit import submit_run

    folder = submit_run(data_home(), fork_spec(find_run(run_id), parse_changes(changes or [])))
    _follow(folder, detach=detach)


def steer(
    run_id: RunId,
    action: Annotated[str, typer.Argument(help=f"{', '.join(STEER)}.")],
    json: AsJson = False,
) -> None:
    """Steer a run at work: pause, continue, checkpoint, halve-lr, stop-after-epoch."""
    from molfun.runs.files import as_json
    from molfun.runs.steering import steer as steer_run

    if action not in STEER:
        raise SettingError(f"{action!r} cannot be asked of a run; expected one of {', '.join(STEER)}.")
    folder = find_run(run_id)
    steer_run(folder, action.replace("-", "_"))
    typer.echo(as_json({"id": folder.id, "action": action}) if json else STEER[action])


def log(
    run_id: RunId,
    num_bytes: Annotated[int, typer.Option("--bytes", min=1, help="How much of its end.")] = 65536,
    json: AsJson = False,
) -> None:
    """Print the end of a run's log."""
    from molfun.runs.files import as_json
    from molfun.runs.launchers.catalog import launcher_of

    folder = find_run(run_id)
    tail = folder.log_tail(num_bytes) or launcher_of(folder).logs(folder)
    typer.echo(as_json({"id": run_id, "log": tail}) if json else tail, nl=json)


def queue(
    first: Annotated[str, typer.Option(metavar="ID", help="Let this run be the next one.")] = "",
    now: Annotated[str, typer.Option(metavar="ID", help="Start this run at once, whatever else is at work.")] = "",
    slots: Annotated[int | None, typer.Option(min=0, max=64, help="Runs at once; 0 is one a GPU, or one.")] = None,
    json: AsJson = False,
) -> None:
    """Show the runs that wait on this machine, in order, and change it."""
    from rich.console import Console
    from rich.table import Table

    from molfun.home import data_home
    from molfun.runs.dispatcher import advance, revive
    from molfun.runs.files import as_json
    from molfun.runs.machine import list_gpus
    from molfun.runs.queue import hurry, move, num_slots, read_queue, set_slots, why_waiting
    from molfun.runs.store import RunStore
    from molfun.runs.terminal import two_lines

    home = data_home()
    if first:
        move(home, first, 0)
    if now:
        hurry(home, now)
    if slots is not None:
        set_slots(home, slots or None)
    advance(home)
    revive(home)
    found, gpus, store = read_queue(home), list_gpus(), RunStore(home)
    rows: list[dict[str, Any]] = [
        {"id": holder.id, "place": "at work", "gpus": holder.gpus} for holder in found.holding
    ]
    rows += [{"id": t.id, "place": why_waiting(found, t.id, gpus), "gpus": t.picked or []} for t in found.waiting]
    if json:
        typer.echo(as_json({"slots": num_slots(found, gpus), "runs": rows}))
        return
    table = Table("run", "place", "GPUs", title=f"{num_slots(found, gpus)} at once", title_justify="left")
    for row in rows:
        title = store.get(row["id"]).title
        table.add_row(two_lines(title, row["id"]), row["place"], ", ".join(map(str, row["gpus"])))
    Console().print(table if rows else "Nothing waits and nothing is at work.")


def _start_again(folder: RunFolder, *, detach: bool, note: str = "") -> None:
    """Begin another attempt at a run and follow what is new."""
    from rich.console import Console

    from molfun.runs.launchers.catalog import launcher_of
    from molfun.runs.terminal import Follower

    follower = Follower(folder, Console())
    follower.skip_recorded()
    launcher_of(folder).start(folder)
    if note:
        typer.echo(note, err=True)
    if detach:
        typer.echo(folder.id)
        return
    raise typer.Exit(follower.follow())


def _follow(folder: RunFolder, *, detach: bool) -> None:
    from rich.console import Console

    from molfun.runs.terminal import Follower

    if detach:
        typer.echo(folder.id)
        return
    typer.echo(f"{folder.title}: run {folder.id}")
    raise typer.Exit(Follower(folder, Console()).follow())


def find_run(run_id: str) -> RunFolder:
    """Return the run of that id.

    Raises:
        RunError: There is none.
    """
    from molfun.home import data_home
    from molfun.runs.store import RunStore

    return RunStore(data_home()).get(run_id)

"""What the command line shows: words of people and of errors as they are, never taken for markup."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from molfun.cli import app
from molfun.runs.queue import Ticket, changing
from molfun.runs.store import RunFolder
from molfun.runs.terminal import Follower

ODD = "a [lora] of [/b] [red]data[/red]"


@pytest.fixture
def odd(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that failed, with a name and a cause that look like markup."""
    monkeypatch.setenv("COLUMNS", "200")
    folder.amend(name=ODD, notes=ODD)
    folder.write_state(status="failed", cause=f"Expected one of [mse, mae], got {ODD}.", ended=1.0, started=0.0)
    return folder


@pytest.mark.parametrize("command", [["runs", "show", "a-run"], ["runs", "list"], ["disk"]])
def test_a_name_is_shown_as_it_is(odd: RunFolder, command: list[str]) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    assert ODD in done.output


def test_a_cause_is_shown_as_it_is(odd: RunFolder) -> None:
    shown = io.StringIO()
    assert Follower(odd, Console(file=shown, width=200)).follow() == 1
    assert f"failed: Expected one of [mse, mae], got {ODD}." in shown.getvalue()


def test_names_in_queue_and_bin_are_shown_as_they_are(odd: RunFolder) -> None:
    with changing(odd.path.parents[1]) as queue:
        queue.num_slots = 1
        queue.waiting = [Ticket("a-run", num_gpus=64)]
    waiting = CliRunner().invoke(app, ["queue"])
    assert ODD in waiting.output, waiting.exception
    with changing(odd.path.parents[1]) as queue:
        queue.waiting = []
    assert CliRunner().invoke(app, ["runs", "delete", "a-run"]).exit_code == 0
    assert ODD in CliRunner().invoke(app, ["runs", "bin"]).output

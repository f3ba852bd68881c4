"""Services that refuse, hang, answer 429 or 500, or drop the connection: an end within bounds, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from molfun.runs.process import identity_of
from molfun.runs.remotes import read_cursor, read_remotes
from tests.tracking.runs_to_send import (
    expected_steps,
    recorded_run,
    send,
    sender_command,
    sender_environment,
    write_steps,
)  # fmt: skip
from tests.tracking.services import FAULTS, SERVICES, serving

PATIENCE_SECONDS, MOST_SECONDS = 2.0, 60.0
MODULES = {"wandb": "wandb", "mlflow": "mlflow", "comet": "comet_ml", "langfuse": "langfuse"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_no_fault_loses_anything_or_holds_a_sender(name: str, home: Path) -> None:
    """All faults at once: each sender is a process of its own, and most of its time it waits."""
    pytest.importorskip(MODULES[name])
    folders = {fault: recorded_run(home, name, run_id=f"run-{fault}") for fault in FAULTS}
    records = {fault: folder.metrics_path.read_bytes() for fault, folder in folders.items()}
    began = time.monotonic()
    with ExitStack() as stack:
        senders = {}
        for fault, folder in folders.items():
            service = stack.enter_context(serving(name, fault))
            senders[fault] = subprocess.Popen(
                sender_command(folder, name, PATIENCE_SECONDS), env=sender_environment(service.variables),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        said = {fault: sender.communicate(timeout=MOST_SECONDS)[0] for fault, sender in senders.items()}
    assert time.monotonic() - began < MOST_SECONDS
    for fault, folder in folders.items():
        assert senders[fault].returncode == 75, f"{fault}: {said[fault]}"
        assert folder.metrics_path.read_bytes() == records[fault]
        (remote,) = read_remotes(folder, "finished")
        assert (remote.state, remote.waiting) == ("offline", 202), fault
        assert remote.error, fault


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "mlflow"])
def test_what_a_service_missed_is_there_when_it_is_back(name: str, home: Path) -> None:
    pytest.importorskip(MODULES[name])
    folder = recorded_run(home, name)
    with serving(name) as service:
        service.fault = "500"
        assert send(folder, name, service.variables, patience=1).returncode == 75
        service.fault = ""
        done = send(folder, name, service.variables)
        assert done.returncode == 0, done.stdout + done.stderr
    (remote,) = read_remotes(folder, "finished")
    assert (remote.state, remote.waiting) == ("done", 0)


def wait_for(condition: Callable[[], bool], said: Callable[[], object]) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)


def losses(service: object, name: str, run_id: str) -> dict[int, float] | set[int]:
    """Return what arrived: losses by step, or of Langfuse, which has no steps, the epochs."""
    if name == "wandb":
        rows = service.rows[run_id]  # type: ignore[attr-defined]
        steps = [row["global_step"] for row in rows if "global_step" in row]
        assert len(set(steps)) == len(steps)
        return {row["global_step"]: row["step/loss"] for row in rows if "global_step" in row}
    if name == "comet":
        return dict(service.metrics["step/loss"])  # type: ignore[attr-defined]
    return {score["metadata"]["epoch"] for score in service.scores.values() if score["name"] == "val_loss"}  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SERVICES if name != "mlflow"])
def test_a_service_that_breaks_while_the_run_goes_on_gets_all_of_it(name: str, home: Path) -> None:
    pytest.importorskip(MODULES[name])
    alive = {"status": "running", "heartbeat": time.time(), **identity_of(os.getpid())}
    folder = recorded_run(home, name, **alive)

    def cursor() -> object:
        return read_cursor(folder, name)

    with serving(name) as service:
        sender = subprocess.Popen(
            sender_command(folder, name), env=sender_environment(service.variables), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_for(lambda: read_cursor(folder, name).handed == folder.metrics_path.stat().st_size, cursor)
        sent = read_cursor(folder, name).offset
        service.fault = "500"
        write_steps(folder, 201, 400)
        if name == "wandb":
            time.sleep(3)  # it tries again by itself, and tells at the end only
        else:
            wait_for(lambda: read_cursor(folder, name).failures > 0, cursor)
        assert read_cursor(folder, name).offset == sent
        service.fault = ""
        folder.write_state(status="finished", ended=time.time())
        said, _ = sender.communicate(timeout=2 * MOST_SECONDS)
        assert sender.returncode == 0, said
        arrived = losses(service, name, folder.id)
    assert arrived == ({1, 2, 3, 4} if name == "langfuse" else pytest.approx(expected_steps(400)))


@pytest.mark.parametrize("name", SERVICES)
def test_keys_are_in_no_file_of_the_run_and_in_no_output(name: str, home: Path, tmp_path: Path) -> None:
    pytest.importorskip(MODULES[name])
    folder = recorded_run(home, name)
    with serving(name, "500" if name == "mlflow" else "") as service:
        variables = {**service.variables, "HOME": str(tmp_path)}
        if name == "mlflow":
            address = variables["MLFLOW_TRACKING_URI"].replace("://", "://ana:longpassword@")
            variables |= {"MLFLOW_TRACKING_URI": address, "MLFLOW_TRACKING_TOKEN": "token-0123456789"}
        said = send(folder, name, variables, patience=2)
    keys = [value for key, value in variables.items() if key.endswith(("KEY", "TOKEN"))] + ["longpassword"]
    places = [path for top in (folder.path, tmp_path, home) for path in top.rglob("*") if path.is_file()]
    texts = [said.stdout.encode(), said.stderr.encode(), *(path.read_bytes() for path in places)]
    assert len(places) > 5
    public = [value for value in keys if not value.startswith("pk-")]  # a public key names a project in each trace
    assert not [key for key in public if any(key.encode() in text for text in texts)]

"""What people may ask of a run in each state; that a run obeys is shown by the tests of the worker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from molfun.errors import RunError, SettingError
from molfun.runs import control
from molfun.runs.process import identity_of
from molfun.runs.steering import extend_run, fork_spec, steer
from molfun.runs.store import RunFolder

Sleeper = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def at_work(folder: RunFolder, sleeper: Sleeper) -> RunFolder:
    folder.write_state(status="running", epoch=3, epochs=10, attempt=1, **identity_of(sleeper().pid))
    return folder


def test_pause_stays_until_it_is_withdrawn(at_work: RunFolder) -> None:
    steer(at_work, "pause")
    steer(at_work, "pause")
    assert control.requested(at_work) == {"pause"}
    steer(at_work, "continue")
    assert control.requested(at_work) == set()


def test_a_run_that_is_not_at_work_cannot_be_steered(folder: RunFolder) -> None:
    folder.write_state(status="finished")
    with pytest.raises(RunError, match="is finished; only a run at work can be steered"):
        steer(folder, "halve_lr")
    with pytest.raises(RunError, match="'dance' cannot be asked of a run; expected one of pause"):
        steer(folder, "dance")


def test_a_run_at_work_takes_more_epochs_by_itself(at_work: RunFolder) -> None:
    assert extend_run(at_work, 24)
    assert at_work.epochs == 24
    assert control.read(at_work, "extend")["epochs"] == 24
    assert at_work.spec.training.epochs == 10  # the settings are never changed


@pytest.mark.parametrize("epochs", [0, 3, 100_001])
def test_epochs_that_are_trained_already_are_refused(at_work: RunFolder, epochs: int) -> None:
    with pytest.raises(RunError, match=f"cannot have {epochs} epochs: 3 are trained already"):
        extend_run(at_work, epochs)


def test_a_run_that_ended_has_to_be_started_again(folder: RunFolder) -> None:
    folder.write_state(status="finished", epoch=10, epochs=10)
    assert not extend_run(folder, 12)


def test_a_fork_is_a_new_run_with_a_name_of_its_own(folder: RunFolder) -> None:
    folder.amend(name="Best so far", epochs=30)
    spec = fork_spec(folder, {"strategy.lr": "0.01"})
    assert (spec.strategy.lr, spec.training.epochs, spec.data.dataset) == (0.01, 30, "d-1")
    assert spec.name.startswith("Best so far (fork ")
    with pytest.raises(SettingError, match="Unknown setting"):
        fork_spec(folder, {"strategy.lrr": 1})


def test_a_run_that_patience_ended_needs_more_epochs_than_it_had(folder: RunFolder) -> None:
    folder.write_state(status="finished", epoch=5, epochs=20, attempt=1)
    with pytest.raises(RunError, match="cannot have 10 epochs: it ended after 5 of 20; give a number above 20"):
        extend_run(folder, 10)
    assert folder.read_amended() == {}
    assert not extend_run(folder, 25)

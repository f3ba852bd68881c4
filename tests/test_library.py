"""Molfun from Python as a person uses it: real runs, real interruptions, what is read of them, what is refused."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import molfun
from molfun.data.dataset import list_datasets
from molfun.data.examples import save_example
from molfun.errors import DataError, RunError, SettingError
from molfun.runs.starting import plan_data
from molfun.runs.store import RunFolder, RunStore
from tests.real_runs import kill_all, wait_for_end, wait_until

ROOT = Path(__file__).parents[1]
TABLE = pd.DataFrame({
    "sequence": [f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)}" for i in range(40)],
    "value": [round(i * 0.37 % 2, 2) for i in range(40)],
})  # fmt: skip
TINY: dict[str, Any] = {
    "model": {"name": "esm2_8m", "weights": "random"}, "training.batch_size": 4, "training.num_threads": 1,
    "training.epochs": 2,
}  # fmt: skip


@pytest.fixture
def ending(home: Path) -> Iterator[None]:
    """Kill what a test left at work."""
    yield
    for folder in RunStore(home).list():
        kill_all(folder)


@pytest.mark.slow
def test_a_table_is_fitted_and_everything_of_the_run_is_at_hand(
    home: Path, ending: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = molfun.fit(TABLE, settings=TINY)
    said, noted = capsys.readouterr()
    assert re.search(r"run 2\d{7}-\d{6}-", said)
    assert len(re.findall(r"^epoch \d/2 .*val_loss", said, re.MULTILINE)) == 2
    assert "Note: Random weights" in noted
    assert (run.state, run.cause) == ("finished", "")
    assert len(run.history()) == 2
    assert {"step", "loss", "epoch"} <= set(run.steps())
    scores = run.scores()
    assert scores.index[0] == "this run"
    assert scores.columns[0] == "spearman"
    assert len(scores) > 1
    assert run.settings["training"]["epochs"] == 2
    predicted = molfun.load(run).predict(["MKTAYIAKQR"])
    assert len(predicted) == len(run.predictor("last").predict(["MKTAYIAKQR"])) == 1

    again = molfun.fit(TABLE.copy(), settings=TINY, wait=False)
    assert again.wait() is again
    assert len(list_datasets(home / "datasets")) == 1
    listed = molfun.runs()
    assert listed["id"].tolist() == [again.id, run.id]
    assert {"id", "name", "state", "strategy", "model", "data", "epochs", "best", "test"} <= set(listed)
    assert listed["state"].tolist() == ["finished", "finished"]
    pd.testing.assert_frame_equal(molfun.Run(run.folder).scores(), again.scores())


@pytest.mark.slow
def test_an_interrupted_script_leaves_its_run_alone(home: Path, ending: None, tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "few.csv", index=False)
    settings = {**TINY, "training.epochs": 40, "training.keep_frozen": False}
    script = f"import molfun\nmolfun.fit({str(tmp_path / 'few.csv')!r}, settings={settings!r})\nprint('not reached')"
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", script], cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True
        )
    wait_for(lambda: "epoch 1/40" in (tmp_path / "out.txt").read_text() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    said = (tmp_path / "out.txt").read_text()
    folder = RunStore(home).list()[0]
    assert f'The run goes on. Follow it with molfun.Run("{folder.id}").show(), stop and save it with .stop().' in said
    assert "not reached" not in said
    assert error.rstrip().endswith("KeyboardInterrupt")
    run = molfun.Run(folder.id)
    steps = len(run.steps())
    wait_until(lambda: len(run.steps()) > steps, folder)
    run.stop()
    wait_for_end(folder)
    assert run.state == "stopped"


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something that no run's folder tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_that_fails_is_an_error_with_its_cause(home: Path, ending: None) -> None:
    run = molfun.fit(TABLE, settings=TINY, wait=False)
    shutil.rmtree(home / "datasets")  # long before its process has loaded torch
    with pytest.raises(RunError, match=r"The run \S+ failed: No dataset has the id .*\.log\(\)"):
        run.wait()
    assert run.state == "failed"
    assert run.log()


def test_waiting_ends_with_its_time(home: Path, waiting: RunFolder) -> None:
    run = molfun.Run(waiting.id)
    with pytest.raises(RunError, match=rf"The run {run.id} is running after 0\.1 seconds"):
        run.wait(0.1)
    assert repr(run) == f"<Run {run.id}: Mine, running>"
    assert run.scores().empty
    assert run.history().empty


@pytest.fixture
def waiting(home: Path) -> RunFolder:
    """Return a run whose process is this one, so that it does not end."""
    from molfun.runs.process import identity_of
    from molfun.runs.spec import RunSpec

    folder = RunStore(home).create(RunSpec(name="Mine"), run_id="mine")
    folder.write_state(status="running", **identity_of(os.getpid()))
    return folder


@pytest.mark.parametrize(
    ("data", "settings", "error", "message"),
    [
        ([1, 2], {}, SettingError, "Data are the name of an example, a path, or a pandas DataFrame, but .* type list"),
        ("v_gens", {}, SettingError, "did you mean 'v_genes'"),
        (TABLE.iloc[:0], {}, DataError, "The DataFrame has 0 rows"),
        (TABLE, {"data.example": "v_genes"}, SettingError, "The data are a DataFrame, but data.example is set"),
        (TABLE, {"data.columns.target": "valeu"}, DataError, "The DataFrame cannot be used with .*'valeu'"),
        (TABLE, {"strategy.rank": 3}, SettingError, "Unknown setting 'strategy.rank'"),
        (TABLE, {"data.sha256": "f" * 64}, DataError, "Expected data with the hash ffffffffffffffff, but the dataset"),
        ("v_genes", {"data.sha256": "xyz"}, SettingError, "Setting 'data.sha256' is 'xyz'"),
    ],
)
def test_what_cannot_start_is_a_sentence(
    home: Path, data: Any, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        molfun.fit(data, settings=settings)
    assert molfun.runs().empty


def test_runs_that_are_not_there_are_named(home: Path) -> None:
    with pytest.raises(RunError, match="No run has the id 'nope'"):
        molfun.Run("nope")
    with pytest.raises(RunError, match="is no run folder"):
        molfun.Run(home)


def test_another_data_folder_can_be_named(home: Path, tmp_path: Path) -> None:
    from molfun.runs.spec import RunSpec

    other = tmp_path / "elsewhere"
    assert molfun.runs(home=other).empty
    RunStore(other).create(RunSpec(name="There"), run_id="there")
    assert molfun.Run("there", home=str(other)).name == "There"
    assert molfun.runs(home=other)["id"].tolist() == ["there"]
    assert molfun.runs().empty


def test_the_package_of_runs_can_be_called_whatever_was_imported(fresh_python: Callable[..., str]) -> None:
    code = (
        "import molfun.runs.store, molfun; from molfun import runs; import molfun.runs.spec\n"
        "print(len(molfun.runs()), len(runs()), molfun.runs.store.RunStore.__name__)"
    )
    assert fresh_python(code) == "0 0 RunStore"


def test_import_loads_neither_torch_nor_pandas(fresh_python: Callable[..., str]) -> None:
    heavy = ("torch", "pandas", "numpy", "plotly", "pydantic", "rich", "yaml")
    assert fresh_python(f"import sys, molfun; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_a_saved_dataset_is_never_divided_anew_without_a_word(home: Path) -> None:
    dataset = save_example(home / "datasets", "gb1_stability")
    with pytest.raises(SettingError, match=r"saved with data\.split\.seed = 0, but 3 is asked for"):
        molfun.fit(dataset.id, settings={"data.split.seed": 3}, wait=False)
    plan_data(home, dataset.id, changes={"data.split.seed": 0, "data.columns.target": "ddg"})


def test_a_home_may_be_told_as_people_write_it(home: Path, waiting: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home.parent))
    assert molfun.Run(waiting.id, home=f"~/{home.name}").folder == waiting.path


def test_tables_of_a_run_may_be_changed(waiting: RunFolder) -> None:
    run = molfun.Run(waiting.id)
    waiting.metrics_path.write_text('{"kind": "step", "segment": 0, "step": 1, "t": 0.0, "loss": 2.0, "epoch": 0.1}\n')
    table = run.steps()
    table.loc[0, "loss"] = 1.0
    assert (table["loss"][0], run.steps()["loss"][0]) == (1.0, 2.0)

"""Runs sent to a real MLflow server, read back through its own API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from molfun.errors import SettingError
from molfun.runs.remotes import read_cursor, read_remotes
from molfun.runs.senders import sync
from molfun.runs.status import run_status
from molfun.runs.submit import submit_run
from molfun.tracking.local import read_metrics
from molfun.tracking.mlflow import MLflowTracker
from molfun.training import HeadOnlyFinetune
from tests.real_runs import few_rows, kill_all, tiny_spec, wait_for_end, wait_until
from tests.tiny import tiny_batch, tiny_model
from tests.tracking.mlflow_server import MLflowServer
from tests.tracking.runs_to_send import SCORE, expected_steps, recorded_run, send, write_steps

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # mlflow's own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflowServer]:
    server = MLflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.kill()


def stored(server: MLflowServer, run_id: str) -> tuple[Any, Any]:
    """Return the client of a server and the one run that has our id."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=server.url)
    experiment = client.get_experiment_by_name("tests")
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`molfun.run_id` = '{run_id}'")
    return client, run


def history(client: Any, run: Any, name: str) -> dict[int, float]:
    points = client.get_metric_history(run.info.run_id, name)
    assert len({point.step for point in points}) == len(points)
    return {point.step: point.value for point in points}


def test_a_finished_run_is_there_whole(server: MLflowServer, home: Path) -> None:
    folder = recorded_run(home, "mlflow", run_id="whole")
    done = send(folder, "mlflow", {"MLFLOW_TRACKING_URI": server.url})
    assert done.returncode == 0, done.stdout + done.stderr
    client, run = stored(server, "whole")
    assert run.info.status == "FINISHED"
    assert run.data.params["strategy.kind"] == "head_only"
    assert run.data.params["parameters.trainable"] == "10"
    assert run.data.params["environment.device"] == "cpu"
    assert history(client, run, "step/loss") == pytest.approx(expected_steps())
    assert history(client, run, "val_loss") == {1: 0.01, 2: 0.005}
    assert "step/grad_norm" not in run.data.metrics
    assert run.data.metrics["test_spearman"] == SCORE
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"spec.yaml", "parameters.json", "environment.json", "scoreboard.json"}
    (remote,) = read_remotes(folder, "finished")
    assert remote.words == "MLflow: up to date"
    assert remote.link == f"{server.url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def test_a_resumed_run_goes_on_in_the_same_place(server: MLflowServer, home: Path) -> None:
    folder = recorded_run(home, "mlflow", run_id="resumed", status="failed", cause="Out of memory.")
    variables = {"MLFLOW_TRACKING_URI": server.url}
    assert send(folder, "mlflow", variables).returncode == 0
    _, run = stored(server, "resumed")
    assert (run.info.status, run.data.tags["molfun.error"]) == ("FAILED", "Out of memory.")
    write_steps(folder, 201, 300, segment=1)
    folder.write_state(status="stopped", attempt=2)
    assert send(folder, "mlflow", variables).returncode == 0
    client, run = stored(server, "resumed")
    assert run.info.status == "KILLED"
    assert history(client, run, "step/loss") == pytest.approx(expected_steps(300))


def test_rows_that_are_sent_again_are_the_same_rows(server: MLflowServer, home: Path) -> None:
    folder = recorded_run(home, "mlflow", run_id="again")
    variables = {"MLFLOW_TRACKING_URI": server.url}
    assert send(folder, "mlflow", variables).returncode == 0
    (folder.remote / "mlflow.json").unlink()
    assert send(folder, "mlflow", variables).returncode == 0
    client, run = stored(server, "again")
    assert history(client, run, "step/loss") == pytest.approx(expected_steps())


def test_nothing_is_lost_while_no_server_answers(server: MLflowServer, home: Path) -> None:
    folder = recorded_run(home, "mlflow", run_id="later")
    done = send(folder, "mlflow", {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, patience=3)
    assert done.returncode == 75
    (remote,) = read_remotes(folder, "finished")
    assert remote.words == "MLflow: offline, 202 points waiting"
    assert "refused" in read_cursor(folder, "mlflow").error
    assert send(folder, "mlflow", {"MLFLOW_TRACKING_URI": server.url}).returncode == 0
    client, run = stored(server, "later")
    assert history(client, run, "step/loss") == pytest.approx(expected_steps())


def test_fit_hands_everything_over_before_it_returns(server: MLflowServer) -> None:
    model, tracker = tiny_model(), MLflowTracker("tests", uri=server.url)
    tracker.start_run("fitted")
    loader = [tiny_batch(model.adapter.alphabet)] * 3
    rows = HeadOnlyFinetune(amp=False).fit(model, loader, epochs=2, tracker=tracker)
    client, run = stored(server, "fitted")
    assert list(history(client, run, "step/loss")) == [1, 2, 3, 4, 5, 6]
    assert history(client, run, "train_loss") == pytest.approx({1: rows[0]["train_loss"], 2: rows[1]["train_loss"]})
    assert run.data.params["strategy"] == "HeadOnlyFinetune"
    # The run is whoever's that began it.
    assert run.info.status == "RUNNING"
    tracker.end_run()
    assert stored(server, "fitted")[1].info.status == "FINISHED"


def test_tracker_is_used_directly(server: MLflowServer) -> None:
    with MLflowTracker("tests", uri=server.url) as tracker:
        tracker.start_run("direct", name="n", group="g", tags=["a", "b"])
        tracker.log_config({"strategy": "HeadOnlyFinetune", "lr": 1e-3, "empty": {}})
        tracker.log_metrics({"val_loss": 0.5, "bad": float("inf")}, 1)
        tracker.log_text("hello", "note.txt")
    _, run = stored(server, "direct")
    assert run.data.params == {"strategy": "HeadOnlyFinetune", "lr": "0.001"}
    assert run.data.metrics == {"val_loss": 0.5}
    assert run.data.tags["molfun.tags"] == "a, b"
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "mlruns"])
def test_what_is_no_server_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(SettingError, match="needs the address of a tracking server"):
        MLflowTracker().start_run()


@pytest.mark.slow
def test_a_server_killed_while_a_run_trains_gets_all_of_it_later(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MLflowServer(tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    few = few_rows(tmp_path / "few.csv")
    spec = tiny_spec(home, few, training__epochs=12, trackers=["mlflow"], tracking__project="tests", tracking__every=1)
    folder = submit_run(home, spec)
    try:
        wait_until(lambda: read_cursor(folder, "mlflow").offset > 0, folder)
        server.kill()
        wait_for_end(folder)
        assert run_status(folder).status == "finished", folder.log_tail()
        wait_until(lambda: "refused" in read_cursor(folder, "mlflow").error, folder)
        kill_all(folder)  # the sender, which would wait for another half a minute
        assert not folder.log_tail().count("mlflow")
        (remote,) = read_remotes(folder, "finished")
        assert (remote.state, remote.waiting > 0) == ("offline", True)
        server.start()
        assert [remote.state for remote in sync(folder, ["mlflow"])] == ["done"]
        client, run = stored(server, folder.id)
        losses, scores = history(client, run, "step/loss"), history(client, run, "val_loss")
    finally:
        server.kill()
        kill_all(folder)
    assert run.info.status == "FINISHED"
    steps, epochs = read_metrics(folder.metrics_path)
    assert list(losses) == steps["step"].tolist()
    assert list(scores.values()) == epochs["val_loss"].tolist()

"""Runs sent by the packages of Comet, Langfuse and wandb to services on loopback, and event files of TensorBoard."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from molfun.runs.remotes import read_remotes
from molfun.tracking.comet import experiment_key
from tests.tracking.runs_to_send import SCORE, expected_steps, recorded_run, send, sender_environment, write_steps
from tests.tracking.services import CometService, LangfuseService, WandbService, serving


def assert_sent(folder, name: str, variables: dict[str, str]) -> None:
    done = send(folder, name, variables)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    (remote,) = [remote for remote in read_remotes(folder, "finished") if remote.name == name]
    assert (remote.state, remote.waiting, remote.error) == ("done", 0, ""), log


def test_comet_gets_a_run_whole(home: Path) -> None:
    pytest.importorskip("comet_ml")
    folder = recorded_run(home, "comet")
    service: CometService
    with serving("comet") as service:
        assert_sent(folder, "comet", service.variables)
    assert service.metrics["step/loss"] == pytest.approx(expected_steps())
    assert service.metrics["val_loss"] == {1: 0.01, 2: 0.005}
    assert service.parameters["strategy.kind"] == "head_only"
    assert service.others["status"] == "finished"
    assert SCORE in service.metrics["test_spearman"].values()
    assert len([path for path in service.assets if "scoreboard.json" in path]) == 1
    (remote,) = read_remotes(folder, "finished")
    assert remote.link.endswith(experiment_key(folder.id))


def test_langfuse_gets_a_trace_with_spans_and_scores(home: Path) -> None:
    pytest.importorskip("langfuse")
    folder = recorded_run(home, "langfuse", status="failed", cause="Out of memory.")
    service: LangfuseService
    with serving("langfuse") as service:
        done = send(folder, "langfuse", service.variables)
    assert done.returncode == 0, done.stdout + done.stderr
    spans = {span["name"]: (key, span) for key, span in service.spans.items()}
    key, root = spans["run"]
    assert root["parent"] == ""
    assert (root["langfuse.observation.level"], root["langfuse.observation.status_message"]) == (
        "ERROR",
        "Out of memory.",
    )
    assert json.loads(root["langfuse.observation.input"])["strategy"]["kind"] == "head_only"
    for number in (1, 2):
        own, span = spans[f"epoch {number}"]
        assert (span["parent"], span["trace"]) == (key, root["trace"])
        assert span["langfuse.trace.name"] == "a run"
        assert span["session.id"] == "tests"
        assert json.loads(span["langfuse.observation.output"])["val_loss"] == 1 / (100 * number)
        scores = {
            score["name"]: score["value"] for score in service.scores.values() if score.get("observationId") == own
        }
        assert scores == {"train_loss": 0.5, "val_loss": 1 / (100 * number)}
    of_trace = {score["name"]: score["value"] for score in service.scores.values() if not score.get("observationId")}
    assert of_trace == {"test_spearman": SCORE, "status": "failed"}
    assert not any("step/" in score["name"] for score in service.scores.values())


def test_langfuse_gets_the_same_things_again_under_the_same_ids(home: Path) -> None:
    pytest.importorskip("langfuse")
    folder = recorded_run(home, "langfuse")
    with serving("langfuse") as service:
        assert_sent(folder, "langfuse", service.variables)
        spans, scores = set(service.spans), set(service.scores)
        (folder.remote / "langfuse.json").unlink()
        assert_sent(folder, "langfuse", service.variables)
        assert (set(service.spans), set(service.scores)) == (spans, scores)


def test_langfuse_keeps_the_settings_of_a_run_that_was_resumed(home: Path) -> None:
    pytest.importorskip("langfuse")
    folder = recorded_run(home, "langfuse")
    service: LangfuseService
    with serving("langfuse") as service:
        assert_sent(folder, "langfuse", service.variables)
        write_steps(folder, 201, 300, segment=1)
        folder.write_state(attempt=2)
        assert_sent(folder, "langfuse", service.variables)
    spans = {span["name"]: span for span in service.spans.values()}
    assert json.loads(spans["run"]["langfuse.observation.input"])["strategy"]["kind"] == "head_only"
    assert "epoch 3" in spans


TWO_SERVERS = """
import sys
from langfuse import Langfuse, get_client
from molfun.tracking.langfuse import LangfuseTracker

mine = Langfuse(public_key="pk-lf-1", secret_key="sk-lf-mine", base_url=sys.argv[1])
for secret, url in (("sk-lf-wrong", sys.argv[1]), ("sk-lf-1", sys.argv[2])):
    with LangfuseTracker(public_key="pk-lf-1", secret_key=secret, base_url=url) as tracker:
        tracker.start_run("run-1")
        tracker.log_metrics({"val_loss": 0.5}, 1)
assert get_client()._resources is mine._resources
"""


def test_langfuse_gets_a_run_at_each_address_and_leaves_the_clients_of_a_script_alone() -> None:
    pytest.importorskip("langfuse")
    with serving("langfuse") as first, serving("langfuse") as second:
        done = subprocess.run(
            [sys.executable, "-c", TWO_SERVERS, first.url, second.url], env=sender_environment({}), timeout=120,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for service in (first, second):
        assert {span["name"] for span in service.spans.values()} == {"run", "epoch 1"}
        assert {score["name"] for score in service.scores.values()} == {"val_loss", "status"}


def test_wandb_gets_a_run_whole(home: Path) -> None:
    pytest.importorskip("wandb")
    folder = recorded_run(home, "wandb")
    service: WandbService
    with serving("wandb") as service:
        assert_sent(folder, "wandb", service.variables)
    rows = service.rows[folder.id]
    steps = {row["global_step"]: row["step/loss"] for row in rows if "global_step" in row}
    assert steps == pytest.approx(expected_steps())
    assert [(row["epoch"], row["val_loss"]) for row in rows if "val_loss" in row] == [(1, 0.01), (2, 0.005)]
    assert service.exit_codes == {folder.id: 0}
    assert any("scoreboard.json" in path for path in service.uploads)
    (remote,) = read_remotes(folder, "finished")
    assert remote.link.endswith(f"/lab/tests/runs/{folder.id}")


def test_wandb_gets_no_row_twice(home: Path) -> None:
    pytest.importorskip("wandb")
    folder = recorded_run(home, "wandb")
    with serving("wandb") as service:
        assert_sent(folder, "wandb", service.variables)
        before = len(service.rows[folder.id])
        cursor = folder.remote / "wandb.json"
        cursor.write_text(json.dumps({**json.loads(cursor.read_text()), "offset": 0, "handed": 0, "ended": ""}))
        assert_sent(folder, "wandb", service.variables)
        assert len(service.rows[folder.id]) == before


def test_tensorboard_reads_the_event_files_back(home: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = recorded_run(home, "tensorboard")
    assert_sent(folder, "tensorboard", {})
    found = EventAccumulator(str(folder.remote / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    assert {point.step: point.value for point in found.Scalars("step/loss")} == pytest.approx(
        expected_steps(), rel=1e-6
    )
    assert [(point.step, point.value) for point in found.Scalars("epoch/val_loss")] == [
        (1, pytest.approx(0.01)), (2, pytest.approx(0.005)),
    ]  # fmt: skip
    assert found.Scalars("result/test_spearman")[0].value == pytest.approx(SCORE)
    assert b"head_only" in found.Tensors("settings")[0].tensor_proto.string_val[0]


def test_comet_offline_archive_is_read_back(home: Path) -> None:
    pytest.importorskip("comet_ml")
    folder = recorded_run(home, "comet")
    assert_sent(folder, "comet", {"COMET_START_ONLINE": "0"})
    (archive,) = (folder.remote / "comet").glob("*.zip")
    with zipfile.ZipFile(archive) as files:
        lines = [json.loads(line) for line in files.read("messages.json").splitlines()]
        about = json.loads(files.read("experiment.json"))
    assert about["offline_id"] == experiment_key(folder.id)
    metrics = [line["payload"]["metric"] for line in lines if line["type"] == "metric_msg"]
    losses = {metric["step"]: metric["metricValue"] for metric in metrics if metric["metricName"] == "step/loss"}
    assert losses == pytest.approx(expected_steps())
    scores = {metric["epoch"]: metric["metricValue"] for metric in metrics if metric["metricName"] == "val_loss"}
    assert scores == {1: 0.01, 2: 0.005}
    names = {line["payload"].get("param", {}).get("paramName") for line in lines if line["type"] == "parameter_msg"}
    assert "strategy.kind" in names

"""Remote trackers on the pages: labels of a run, the choice on New run, keys on Settings that are never shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from molfun.data.dataset import Dataset
from molfun.runs.history import list_runs
from molfun.runs.keys import ask_service, keep, lacking, place_of
from molfun.runs.remotes import Cursor, write_cursor
from molfun.runs.store import RunFolder
from molfun.tracking.catalog import TRACKERS
from molfun.ui import shell
from tests.drawn_pages import button, dataset, draw, make_run, words
from tests.ui.test_launch_form import spec_of

__all__ = ["dataset", "make_run"]

KEY = "abcd0123efgh4567"
KEYRING = """
kept = {}
class Ring:
    priority = 5
def get_keyring():
    return Ring()
def get_password(service, name):
    return kept.get((service, name))
def set_password(service, name, value):
    kept[service, name] = value
def delete_password(service, name):
    del kept[service, name]
"""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "COMET_", "LANGFUSE_")) or name == "WANDB_API_KEY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A keyring that forgets everything with the process."""
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "keyring.py").write_text(KEYRING)
    monkeypatch.syspath_prepend(str(tmp_path / "ring"))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    yield
    sys.modules.pop("keyring", None)


def badges(folder: RunFolder) -> str:
    return words(draw("live", run=folder.id))


@pytest.mark.parametrize(
    ("cursor", "shown"),
    [
        (Cursor(), "MLflow: 22 points waiting"),
        (Cursor(is_begun=True, error="ConnectionError: refused"), "MLflow: offline, 22 points waiting"),
        (Cursor(offset=10**6, is_begun=True, ended="finished 0"), "MLflow: up to date"),
    ],
)
def test_live_says_how_far_a_run_was_sent(make_run: Callable[..., RunFolder], cursor: Cursor, shown: str) -> None:
    folder = make_run("sent", "finished")
    write_cursor(folder, "mlflow", cursor)
    assert shown in badges(folder)


def test_live_of_a_run_without_trackers_says_nothing_of_them(make_run: Callable[..., RunFolder]) -> None:
    app = draw("live", run=make_run("plain", "finished").id)
    assert "MLflow" not in words(app)
    assert "Send now" not in [item.label for item in app.button]


@pytest.mark.parametrize("link", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x"])
def test_a_link_that_is_none_of_the_web_is_not_shown(make_run: Callable[..., RunFolder], link: str) -> None:
    folder = make_run("linked", "finished")
    write_cursor(folder, "mlflow", Cursor(is_begun=True, link=link))
    assert not draw("live", run=folder.id).get("link_button")


def test_new_run_offers_trackers_and_says_what_one_lacks(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    choice = next(item for item in app.multiselect if item.label == "Trackers")
    choice.set_value(["mlflow"]).run()
    assert "MLflow lacks MLFLOW_TRACKING_URI" in words(app).replace("\\", "")
    next(item for item in app.text_input if item.label == "Project").set_value("antibodies").run()
    spec = spec_of(app)
    assert spec["trackers"] == ["mlflow"]
    assert spec["tracking"] == {"project": "antibodies", "every": 10, "weights": "none"}


def test_settings_tell_whether_a_key_is_there_and_never_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMET_API_KEY", KEY)
    app = draw("settings")
    labels = [item.label for item in app.expander]
    assert "Comet · key found" in labels
    assert "Langfuse · no key found" in labels
    assert KEY not in words(app)
    assert "Set in the environment" in words(app)


@pytest.mark.usefixtures("keyring")
def test_a_key_goes_into_the_keyring_and_out_of_the_session() -> None:
    app = draw("settings")
    app.text_input(key="keys.LANGFUSE_SECRET_KEY").set_value(KEY)
    app.button(key="keys.LANGFUSE_SECRET_KEY.keep").click().run()
    assert place_of("LANGFUSE_SECRET_KEY") == "keyring"
    assert app.text_input(key="keys.LANGFUSE_SECRET_KEY").value == ""
    assert KEY not in words(app)
    assert app.session_state["keys.LANGFUSE_SECRET_KEY"] == ""
    assert lacking(TRACKERS["langfuse"]) == ["LANGFUSE_PUBLIC_KEY"]
    keep("LANGFUSE_SECRET_KEY", "")
    assert place_of("LANGFUSE_SECRET_KEY") == ""


def test_what_wandb_login_kept_counts(tmp_path: Path) -> None:
    assert lacking(TRACKERS["wandb"]) == ["WANDB_API_KEY"]
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    assert place_of("WANDB_API_KEY") == "login"


def test_a_connection_that_cannot_be_is_told_in_a_sentence_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ana:{KEY}@127.0.0.1:9")
    answer = ask_service("mlflow")
    assert not answer.is_good
    assert "127.0.0.1" in answer.words
    assert KEY not in answer.words


def test_the_test_of_a_connection_is_a_button() -> None:
    app = draw("settings")
    app.button(key="keys.test.tensorboard").click().run(timeout=60)
    assert "no service is needed" in words(app)
    assert button(app, "Test connection")


def test_runs_that_were_not_sent_are_named_on_their_page(make_run: Callable[..., RunFolder]) -> None:
    write_cursor(make_run("left", "finished"), "mlflow", Cursor(is_begun=True, error="refused"))
    write_cursor(make_run("alive", "running"), "mlflow", Cursor(is_begun=True))
    make_run("plain", "finished")
    app = draw("runs")
    assert "1 run is not sent to every tracker" in words(app)
    assert button(app, "Send them")


def test_runs_come_in_from_elsewhere(tmp_path: Path, make_run: Callable[..., RunFolder]) -> None:
    make_run("own", "finished")
    (tmp_path / "log.csv").write_text("step,loss,val_loss\n1,2.0,\n2,1.0,1.5\n")
    app = draw("runs")
    app.text_input(key="runs.import.path").set_value(str(tmp_path / "log.csv")).run()
    app.button(key="runs.import").click().run()
    assert not app.exception
    runs = list_runs(shell.home())
    (imported,) = runs.loc[runs["tags"].map(bool), "id"]
    app = draw("live", run=imported)
    assert "Imported from CSV" in words(app)
    assert {"Resume", "Extend…", "Fork…"}.isdisjoint(button.label for button in app.button)
    assert not draw("compare", runs=f"own,{imported}").exception


def test_what_cannot_be_imported_is_said(tmp_path: Path, make_run: Callable[..., RunFolder]) -> None:
    make_run("own", "finished")
    app = draw("runs")
    app.text_input(key="runs.import.path").set_value(str(tmp_path / "nothing")).run()
    app.button(key="runs.import").click().run()
    assert "There is nothing at" in words(app)

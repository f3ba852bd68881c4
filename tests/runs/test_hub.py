"""Pushing to the hub: against a server on loopback, from a process of its own: the library reads its settings once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from molfun.errors import SettingError
from molfun.runs.hub import check_repository
from tests.runs.hub_server import TOKEN, Hub, hub_server

ROOT = Path(__file__).parents[2]
PUSH = """
import sys
from pathlib import Path
from molfun.errors import MolfunError
from molfun.runs.hub import hub_token, push_folder
try:
    print(push_folder(Path(sys.argv[1]), "my-lab/binders", token=hub_token(), is_public="public" in sys.argv,
                      update="update" in sys.argv, words="Molfun run x"))
except MolfunError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as server:
        yield server


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# x\n")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return folder


def environment(url: str, tmp_path: Path, token: str | None) -> dict[str, str]:
    """Return an environment in which the hub is there, with a store of tokens of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env |= {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
    return env | ({"HF_TOKEN": token} if token else {})


def push(hub_url: str, model: Path, *flags: str, token: str | None = TOKEN) -> str:
    """Push a folder in a process of its own; return what it prints, all of it."""
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(model), *flags], env=environment(hub_url, model.parent, token),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


def assert_token_is_in_one_header_only(hub: Hub) -> None:
    assert hub.requests
    for _, path, headers, body in hub.requests:
        assert TOKEN not in path
        assert TOKEN.encode() not in body
        assert {name for name, value in headers.items() if TOKEN in value} <= {"Authorization", "authorization"}
    assert any(TOKEN in str(headers) for _, _, headers, _ in hub.requests)


def test_a_private_repository_with_all_files(hub: Hub, model: Path) -> None:
    assert push(hub.url, model) == f"{hub.url}/my-lab/binders"
    assert hub.private == {"my-lab/binders": True}
    assert hub.files["my-lab/binders"] == {path.name: path.read_bytes() for path in model.iterdir()}
    assert_token_is_in_one_header_only(hub)


def test_what_exists_is_only_added_to_when_asked(hub: Hub, model: Path) -> None:
    push(hub.url, model, "public")
    assert hub.private == {"my-lab/binders": False}
    (model / "model.safetensors").write_bytes(b"new")
    assert push(hub.url, model) == (
        "RunError: my-lab/binders exists on the hub; nothing is written over. Choose another name, or add a commit: "
        "--update."
    )
    assert hub.files["my-lab/binders"]["model.safetensors"] != b"new"
    push(hub.url, model, "update")
    assert hub.files["my-lab/binders"]["model.safetensors"] == b"new"


@pytest.mark.parametrize(
    ("status", "said"), [(403, "RunError: The hub refuses to write my-lab/binders with this token (403); expected"),
                         (404, "RunError: The hub did not take my-lab/binders: it answered 404.")],
)  # fmt: skip
def test_refusals_are_sentences_without_the_token(hub: Hub, model: Path, status: int, said: str) -> None:
    hub.refuses = status
    assert push(hub.url, model).startswith(said)


def test_a_push_that_broke_off_goes_on_with_update(hub: Hub, model: Path) -> None:
    hub.breaks = True
    said = push(hub.url, model)
    refused = "RunError: The hub did not take my-lab/binders: it answered 400."
    assert said == f"{refused} Try again later; --update goes on where it exists."
    hub.breaks = False
    assert push(hub.url, model, "update") == f"{hub.url}/my-lab/binders"
    assert set(hub.files["my-lab/binders"]) == {"README.md", "model.safetensors"}


def test_a_hub_that_is_not_there_is_a_sentence(model: Path) -> None:
    said = push("http://127.0.0.1:9", model)
    assert said.startswith("RunError: The hub cannot be reached for my-lab/binders:")
    assert said.endswith("Check the network and try again.")


def test_without_a_token_all_ways_to_give_one_are_named(hub: Hub, model: Path) -> None:
    said = push(hub.url, model, token=None)
    assert said.startswith("RunError: No token of the Hugging Face hub was found; expected one that may write.")
    for way in ("HF_TOKEN", "`hf auth login`", "`keyring set molfun HF_TOKEN`"):
        assert way in said
    assert hub.requests == []


def test_a_token_of_the_librarys_own_store_is_found(hub: Hub, model: Path, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(TOKEN)
    assert push(hub.url, model, token=None) == f"{hub.url}/my-lab/binders"
    assert_token_is_in_one_header_only(hub)


@pytest.mark.parametrize("name", ["my-lab/binders", "a/b", "Org_1/x.y-z_0", f"o/{'n' * 94}"])
def test_names_of_repositories(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize(
    "name",
    ["binders", "a/b/c", "/b", "a/", "a/..", "../a", "a/b--c", "a/-b", "a/b.", "a b/c", "a/b\n", "https://x.y/a/b", "",
     f"o/{'n' * 95}"],
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="is no name of a repository; expected OWNER/NAME"):
        check_repository(name)

"""Downloads from the disk: at the address of a drawn page only, behind the door, plain files alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from molfun.ui import downloads, server
from molfun.ui.door import Door
from molfun.ui.downloads import CHUNK_BYTES, Addresses, download_url
from molfun.ui.password import set_password


@pytest.fixture
def client(home: Path) -> TestClient:
    app = Starlette(routes=server.routes(), middleware=[Middleware(Door, home=home)])
    return TestClient(app, base_url="http://localhost:8501", client=("127.0.0.1", 40_000), follow_redirects=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run-merged.zip"
    path.write_bytes(bytes(range(256)) * 5000)  # more than a piece
    assert path.stat().st_size > CHUNK_BYTES
    return path


def test_a_file_is_sent_whole_with_its_name_and_size(client: TestClient, file: Path) -> None:
    url = download_url(file)
    assert url == download_url(file)
    assert file.name not in url
    answer = client.get(url)
    assert answer.content == file.read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="run-merged.zip"'
    assert answer.headers["content-length"] == str(file.stat().st_size)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("key", ["x", "..%2f..%2fetc%2fpasswd", "a" * 5000])
def test_nobody_guesses_an_address(client: TestClient, file: Path, key: str) -> None:
    download_url(file)
    assert client.get(downloads.DOWNLOAD_ROUTE.format(key=key)).status_code == 404


def test_what_is_gone_or_a_link_is_not_sent(client: TestClient, file: Path, tmp_path: Path) -> None:
    url = download_url(file)
    file.unlink()
    assert client.get(url).status_code == 404
    (tmp_path / "secret").write_text("secret")
    file.symlink_to(tmp_path / "secret")
    answer = client.get(url)
    assert (answer.status_code, answer.text) == (404, "This file is gone; go back to the page of the run.")


def test_the_door_guards_it(client: TestClient, file: Path, home: Path) -> None:
    set_password(home, "correct horse battery")
    answer = client.get(download_url(file))
    assert answer.status_code in (302, 303, 401, 403)
    assert answer.content != file.read_bytes()


def test_the_oldest_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_ADDRESSES", 2)
    addresses = Addresses()
    keys = [addresses.key_of(Path(name)) for name in ("a", "b", "c")]
    assert [addresses.find(key) for key in keys] == [None, Path("b"), Path("c")]
    assert addresses.key_of(Path("a")) not in keys

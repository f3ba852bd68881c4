"""The wheel and the source distribution: what is in them, and that they work where there is no checkout."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.server import Server
from tests.packaging.builds import (
    ROOT,
    Environment,
    build,
    contents,
    copy_sources,
    install,
    lend_packages,
    make_environment,
    unpack,
)
from tests.packaging.trials import draw_pages, fit_and_predict, import_all, modules

pytestmark = pytest.mark.serial
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORT_SECONDS = 0.2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout."""
    return copy_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sources, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(sdist, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as people get it: built from the source distribution."""
    return build(unpacked, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with the wheel; what Molfun builds on is lent by the tested one."""
    place = tmp_path_factory.mktemp("installed")
    environment = make_environment(place / "venv", place / "elsewhere")
    install(environment, "--no-deps", "--no-index", str(wheel))
    lend_packages(environment)
    return environment


def test_the_source_distribution_builds_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    direct = build(sources, "wheel", tmp_path)
    assert direct.name == wheel.name
    assert contents(direct) == contents(wheel)


def test_the_wheel_holds_every_file_of_the_package_and_the_scripts(sources: Path, wheel: Path) -> None:
    package = {path.relative_to(sources).as_posix() for path in (sources / "molfun").rglob("*") if path.is_file()}
    pages = {f"molfun/_app/pages/{path.name}" for path in (sources / "pages").glob("*.py")}
    scripts = {"molfun/_app/app.py", "molfun/_app/.streamlit/config.toml", *pages}
    about = {name for name in contents(wheel) if ".dist-info/" in name}
    assert set(contents(wheel)) - about == package | scripts
    assert "molfun/py.typed" in package


def test_the_source_distribution_holds_no_tests_and_no_secrets(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert {"constraints.txt", "data-packages.txt", "CHANGELOG.md", "LICENSE", "app.py"} <= names
    assert not [name for name in names if name.startswith("tests") or ("secrets" in name and name.endswith(".toml"))]


def test_the_metadata_are_those_of_the_project(unpacked: Path) -> None:
    about = Parser().parsestr((unpacked / "PKG-INFO").read_text(encoding="utf-8"))
    assert (about["Name"], about["Version"]) == ("molfun", PROJECT["version"])
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == PROJECT["requires-python"]
    assert set(about.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_nothing_of_the_checkout_is_imported(installed: Environment) -> None:
    """Or the tests below would prove nothing."""
    code = "import json, molfun, sys; print(json.dumps([molfun.__file__, *sys.path]))"
    where = installed.answer(code)
    assert where.startswith(f'["{installed.folder}')
    assert f'"{ROOT}"' not in where


def test_help_version_and_a_quick_import(installed: Environment) -> None:
    assert "fit" in installed.run(installed.molfun, "--help").stdout
    assert installed.run(installed.molfun, "--version").stdout == f"molfun {PROJECT['version']}\n"
    assert installed.answer("import molfun; print(molfun.__version__)") == PROJECT["version"]
    code = "import time; t = time.perf_counter(); import molfun; print(time.perf_counter() - t)"
    assert min(float(installed.answer(code)) for _ in range(3)) < IMPORT_SECONDS


def test_every_module_is_there_and_imports(installed: Environment) -> None:
    assert import_all(installed) == modules()


def test_every_page_is_drawn(installed: Environment) -> None:
    assert all(draw_pages(installed).values())


@pytest.mark.slow
def test_a_run_trains_and_predicts(installed: Environment, home: Path) -> None:
    assert len(fit_and_predict(installed, home).splitlines()) == 61


@pytest.fixture
def server(installed: Environment, home: Path) -> Iterator[Server]:
    """The installed app, started from an empty folder."""
    server = Server(home, molfun=[installed.molfun], folder=installed.elsewhere)
    server.start()
    yield server
    server.kill()


def test_the_app_opens_from_any_folder(server: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Molfun")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name="New run").first).to_be_visible()
    font = page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
    assert "system-ui" in font, "the theme of .streamlit/config.toml is that of the app"
    page.goto(f"{server.url}/settings")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible(timeout=60_000)
    page.close()


def test_a_provider_is_configured_in_the_data_folder(installed: Environment, home: Path) -> None:
    (home / ".streamlit").mkdir()
    (home / ".streamlit" / "secrets.toml").write_text('[auth]\ncookie_secret = "xxx"\nclient_id = "a"\n')
    done = installed.run(installed.molfun, "app", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "cookie_secret of at least 32 random characters" in done.stderr

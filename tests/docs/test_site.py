"""The documentation as a site: it builds without a warning, and whoever reads it is seen by nobody else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.scripts import ROOT, script

HOOKS = script("site_hooks")
# What a browser loads by itself, and the attribute that says from where. An <a> is followed by people only.
LOADED = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "object": "data", "script": "src",
    "source": "src", "track": "src", "video": "src",
}  # fmt: skip
ELSEWHERE = re.compile(r"(?i)(?:[a-z]+:)?//")
OF_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")


class Assets(HTMLParser):
    """Gathers what a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [values.get(LOADED.get(tag, "")) or "", *OF_STYLE.findall(values.get("style") or "")]
        self.found += [part.split()[0] for part in (values.get("srcset") or "").split(",") if part.strip()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, every warning an error."""
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def loaded_by(path: Path) -> Iterator[str]:
    """Yield what a page or a style sheet makes a browser load."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        yield from OF_STYLE.findall(text)
        return
    assets = Assets()
    assets.feed(text)
    yield from filter(None, assets.found)


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 30
    assert [f"{f.relative_to(site)}: {a}" for f in files for a in loaded_by(f) if ELSEWHERE.match(a)] == []


def test_pages_load_what_is_there(site: Path) -> None:
    missing = [
        f"{page.relative_to(site)}: {asset}"
        for page in site.rglob("*.html")
        if page.name != "404.html"  # served under any address, so its paths begin at the root
        for asset in loaded_by(page)
        if not asset.startswith("data:") and not (page.parent / asset.partition("?")[0]).exists()
    ]
    assert missing == []


def test_site_has_every_page_and_no_script_of_ours(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md")}
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert pages - built == set()
    assert {"readme", "security", "changelog", "contributing", "examples/own_head"} <= built
    assert list(site.rglob("*.py")) == []


@pytest.mark.parametrize(
    ("place", "written", "led"),
    [
        ("models.md", "[a](training.md#losses)", "[a](training.md#losses)"),
        ("models.md", "[a](../SECURITY.md)", "[a](security.md)"),
        ("tutorials/stability.md", "[a](../../README.md#cite)", "[a](../readme.md#cite)"),
        ("tutorials/stability.md", "![a](../images/x.png)", "![a](../images/x.png)"),
        ("readme.md", "![a](docs/images/x.png)", "![a](images/x.png)"),
        ("readme.md", "[a](docs/data.md)", "[a](data.md)"),
        ("readme.md", "[![b](docs/x.svg)](docs/data.md)", "[![b](x.svg)](data.md)"),
        ("extend.md", "[a](../examples/own_head.py)", "[a](examples/own_head.md)"),
        ("training.md", "[base.py:9](../molfun/training/base.py#L9) `x`", "base.py:9 `x`"),
        ("readme.md", "[a](LICENSE) [b](https://q.example)", "a [b](https://q.example)"),
        ("models.md", "```\n[a](../SECURITY.md)\n```\n", "```\n[a](../SECURITY.md)\n```\n"),
        ("readme.md", '<img width="5" src="docs/x.png">', '<img width="5" src="x.png">'),
    ],
)
def test_links_are_led_to_their_place(place: str, written: str, led: str) -> None:
    assert HOOKS.with_links(written, place) == led


def test_assets_are_found() -> None:
    assets = Assets()
    assets.feed(
        '<script src="https://q.example/x.js"></script><a href="//z.example">z</a><img srcset="a.png 2x, b.png">'
    )
    assert [asset for asset in assets.found if asset] == ["https://q.example/x.js", "a.png", "b.png"]
    assert OF_STYLE.findall('@import "//q.example/a.css"; a{background:url(b.png)}') == ["//q.example/a.css", "b.png"]

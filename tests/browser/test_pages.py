"""Addresses, reloads, bad uploads and small screens, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from molfun.data.examples import save_example
from tests.browser.server import Server
from tests.browser.steps import START

LINKS = ["Home", "Data", "New run", "Live", "Runs", "Compare", "Predict", "Parameters", "Settings"]


@pytest.mark.parametrize(("path", "title"), [("/live?run=unknown", "Live"), ("/runs", "Runs"), ("/", "Molfun")])
def test_first_visit_by_address_has_the_frame_once(
    server: Server, open_page: Callable[..., Page], path: str, title: str
) -> None:
    page = open_page()
    page.goto(server.url + path)
    for _ in range(2):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        links = page.get_by_test_id("stSidebarNavLink")
        expect(links).to_have_count(len(LINKS))
        assert [words.split("\n")[-1] for words in links.all_inner_texts()] == LINKS
        assert page.url == server.url + path
        page.reload()


def test_unknown_run_is_explained(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}/live?run=unknown")
    expect(page.get_by_text("No run has the id 'unknown'")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", "", "is empty"),
        ("letters.csv", "sequence,value\n" + "ACDEFGHIKL,1.5\n" * 12 + "ACDEFGHI1KL,2.5\n", "position 9"),
    ],
)
def test_bad_upload_is_a_sentence(
    server: Server, open_page: Callable[..., Page], name: str, content: str, sentence: str
) -> None:
    page = open_page()
    page.goto(f"{server.url}/data")
    page.get_by_role("radio", name="Upload").click()
    files = [{"name": name, "mimeType": "text/csv", "buffer": content.encode()}]
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)
    expect(page.get_by_role("alert").filter(has_text=sentence).first).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_narrow_screen(
    server: Server, open_page: Callable[..., Page], screenshot: Callable[..., None], scheme: str
) -> None:
    save_example(server.home / "datasets", "v_genes")
    page = open_page(width=390, height=844, scheme=scheme)
    for path, title in (("/", "Molfun"), ("/data", "Data"), ("/new_run", "New run"), ("/parameters", "Parameters"),
                        ("/compare", "Compare"), ("/runs", "Runs")):  # fmt: skip
        page.goto(server.url + path)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, f"runs-narrow-{scheme}")


def test_double_click_on_start_gives_one_run(server: Server, open_page: Callable[..., Page]) -> None:
    dataset = save_example(server.home / "datasets", "v_genes")
    page = open_page()
    page.goto(f"{server.url}/new_run?dataset={dataset.id}")
    expect(page.get_by_text("parameters train")).to_be_visible()
    page.get_by_role("button", name=START).dblclick()
    page.wait_for_url("**/live?run=*")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    assert len(list((server.home / "runs").iterdir())) == 1


def test_the_keyboard_starts_a_run(server: Server, open_page: Callable[..., Page]) -> None:
    dataset = save_example(server.home / "datasets", "v_genes")
    page = open_page()
    page.goto(f"{server.url}/new_run?dataset={dataset.id}")
    expect(page.get_by_role("button", name=START)).to_be_enabled()
    expect(page.get_by_text("parameters train")).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/live?run=*")
    server.end_runs()

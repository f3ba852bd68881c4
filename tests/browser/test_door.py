"""Signing in with the shared password, in a real browser against the real server."""

from __future__ import annotations

import http.client
from collections.abc import Callable

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from molfun.ui.password import remove_password, set_password
from tests.browser.server import Server

PASSWORD = "correct horse battery"
TABLE = "sequence,value\n" + "".join(f"ACDEFGHIKL{letter},{i}.5\n" for i, letter in enumerate("ACDEFGHIKLMN"))


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def handshake(server: Server, cookie: str = "", origin: str = "") -> int:
    """Ask for the websocket as a program would, and return the status of the answer; 101 opens it."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    headers |= {"Cookie": cookie} if cookie else {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/_stcore/stream", headers=headers | ({"Origin": origin} if origin else {}))
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_password_guards_pages_uploads_and_the_websocket(server: Server, open_page: Callable[..., Page]) -> None:
    assert handshake(server) == 101
    assert handshake(server, origin=server.url.replace(str(server.port), "1")) == 403
    set_password(server.home, PASSWORD)
    page, blocked, foreign = open_page(), [], []

    def on_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            blocked.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            foreign.append(request.url)

    page.on("console", on_console)
    page.on("request", on_request)
    page.goto(f"{server.url}/data?x=1")
    sign_in(page, "wrong password")
    expect(page.get_by_role("alert")).to_have_text("That is not the password. Please try again.")
    sign_in(page)
    page.wait_for_url("**/data?x=1")
    use_the_data_page(page)
    cookie = check_cookie(server, page)
    assert handshake(server) == 403
    assert handshake(server, cookie) == 101
    page.get_by_role("link", name="Sign out").click()
    page.wait_for_url("**/molfun/sign-in")
    assert handshake(server, cookie) == 403
    page.goto(f"{server.url}/runs")
    expect(page.get_by_label("Password")).to_be_visible()
    assert (blocked, foreign) == ([], [])


def use_the_data_page(page: Page) -> None:
    """Click a widget and upload a table."""
    page.get_by_role("radio", name="Upload").click()
    files = [{"name": "few.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}]
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)
    expect(page.get_by_role("button", name="Save dataset")).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0


def check_cookie(server: Server, page: Page) -> str:
    """Hold that the cookie of the session is out of reach of scripts and other sites; return it as a header."""
    (cookie,) = (one for one in page.context.cookies() if one["name"] == f"molfun_session_{server.port}")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["name"] not in page.evaluate("document.cookie")
    return f"{cookie['name']}={cookie['value']}"


def test_an_open_page_is_cut_off_and_says_how_to_go_on(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{server.url}/runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    set_password(server.home, PASSWORD)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Data").click()
    expect(page.get_by_text("You are signed out. Reload this page to sign in.")).to_be_visible()
    page.reload()
    sign_in(page)
    expect(page.get_by_test_id("stSidebarNavLink").first).to_be_visible()
    remove_password(server.home)
    page.goto(f"{server.url}/runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="Sign out")).to_have_count(0)


def test_the_sign_in_page_needs_no_script_and_fits_a_narrow_screen(server: Server, browser: Browser) -> None:
    set_password(server.home, PASSWORD)
    for scheme in ("light", "dark"):
        context = browser.new_context(
            java_script_enabled=False, color_scheme=scheme, viewport={"width": 320, "height": 600}
        )
        page = context.new_page()
        page.goto(f"{server.url}/runs")
        expect(page.get_by_label("Password")).to_be_focused()
        box = page.get_by_role("main").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        sign_in(page)
        page.wait_for_url("**/runs")
        context.close()

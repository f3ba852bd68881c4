"""Signing in through a provider: who may enter, and that nobody else sees a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from molfun.ui import identity, shell
from molfun.ui.password import set_password
from molfun.ui.sign_in import SIGN_OUT

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "0123456789abcdef" * 2,
    "client_id": "molfun",
    "client_secret": "secret",
    "server_metadata_url": "http://127.0.0.1:1/.well-known/openid-configuration",
}


def draw_for(user: dict[str, Any], *, page: str = shell.HOME, **secrets: Any) -> AppTest:
    """Draw a page for a visitor of whom the provider says `user`."""
    app = AppTest.from_file(str(Path(shell.__file__).with_name("frame.py")), default_timeout=60)
    app.secrets.update(secrets)
    app.user = user
    if page != shell.HOME:
        app.switch_page(page)
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


@pytest.mark.parametrize("page", [shell.HOME, shell.DATA, shell.NEW_RUN, shell.LIVE, shell.RUNS])
def test_with_a_provider_no_page_is_drawn_for_strangers(page: str) -> None:
    """Without the package authlib there is not even a button, but the sentence that it is missing."""
    app = draw_for({"is_logged_in": False}, page=page, auth=AUTH, molfun={"people": ["*"]})
    assert {button.label for button in app.button} <= {"Sign in"}
    assert [title.value for title in app.title] == ["Molfun"]
    assert not app.subheader


def test_with_a_provider_a_broken_configuration_lets_nobody_in() -> None:
    app = draw_for({"is_logged_in": True, "email": "ana@lab.example"}, auth={**AUTH, "cookie_secret": "xxx"})
    assert "cookie_secret of at least 32" in app.error[0].value
    assert not app.button
    app = draw_for({"is_logged_in": True, "email": "ana@lab.example"}, auth=AUTH)
    assert "names nobody who may enter" in app.error[0].value


@pytest.mark.parametrize(
    ("user", "enters"),
    [
        ({"is_logged_in": True, "email": "ana@lab.example"}, True),
        ({"is_logged_in": True, "email": "ANA@lab.example", "email_verified": True}, True),
        ({"is_logged_in": True, "email": "bo@group.example"}, True),
        ({"is_logged_in": True, "email": "ana@lab.example", "email_verified": False}, False),
        ({"is_logged_in": False, "email": "ana@lab.example"}, False),
        ({"is_logged_in": True, "email": "bo@lab.example"}, False),
        ({"is_logged_in": True, "email": "bo@evil-group.example"}, False),
        ({"is_logged_in": True}, False),
        ({}, False),
    ],
)
def test_who_may_enter_is_named(user: dict[str, Any], enters: bool) -> None:
    assert identity.may_enter(user, ["ana@lab.example", " @group.example"]) == enters
    assert identity.may_enter(user, ["*"]) == bool(user.get("is_logged_in"))
    assert not identity.may_enter(user, [])


def test_sign_out_is_offered_where_a_password_is_set(home: Path) -> None:
    assert not [element for element in draw_for({}).get("html") if SIGN_OUT in element.proto.body]
    set_password(home, "correct horse battery")
    assert [element for element in draw_for({}).get("html") if SIGN_OUT in element.proto.body]

"""Signing in through a provider (OpenID Connect), which Streamlit does: who of those that it knows may come in.

It is on where a `secrets.toml` that Streamlit reads has a section `[auth]`; `[molfun] people` names who may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import streamlit as st

MIN_SECRET_LETTERS = 32
# Where the settings of a provider lie in `[auth]` itself, Streamlit calls it so.
DEFAULT_PROVIDER = "default"


def is_configured() -> bool:
    """Tell whether people sign in through a provider; then no page is drawn for anybody else."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def find_problem() -> str:
    """Return what keeps the configured provider from guarding this app, "" for nothing."""
    auth = st.secrets["auth"]
    if len(str(auth.get("cookie_secret", ""))) < MIN_SECRET_LETTERS:
        return (
            f"[auth] in secrets.toml needs a cookie_secret of at least {MIN_SECRET_LETTERS} random characters, or "
            "anybody could make the cookie; `openssl rand -hex 32` prints one."
        )
    if not providers(auth):
        return "[auth] in secrets.toml names no provider; give client_id, client_secret and server_metadata_url."
    if not people():
        return (
            '[molfun] in secrets.toml names nobody who may enter; add people = ["ana@lab.example", "@lab.example"], or '
            'people = ["*"] for everybody whom the provider lets in.'
        )
    try:
        metadata.version("authlib")
    except metadata.PackageNotFoundError:
        return "Signing in through a provider needs the package authlib; install it with: pip install 'authlib>=1.3.2'"
    return ""


def providers(auth: Mapping[str, Any]) -> list[str]:
    """Return the names of the providers in the section `[auth]`."""
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and "client_id" in value]
    return [DEFAULT_PROVIDER, *named] if "client_id" in auth else named


def people() -> list[str]:
    """Return who may enter: mail addresses, "@domain" for a whole domain, "*" for everybody."""
    told = st.secrets["molfun"].get("people", []) if "molfun" in st.secrets else []
    return [str(one) for one in told] if isinstance(told, Sequence) and not isinstance(told, str) else []


def may_enter(user: Mapping[str, Any], allowed: Sequence[str]) -> bool:
    """Tell whether somebody whom the provider knows may come in.

    Args:
        user: What the provider says; an address that it calls unverified counts for nothing.
        allowed: As `people` gives them.
    """
    if not user.get("is_logged_in"):
        return False
    if "*" in allowed:
        return True
    mail = str(user.get("email") or "").lower()
    if "@" not in mail or user.get("email_verified", True) not in (True, "true"):
        return False
    names = {one.strip().lower() for one in allowed}
    return mail in names or "@" + mail.rpartition("@")[2] in names


def hold_at_door() -> None:
    """Draw the sign-in page and end the script there, unless the visitor may come in or no provider is configured."""
    if not is_configured() or (not find_problem() and may_enter(dict(st.user), people())):
        return
    st.title("Molfun", anchor=False)
    if problem := find_problem():
        st.error(problem, icon=":material/error:")
    elif st.user.get("is_logged_in"):
        who = st.user.get("email") or "This account"
        st.error(f"{who} may not enter; ask whoever runs this app.", icon=":material/block:")
        st.button("Sign in as somebody else", on_click=st.logout)
    else:
        _draw_providers()
    st.stop()


def _draw_providers() -> None:
    st.markdown("Sign in to go on.")
    for name in providers(st.secrets["auth"]):
        title = "Sign in" if name == DEFAULT_PROVIDER else f"Sign in with {name.capitalize()}"
        arguments = () if name == DEFAULT_PROVIDER else (name,)
        st.button(title, key=f"sign_in.{name}", type="primary", on_click=st.login, args=arguments)


def draw_sign_out() -> None:
    """Draw the button that signs out of the provider, where somebody is signed in."""
    if is_configured() and st.user.get("is_logged_in"):
        st.sidebar.button("Sign out", icon=":material/logout:", on_click=st.logout, type="tertiary")

"""Addresses, names and origins, as browsers and attackers send them."""

from __future__ import annotations

import pytest

from molfun.ui.addresses import client_group, is_host_allowed, is_loopback, is_same_origin, is_wildcard


@pytest.mark.parametrize(
    ("address", "loopback", "group"),
    [
        ("127.0.0.1", True, "127.0.0.1"),
        ("127.8.9.1", True, "127.8.9.1"),
        ("::1", True, "::1"),
        ("[::1]", True, "::1"),
        ("::ffff:127.0.0.1", True, "127.0.0.1"),
        ("localhost", True, "unknown"),
        ("0.0.0.0", False, "0.0.0.0"),
        ("10.0.0.5", False, "10.0.0.5"),
        ("2001:db8:1:2:3:4:5:6", False, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", False, "fe80::/64"),
        ("localhost.evil.example", False, "unknown"),
        (None, False, "unknown"),
    ],
)
def test_addresses(address: str | None, loopback: bool, group: str) -> None:
    assert is_loopback(address) == loopback
    assert client_group(address) == group


@pytest.mark.parametrize(("address", "wildcard"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False)])
def test_wildcard_addresses(address: str, wildcard: bool) -> None:
    assert is_wildcard(address) == wildcard


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("lab.example", True),
        ("LAB.example.:8501", True),
        ("a.below.example", True),
        ("below.example", False),
        ("evil.example", False),
        ("lab.example.evil.example", False),
        ("lab.example@evil.example", False),
        ("lab.example/x", False),
        ("lab.example:http", False),
        ("[::1", False),
        ("", False),
        (None, False),
    ],
)
def test_hosts(host: str | None, allowed: bool) -> None:
    assert is_host_allowed(host, ["lab.example", "*.below.example"]) == allowed


def test_trusted_origins_may_write() -> None:
    assert is_same_origin("https://proxy.example", "inner:8501", ["https://proxy.example"])
    assert not is_same_origin("https://proxy.example", "inner:8501")
    assert not is_same_origin("http://[", "inner:8501")
    assert is_same_origin(None, "inner:8501")

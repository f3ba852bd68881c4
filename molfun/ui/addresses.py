"""Who asks, and what they call us: pure rules on network addresses, `Host` and `Origin`. Knows nothing of passwords."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(address: str | None) -> bool:
    """Tell whether an address (or "localhost") is this machine's own; what is no address is not."""
    if address == "localhost":
        return True
    found = _parse(address)
    return found is not None and found.is_loopback


def is_wildcard(address: str) -> bool:
    """Tell whether an address stands for all addresses of this machine: 0.0.0.0, ::, or none at all."""
    found = _parse(address)
    return not address or (found is not None and found.is_unspecified)


def client_group(address: str | None) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 household has."""
    found = _parse(address)
    if isinstance(found, IPv6Address) and not found.is_loopback:
        return str(IPv6Network((found, 64), strict=False))
    return str(found) if found is not None else "unknown"


def is_host_allowed(host: str | None, allowed: Iterable[str]) -> bool:
    """Tell whether a `Host` header is one of the names that this server has.

    Without it a foreign page could give its own name our address (DNS rebinding) and use the app as if it were ours.

    Args:
        host: Name and perhaps port, as the browser sent it.
        allowed: Names without port; "*.lab.example" stands for all names below, "*" for all.
    """
    name = _host_name(host)
    return name is not None and any(_matches(name, pattern) for pattern in allowed)


def is_same_origin(origin: str | None, host: str | None, trusted: Iterable[str] = ()) -> bool:
    """Tell whether a request comes from our own pages; one without `Origin` comes from no page at all.

    Args:
        origin: The `Origin` header.
        host: The `Host` header.
        trusted: Further origins, each like "https://name:port".
    """
    if origin is None or origin in trusted:
        return True
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(place) and place.lower() == (host or "").lower()


def _parse(address: str | None) -> IPv4Address | IPv6Address | None:
    try:
        # A link-local address may carry its interface: fe80::1%eth0.
        found = ip_address((address or "").strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _host_name(host: str | None) -> str | None:
    """Return the name in a `Host` header; None where it holds more than a name and a port."""
    try:
        parts = urlsplit(f"//{host or ''}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment or not parts.hostname:
        return None
    return parts.hostname.lower().rstrip(".")


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.strip().lower().strip("[]").rstrip(".")
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)

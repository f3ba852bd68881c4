"""Commands around the app's server: `molfun app` opens it, `molfun password` locks it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from molfun.errors import RunError, SettingError

CertFile = Annotated[
    Path | None, typer.Option("--cert", help="TLS certificate (PEM), to answer over https; needs --key.")
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="Private key of the certificate (PEM).")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("app")(open_app)
    app.command("password")(set_app_password)


def open_app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the app.")] = 8501,
    host: Annotated[str, typer.Option(help="Address that the app answers on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name by which browsers may call it; may be repeated.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Answer other machines without a sign-in; anyone there may start runs.")
    ] = False,
    cert: CertFile = None,
    key: KeyFile = None,
) -> None:
    """Open the app in the browser at http://HOST:PORT."""
    from molfun.home import data_home
    from molfun.ui.addresses import is_loopback
    from molfun.ui.scripts import app_folder, is_installed

    script = app_folder() / "app.py"
    if not script.is_file():
        raise RunError(f"The app's script {script} is absent; install Molfun again.")
    if (cert is None) != (key is None):
        raise SettingError("--cert and --key belong together, but only one is given; give both or none.")
    certificate = [path.absolute() for path in (cert, key) if path is not None]
    # Made absolute before the folder changes. Streamlit reads .streamlit/secrets.toml there, config.toml beside the
    # script; an installed package is no place for what people write.
    os.environ["MOLFUN_HOME"] = str(data_home())
    os.chdir(data_home() if is_installed() else script.parent)
    # A name that others use means a proxy before the app, though it may answer this machine only.
    public = [name for name in (host, *(allow_host or [])) if not is_loopback(name)]
    if public and not insecure:
        _refuse_open_door(public[0])
    names = allowed_names(host, allow_host or [])
    _refuse_taken_port(host, port)
    url = f"{'https' if certificate else 'http'}://{_in_url(names[0])}:{port}"
    typer.echo(f"Molfun runs at {url} (Ctrl-C ends it; runs go on).")
    if not is_loopback(host) and not certificate:
        typer.echo("Note: http is not encrypted; give --cert and --key, or put a proxy with TLS before it.", err=True)
    sys.stdout.flush()
    # Also "0", so that nothing inherited opens the door.
    os.environ["MOLFUN_INSECURE"] = "1" if insecure else "0"
    flags = _server_flags(host, port, names, certificate)
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(script), *flags])


def allowed_names(host: str, told: list[str]) -> list[str]:
    """Return the names by which browsers may call the app, the one to show first.

    Raises:
        SettingError: Any name at all is asked for.
    """
    from molfun.ui.addresses import LOOPBACK_NAMES, is_wildcard

    if "*" in told:
        raise SettingError("--allow-host '*' would let any web page drive the app; name the host that people type.")
    own = _names_of_this_machine() if is_wildcard(host) else [host.strip("[]")]
    return list(dict.fromkeys([*told, *own, *LOOPBACK_NAMES]))


def _names_of_this_machine() -> list[str]:
    """Return the host name and the addresses of this machine: what nobody else can point at another one."""
    import socket

    import psutil

    addresses = [item for items in psutil.net_if_addrs().values() for item in items]
    families = (socket.AF_INET, socket.AF_INET6)
    numbers = [item.address.partition("%")[0] for item in addresses if item.family in families]
    return [socket.gethostname(), socket.getfqdn(), *numbers]


def _refuse_open_door(address: str) -> None:
    """Hold that other machines must sign in.

    Raises:
        SettingError: They would not have to; the ways to change that are given.
    """
    from molfun.home import data_home
    from molfun.ui.password import read_password

    if read_password(data_home()) is not None:
        return
    # Late: it loads Streamlit.
    from molfun.ui import identity

    if not identity.is_configured():
        raise SettingError(
            f"The address {address} would let other machines start runs here without signing in. Set a password with "
            "`molfun password`, or configure a provider ([auth] in .streamlit/secrets.toml, see SECURITY.md); else "
            "use 127.0.0.1, or add --insecure if that is meant."
        )
    if problem := identity.find_problem():
        raise SettingError(problem)


def _server_flags(host: str, port: int, names: list[str], certificate: list[Path]) -> list[str]:
    """Return the settings on which safety rests, as flags: these win over a user's own configuration files."""
    settings: dict[str, Any] = {
        "server.address": host.strip("[]"),
        "server.port": port,
        "server.headless": "true",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.enableStaticServing": "false",
        "server.enableAgentApi": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        # Streamlit would ask a server on the internet for this machine's address.
        "browser.serverAddress": names[0],
        "client.showErrorDetails": "type",
        "client.disableDataExport": "true",
    }
    settings |= dict(zip(("server.sslCertFile", "server.sslKeyFile"), certificate, strict=False))
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return flags + [f"--server.allowedHosts={name}" for name in names]


def _refuse_taken_port(host: str, port: int) -> None:
    import socket

    try:
        with socket.create_connection((host.strip("[]"), port), timeout=0.3):
            pass
    except OSError:
        return
    raise RunError(f"Port {port} of {host} is in use; choose another one with --port, or end what runs there.")


def _in_url(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def set_app_password(
    remove: Annotated[bool, typer.Option("--remove", help="Forget the password; the app asks for none then.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read it from the first line of standard input.")] = False,
) -> None:
    """Set the password that the app asks for, or remove it; whoever is signed in has to sign in again."""
    from molfun.home import data_home
    from molfun.ui.password import remove_password, set_password

    if remove:
        typer.echo("The password is removed." if remove_password(data_home()) else "There was no password.")
        return
    set_password(data_home(), sys.stdin.readline().rstrip("\r\n") if stdin else _ask_twice())
    typer.echo("The password is set. The app asks for it from now on, a running one too.")


def _ask_twice() -> str:
    """Return a password typed twice, never shown.

    Raises:
        SettingError: There is no terminal, or the two differ.
    """
    from getpass import getpass

    if not sys.stdin.isatty():
        raise SettingError("A password is asked for at a terminal, and there is none here; pipe it in with --stdin.")
    password = getpass("New password: ")
    if getpass("The same again: ") != password:
        raise SettingError("The two passwords differ; nothing was changed. Please try again.")
    return password

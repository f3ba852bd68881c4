"""Keys of remote trackers: whether one is there, keeping one in the system's keyring, and asking a service about it.

A key is never read for showing, and never written anywhere but there.
"""

from __future__ import annotations

import netrc
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from molfun.errors import ModelError, SettingError
from molfun.runs.detached import detached_environment
from molfun.runs.secrets import SERVICE, find_secret, redact, secret_values
from molfun.tracking.catalog import TRACKER_KEYS, TrackerCard

Place = Literal["environment", "keyring", "login", ""]
WANDB_HOST = "api.wandb.ai"
CHECK = "molfun.runs.tracker_check"
CHECK_SECONDS = 45.0
MAX_LETTERS = 4096


@dataclass(frozen=True)
class Answer:
    """What a service said about a key, in words."""

    is_good: bool
    words: str


def place_of(name: str) -> Place:
    """Return where the value of a variable comes from, empty where there is none."""
    if os.environ.get(name):
        return "environment"
    if find_secret(name):
        return "keyring"
    return "login" if name == "WANDB_API_KEY" and _is_logged_in() else ""


def _is_logged_in() -> bool:
    """Tell whether `wandb login` has kept a key for this user."""
    try:
        return netrc.netrc().authenticators(WANDB_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def lacking(card: TrackerCard) -> list[str]:
    """Return the variables that a tracker needs and that are nowhere to be found; MLflow's key is optional."""
    needed = [card.address] if card.needs_address else list(card.keys)
    return [name for name in needed if not place_of(name)]


def has_keyring() -> bool:
    """Tell whether this machine has a keyring in which something can be kept."""
    if find_spec("keyring") is None:
        return False
    try:
        priority = import_module("keyring").get_keyring().priority
    except Exception:  # noqa: BLE001 - keyrings fail in the way of their system
        return False
    return bool(priority > 0)


def keep(name: str, value: str) -> None:
    """Keep a value in the system's keyring; an empty one forgets it.

    Raises:
        SettingError: No tracker has such a variable, or the value is no single line.
        ModelError: There is no keyring, or it refuses.
    """
    value = value.strip()
    if name not in TRACKER_KEYS:
        raise SettingError(f"{name!r} is no variable of a tracker; expected one of {', '.join(TRACKER_KEYS)}.")
    if not value.isprintable() or len(value) > MAX_LETTERS:
        raise SettingError(f"{name} should be a single line of at most {MAX_LETTERS} characters; copy it once more.")
    keyring: Any = import_module("keyring") if has_keyring() else None
    if keyring is None:
        raise ModelError(
            f"This machine has no keyring to keep {name} in. Set the variable {name} before the app is started instead."
        )
    try:
        if value:
            keyring.set_password(SERVICE, name, value)
        elif keyring.get_password(SERVICE, name):
            keyring.delete_password(SERVICE, name)
    except Exception as error:  # noqa: BLE001 - a locked keyring fails in the way of its system
        raise ModelError(
            f"The keyring did not keep {name} ({type(error).__name__}). Unlock it and try again."
        ) from None


def ask_service(name: str) -> Answer:
    """Ask the service of a tracker whether it takes our key, in a process of its own and within 45 seconds."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", CHECK, name], env=detached_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=CHECK_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(False, f"No answer within {CHECK_SECONDS:.0f} seconds. Check the address and the network.")
    words = (done.stdout.strip().splitlines() or ["The check ended without a word."])[-1]
    return Answer(done.returncode == 0, redact(words, secret_values(os.environ)))

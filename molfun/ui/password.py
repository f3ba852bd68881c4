"""The shared password of the app: a salted scrypt hash in the data folder, in a file that only its owner can read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from molfun.errors import RunError, SettingError

MIN_LETTERS = 8
# Longer ones would only make the hash slow; no person types them.
MAX_BYTES = 1024
# Work of one try: 32 MiB and about 0.1 s, the interactive figures of RFC 7914 doubled.
COST, BLOCK_SIZE, LANES = 2**15, 8, 1
MEMORY_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class StoredPassword:
    """A hashed password.

    Attributes:
        salt: Random, of this password alone.
        digest: scrypt of password and salt.
    """

    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Tell whether `password` is the one that was stored; takes about 0.1 s and 32 MiB, right or wrong."""
        return hmac.compare_digest(self.digest, _digest(password, self.salt))


def set_password(home: Path, password: str) -> None:
    """Store the password of the app in `home`; every session that is open ends.

    Raises:
        SettingError: It is too short or too long.
        RunError: The file cannot be written.
    """
    if len(password) < MIN_LETTERS or len(password.encode("utf-8", "replace")) > MAX_BYTES:
        raise SettingError(
            f"A password of {MIN_LETTERS} to {MAX_BYTES} characters is expected, this one has {len(password)}; "
            "choose another one, four random words for example."
        )
    salt = secrets.token_bytes(16)
    fields = ("scrypt", base64.b64encode(salt).decode(), base64.b64encode(_digest(password, salt)).decode())
    aside = home / f".password.{secrets.token_hex(4)}"
    try:
        # Created with its final mode: there is no moment at which others could open it.
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write("$".join(fields) + "\n")
        aside.replace(password_path(home))
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise RunError(f"The password cannot be written to {home}: {error.strerror}. Check its disk.") from None


def remove_password(home: Path) -> bool:
    """Forget the password of the app; tell whether there was one.

    Raises:
        RunError: The file cannot be removed.
    """
    try:
        password_path(home).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RunError(f"The password in {home} cannot be removed: {error.strerror}.") from None
    return True


def read_password(home: Path) -> StoredPassword | None:
    """Return the stored password, or None where none is set.

    Raises:
        RunError: There is a file that cannot be read: nobody may enter then.
    """
    try:
        kind, salt, digest = password_path(home).read_text(encoding="ascii").strip().split("$")
        stored = StoredPassword(base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        kind, stored = "", StoredPassword(b"", b"")
    if kind != "scrypt" or len(stored.salt) < 16 or len(stored.digest) < 32:
        raise RunError(f"The password file {password_path(home)} cannot be read; set it again with: molfun password")
    return stored


def password_stamp(home: Path) -> tuple[int, int, int] | None:
    """Return what changes whenever the password is set anew, None where none is set; costs one look at the file."""
    try:
        about = password_path(home).stat()
    except FileNotFoundError:
        return None
    except OSError:
        return 0, 0, 0  # something is there: `read_password` says what is wrong with it
    return about.st_ino, about.st_mtime_ns, about.st_size


def password_path(home: Path) -> Path:
    """Return where the hash of the password lies."""
    return home / "password"


def _digest(password: str, salt: bytes) -> bytes:
    # Keyboards of different systems send different letters for the same accents.
    told = unicodedata.normalize("NFKC", password).encode("utf-8", "replace")
    return hashlib.scrypt(told, salt=salt, n=COST, r=BLOCK_SIZE, p=LANES, maxmem=MEMORY_BYTES, dklen=32)

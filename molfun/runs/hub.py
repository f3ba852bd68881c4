"""The Hugging Face hub as a place for a model: names, tokens, and one upload. The token goes into a header only."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.utils.tqdm import disable_progress_bars

from molfun.errors import RunError, SettingError
from molfun.runs.secrets import find_secret, redact

TOKEN = "HF_TOKEN"
# Names of users and repositories on the hub, 96 letters at most; ".." and "--" are not allowed there.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[._-](?=[A-Za-z0-9_])|_){0,95}")
MAX_LETTERS = 96


def check_repository(name: str) -> str:
    """Return the name of a repository.

    Raises:
        SettingError: It is not OWNER/NAME.
    """
    owner, slash, rest = name.partition("/")
    if slash and all(NAME.fullmatch(part) for part in (owner, rest)) and len(name) <= MAX_LETTERS:
        return name
    raise SettingError(
        f"{name!r} is no name of a repository; expected OWNER/NAME of letters, digits and single . - _, at most "
        f"{MAX_LETTERS} in all, such as my-lab/binders."
    )


def hub_token() -> str:
    """Return the token of the environment, the system's keyring or the hub's own store.

    Raises:
        RunError: There is none.
    """
    token = find_secret(TOKEN) or get_token()
    if not token:
        raise RunError(
            "No token of the Hugging Face hub was found; expected one that may write. Make one at "
            f"huggingface.co/settings/tokens, then set the variable {TOKEN}, or run `hf auth login`, or "
            f"`keyring set molfun {TOKEN}`."
        )
    return token


def push_folder(folder: Path, repository: str, *, token: str, is_public: bool, update: bool, words: str) -> str:
    """Upload the files of a folder as one commit; return the address of the repository.

    Args:
        folder: Its files, all of them.
        repository: OWNER/NAME.
        token: That may write there.
        is_public: Whether everybody may see a repository that is made.
        update: Whether it may exist already; who may see it stays as it is then.
        words: Message of the commit.

    Raises:
        RunError: The hub refuses it, or cannot be reached.
    """
    disable_progress_bars()
    api = HfApi(token=token)
    try:
        place = api.create_repo(repository, private=not is_public, exist_ok=update)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message=words)
    except Exception as error:  # noqa: BLE001 - its HTTP client has errors of its own, and is another one in version 2
        raise RunError(redact(_reason(repository, error), [token])) from None
    return str(place)


def _reason(repository: str, error: Exception) -> str:
    """Return in words why a push did not succeed."""
    code = getattr(getattr(error, "response", None), "status_code", 0)
    if code == 409:
        return (
            f"{repository} exists on the hub; nothing is written over. Choose another name, or add a commit: --update."
        )
    if code in (401, 403):
        return (
            f"The hub refuses to write {repository} with this token ({code}); expected one of its owner, with the "
            "right to write. Make one at huggingface.co/settings/tokens."
        )
    if code:
        return (
            f"The hub did not take {repository}: it answered {code}. Try again later; --update goes on where it exists."
        )
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return f"The hub cannot be reached for {repository}: {first}. Check the network and try again."

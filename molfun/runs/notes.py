"""What people write on a run: its name, notes and tags. They belong to the run, not to its settings, and may change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from molfun.errors import SettingError
from molfun.runs.folder import RunFolder
from molfun.runs.store import RunStore

MAX_NAME, MAX_TAG, MAX_TAGS, MAX_NOTES = 120, 40, 20, 20_000
# What no keyboard types: control characters, halves of characters, and marks that turn the direction of what follows.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def rename(folder: RunFolder, name: str) -> None:
    """Give a run another name; its id stays.

    Raises:
        SettingError: The name is empty, longer than 120 characters or holds control characters.
    """
    folder.amend(name=_words(name, "name", MAX_NAME))


def set_notes(folder: RunFolder, text: str) -> None:
    """Replace the notes on a run; an empty text removes them.

    Raises:
        SettingError: The text is longer than 20,000 characters or holds control characters.
    """
    if len(text) > MAX_NOTES:
        raise SettingError(f"The notes have {len(text):,} characters; {MAX_NOTES:,} is the most. Shorten them.")
    _check_letters(text, "notes hold")
    folder.amend(notes=text or None)


def add_tags(folder: RunFolder, tags: Iterable[str]) -> None:
    """Add tags to a run; those that it has already stay.

    Raises:
        SettingError: A tag is empty, longer than 40 characters or holds a comma, or there are more than 20.
    """
    merged = list(dict.fromkeys([*tags_of(folder), *(_tag(tag) for tag in tags)]))
    if len(merged) > MAX_TAGS:
        raise SettingError(f"The run would have {len(merged)} tags; {MAX_TAGS} is the most. Remove some first.")
    folder.amend(tags=merged)


def remove_tags(folder: RunFolder, tags: Iterable[str]) -> None:
    """Take tags from a run; those that it does not have are ignored."""
    gone = {tag.strip() for tag in tags}
    folder.amend(tags=[tag for tag in tags_of(folder) if tag not in gone] or None)


def tags_of(folder: RunFolder) -> list[str]:
    """Return the tags of a run in the order in which they were added."""
    tags = folder.read_amended().get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def all_tags(home: Path) -> list[str]:
    """Return every tag that a run has, in alphabetical order."""
    return sorted({tag for folder in RunStore(home).list() for tag in tags_of(folder)})


def _tag(tag: str) -> str:
    tag = _words(tag, "tag", MAX_TAG)
    if "," in tag:
        raise SettingError(f"The tag {tag!r} holds a comma; give several tags one by one.")
    return tag


def _words(text: str, what: str, limit: int) -> str:
    text = " ".join(text.split())
    if not 1 <= len(text) <= limit:
        raise SettingError(f"The {what} has {len(text)} characters; expected 1 to {limit}.")
    _check_letters(text, f"{what} {text!r} holds")
    return text


def _check_letters(text: str, subject: str) -> None:
    if found := CONTROL.search(text):
        raise SettingError(
            f"The {subject} the control character {found[0]!r} at place {found.start() + 1:,}; write it without."
        )

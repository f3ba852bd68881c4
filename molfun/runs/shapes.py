"""What may stand in the files of a run folder. A value of another kind, from a newer version or a damaged file, counts
as absent, so that no reader of these files has to ask for the kind of what it reads.

Names that are not listed here pass as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], Any]
"""Returns a value as it may be used, or `ABSENT`."""

ABSENT = object()
MAX_TEXT_CHARACTERS = 20_000
MAX_ITEMS = 10_000
LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999, beyond which there are no dates
LARGEST = 1e300
# Host names and job ids become names of files and arguments of commands.
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\[\]-]{0,200}")
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def text(value: Any) -> Any:
    """Take text; control characters become question marks, beyond 20,000 characters it is cut."""
    return UNSEEN.sub("?", value[:MAX_TEXT_CHARACTERS]) if isinstance(value, str) else ABSENT


def plain_name(value: Any) -> Any:
    """Take text that can be part of a path or an argument of a command."""
    return value if isinstance(value, str) and PLAIN_NAME.fullmatch(value) else ABSENT


def number(value: Any) -> Any:
    """Take a number; true and false are none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < LARGEST else ABSENT


def count(value: Any) -> Any:
    """Take a whole number from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else ABSENT


def moment(value: Any) -> Any:
    """Take unix seconds."""
    return value if number(value) is not ABSENT and 0 <= value <= LAST_MOMENT else ABSENT


def flag(value: Any) -> Any:
    """Take true or false."""
    return value if isinstance(value, bool) else ABSENT


# What may be None, as values that were taken back are; a mapping or a list is rather absent.
SINGLE = (text, plain_name, number, count, moment, flag)


def record(*needed: str, **checks: Check) -> Check:
    """Take a mapping, each of these names with a value of its kind, where it has all that are `needed`."""

    def take(value: Any) -> Any:
        found = fitting(value, checks) if isinstance(value, Mapping) else {}
        return found if isinstance(value, Mapping) and all(name in found for name in needed) else ABSENT

    return take


def mapping(check: Check, *, has_gaps: bool = False) -> Check:
    """Take a mapping of any names, with those of its values that fit; None among them only where it `has_gaps`."""

    def take(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return ABSENT
        found = {name: _taken(inner, check) for name, inner in value.items() if has_gaps or inner is not None}
        return {name: inner for name, inner in found.items() if inner is not ABSENT}

    return take


def items(check: Check) -> Check:
    """Take a list, with those of its values that fit."""

    def take(value: Any) -> Any:
        if not isinstance(value, list):
            return ABSENT
        found = [check(inner) for inner in value[:MAX_ITEMS] if inner is not None]
        return [inner for inner in found if inner is not ABSENT]

    return take


def _taken(value: Any, check: Check) -> Any:
    return None if value is None and check in SINGLE else check(value)


def fitting(values: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return a file's values without those that are not of their kind.

    >>> fitting({"step": 3, "epoch": "three", "pid": None, "of_tomorrow": [1]}, STATE)
    {'step': 3, 'pid': None, 'of_tomorrow': [1]}
    """
    found = {name: _taken(value, checks[name]) if name in checks else value for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not ABSENT}


STATE: dict[str, Check] = {
    "status": text, "cause": text, "phase": text, "precision": text, "paused": flag,
    "created": moment, "launched": moment, "started": moment, "ended": moment, "heartbeat": moment, "resumed": moment,
    "pid": count, "create_time": moment, "start_ticks": count, "boot_id": text, "host": plain_name, "attempt": count,
    "number": count, "step": count, "total_steps": count, "epoch": count, "epochs": count, "num_train": count,
    "resumed_step": count, "resumed_progress": number, "has_average": flag, "imported": text,
    "best": record(metric=text, value=number, epoch=count, val_loss=number),
}  # fmt: skip
AMENDED: dict[str, Check] = {"name": text, "notes": text, "tags": items(text), "epochs": count, "deleted": moment}
LAUNCH: dict[str, Check] = {
    "launcher": plain_name, "job": plain_name, "host": plain_name, "submitted": moment, "address": text,
}  # fmt: skip
SCHEDULER: dict[str, Check] = {"state": text, "reason": text, "t": moment}
JOB: dict[str, Check] = {
    "name": text, "kind": plain_name, "device": plain_name, "total": count, "asked": moment, "wild_type": text,
    "first_number": number, "column": text, "others": items(plain_name), "coverage": number,
    "kept": mapping(text), "positions": items(number), "doubles": items(number),
}  # fmt: skip
JOB_STATE: dict[str, Check] = {
    "status": plain_name, "cause": text, "done": count, "seconds": number, "residues": count,
}  # fmt: skip
EXPORT_STATE: dict[str, Check] = {"status": plain_name, "phase": text, "cause": text, "difference": number}
PREFLIGHT: dict[str, Check] = {
    "seconds": number, "peak_bytes": number, "rows": number, "residues": number, "forecast_seconds": number,
    "disk_free_bytes": number, "disk_needed_bytes": number, "once_seconds": number, "reads_kept": flag,
}  # fmt: skip
SCOREBOARD: dict[str, Check] = {
    "primary": text, "weights": text, "baselines": mapping(mapping(number, has_gaps=True)),
    "test": record("metrics", metrics=mapping(number, has_gaps=True), rows=count),
    "checkpoint": record(epoch=count, weights=text),
}  # fmt: skip
PARAMETERS: dict[str, Check] = {
    "total": count, "trainable": count, "warnings": items(text),
    "parts": items(record("name", "total", "trainable", name=text, total=count, trainable=count, lr=number)),
    "groups": items(record("name", "num_parameters", name=text, num_parameters=count, lr=number)),
    "lora": record("layers", "reached", layers=count, reached=count, blocks=count, blocks_reached=count),
}  # fmt: skip
ENVIRONMENT: dict[str, Check] = {
    "python": text, "packages": mapping(text), "system": text, "num_cpus": count, "device": text,
    "num_processes": count, "git": record("commit", commit=text, changed=flag),
}  # fmt: skip
EVENT: dict[str, Check] = {
    "kind": text, "t": moment, "segment": count, "step": count, "name": text, "action": text, "factor": number,
    "epochs": count, "before": count, "message": text,
}  # fmt: skip
MANIFEST: dict[str, Check] = {"step": count, "epoch": count, "weights": text}
END: dict[str, Check] = {"status": text, "cause": text}
failure = record("rank", "t", "cause", "is_secondary", rank=count, t=moment, cause=text, is_secondary=flag)

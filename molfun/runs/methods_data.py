"""Sentences on the data of a run, made of recorded facts alone: which rows, how cleaned, how divided, how alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PART_TITLES = {"train": "training", "val": "validation", "test": "test"}
IDENTITY = (
    "Identity is the number of identical residues of the best global alignment with free ends (BLOSUM62, 11 to open a "
    "gap, 1 to extend it) over the length of the shorter sequence."
)


def data_sentences(data: Mapping[str, Any]) -> list[str]:
    """Return what was done with the data.

    Args:
        data: As `molfun.runs.evidence.collect` gives them.
    """
    return [sentence for sentence in (
        _rows(data), _cleaning(data), _split(data), _unseen(data), _too_long(data), _likeness(data), _identity(data)
    ) if sentence]  # fmt: skip


def listed(names: list[str]) -> str:
    """Return names in a row.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(number: int, noun: str) -> str:
    """Return how many there are.

    >>> counted(1, "step"), counted(2, "row")
    ('1 step', '2 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rows(data: Mapping[str, Any]) -> str:
    if not data["is_there"]:
        return (
            f"The data (id {data['id']}) are no longer there, so their hash, their cleaning and how alike their parts "
            "are is not known."
        )
    total = sum(data["rows"].values())
    source = f", from {data['source']}" if data["source"] else ""
    changed = "" if data["is_unchanged"] else " They have another hash now than when they were saved."
    return f"The data are “{data['name']}”{source}: {total:,} rows (id {data['id']}, sha256 {data['sha256']}).{changed}"


def _cleaning(data: Mapping[str, Any]) -> str:
    if not data["is_there"]:
        return ""
    if data["recipe"] is None:
        return "The table was cleaned by a recipe that this version cannot read."
    steps = [str(step["title"]) for step in data["recipe"]]
    if not steps:
        return ""
    return f"Before that, the table was cleaned in {counted(len(steps), 'recorded step')}: {'; '.join(steps)}."


def _split(data: Mapping[str, Any]) -> str:
    split = data["split"]
    if split is None:
        return "How the rows were divided is not recorded."
    parts = [f"{count:,} {PART_TITLES[part]}" for part, count in (data["rows"] or {}).items()]
    into = f" into {listed(parts)} rows" if parts else ""
    fold = f", as fold {split['fold']} of {split['num_folds']}" if split.get("num_folds") else ""
    seed = f" (split seed {split['seed']})" if "seed" in split else ""
    return f"The rows were divided{into}{fold}, {_HOW[split['kind']](split)}{seed}."


def _by_num_mutations(split: Mapping[str, Any]) -> str:
    most = split["max_mutations"]
    return f"by the number of mutations: rows with up to {most} train and validate, rows with more are tested"


_HOW: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "random": lambda split: "at random, row by row",
    "stratified": lambda split: "at random with the same share of every class, or of low and high values, in each part",
    "identity": lambda split: (
        f"by sequence identity: no sequence shares more than {split['max_identity']:.0%} of its residues with one of "
        "another part"
    ),
    "position": lambda split: "by mutated position: no test row is mutated where a training row is",
    "num_mutations": _by_num_mutations,
    "value": lambda split: (
        f"by value: the {'highest' if split['held_out'] == 'high' else 'lowest'} values of the target are tested"
    ),
    "time": lambda split: (
        f"by time: the newest rows by the column “{split['column']}” are tested, the newest of the others validate"
    ),
    "group": lambda split: f"by group: rows of one value of the column “{split['column']}” stay in one part",
    "column": lambda split: f"as the column “{split['column']}” of the table says",
}


def _unseen(data: Mapping[str, Any]) -> str:
    unseen = [str(name) for name in data.get("unseen_classes") or []]
    what = "class" if len(unseen) == 1 else "classes"
    return f"No training row has the {what} {listed(unseen)}." if unseen else ""


def _too_long(data: Mapping[str, Any]) -> str:
    num, limit = data.get("longer"), data.get("max_residues")
    if not num:
        return ""
    done = {
        "crop": "cut to the first residues", "window": "cut to the residues around the middle",
        "skip": "left out of training and test",
    }.get(str(data["too_long"]))  # fmt: skip
    rows, was = counted(num, "row"), "was" if num == 1 else "were"
    return f"{rows} with more than the {limit:,} residues that the model takes {was} {done}." if done else ""


def _likeness(data: Mapping[str, Any]) -> str:
    """Return how alike test and training rows are, without a judgement of it."""
    leaks = data["leaks"] or {}
    found = [f"{count:,} at {band}" for band, count in (leaks.get("bands") or {}).items() if count]
    if not found:
        return ""
    some = "" if leaks["compared_rows"] == leaks["test_rows"] else f" ({leaks['compared_rows']:,} of them, drawn)"
    copied = leaks["copies"].get("test and training")
    copies = f"; {copied:,} {'has' if copied == 1 else 'have'} the very sequence of a training row" if copied else ""
    return f"The identity of the test rows{some} to the nearest training row is: {listed(found)}{copies}."


def _identity(data: Mapping[str, Any]) -> str:
    is_used = (data["split"] or {}).get("kind") == "identity" or bool(_likeness(data))
    return IDENTITY if is_used else ""

"""What is handed on holds no secret, no path of this machine and no sequence."""

from __future__ import annotations

from pathlib import Path

import pytest

from molfun.runs.disclosure import Disclosure

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No model in /srv/people/ann/esm, none", "No model in …/esm, none"),
        ("'/data/x/y.csv': gone", "'…/y.csv': gone"),
        ("file:///srv/ann/a.csv", "…/a.csv"),
        ("see /srv/ann", "see …"),
        ("https://example.org/a/b/c and 3/4/5", "https://example.org/a/b/c and 3/4/5"),
        ("rows and/or columns, 1/2, n/a", "rows and/or columns, 1/2, n/a"),
        ("blocks.0.attention/query/bias", "blocks.0.attention/query/bias"),
        (f"found '{SEQUENCE}'; correct it", "found '[22 residues left out]'; correct it"),
        ("DNA, RNA, ATGC, ESM, LoRA: HEADLINES", "DNA, RNA, ATGC, ESM, LoRA: HEADLINES"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert Disclosure().text(text) == shown


def test_known_places_have_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann lee")
    said = Disclosure(home).text(f"{home}/runs/a-run and /home/ann lee/tables")
    assert said == "MOLFUN_HOME/runs/a-run and ~/tables"


def test_secrets_are_hidden_however_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret-of-some-length")
    found = Disclosure(with_sequences=True).values(
        {"a": [{"s3cret-of-some-length": "x s3cret-of-some-length y"}], "b": 1}
    )
    assert found == {"a": [{"[hidden]": "x [hidden] y"}], "b": 1}


def test_sequences_stay_where_they_are_asked_for() -> None:
    values = {"wild_type": "MK TA", "note": SEQUENCE, "empty": {"wild_type": ""}}
    assert Disclosure().values(values) == {
        "wild_type": "[4 residues left out]", "note": "[22 residues left out]", "empty": {"wild_type": ""},
    }  # fmt: skip
    assert Disclosure(with_sequences=True).values(values) == values


def test_settings_of_a_cluster_are_left_out() -> None:
    launch = {"where": "slurm", "slurm": {"account": "lab"}, "ray": {"address": "http://10.0.0.1"}}
    assert Disclosure().values({"launch": launch}) == {"launch": {"where": "slurm"}}

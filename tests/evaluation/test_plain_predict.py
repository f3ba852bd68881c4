"""What the two exported scripts read: the same tokens as Molfun, and a sentence where it would refuse."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from molfun.adapters.alphabet import ANTIBERTY, ESM2, Alphabet
from molfun.data.batches import SequenceRows
from molfun.evaluation import plain_predict, plain_predict_onnx

SCRIPTS = pytest.mark.parametrize("script", [plain_predict, plain_predict_onnx])
MOST = 10


def about(alphabet: Alphabet, too_long: str, names: tuple[str, ...] = ("sequence",)) -> dict[str, Any]:
    """Return what the scripts need of molfun.json."""
    return {
        "token_ids": alphabet.ids, "start_id": alphabet.start_id, "end_id": alphabet.end_id, "max_residues": MOST,
        "too_long": too_long, "sequence_columns": list(names),
    }  # fmt: skip


@SCRIPTS
@pytest.mark.parametrize("alphabet", [ESM2, ANTIBERTY], ids=["esm", "bert"])
@pytest.mark.parametrize("too_long", ["crop", "window"])
@pytest.mark.parametrize("sequence", ["M", "ACDEFGHIKL", "ACDEFGHIKLM", "ACDEFGHIKLMNPQRSTVWY"])
def test_tokens_are_those_of_molfun(script: ModuleType, alphabet: Alphabet, too_long: str, sequence: str) -> None:
    rows = SequenceRows([[sequence]], encoder=alphabet, max_residues=MOST, policy=too_long).rows  # type: ignore[arg-type]
    assert script.encode(sequence, about(alphabet, too_long)) == rows[0].tokens[0]


@SCRIPTS
@pytest.mark.parametrize("too_long", ["refuse", "skip", "crop"])
@pytest.mark.parametrize(
    ("sequence", "came"), [("MK1", "the letter '1'"), ("", "0 residues"), ("M" * 11, "11 residues")]
)
def test_what_cannot_be_read_is_a_sentence(script: ModuleType, too_long: str, sequence: str, came: str) -> None:
    facts = about(ANTIBERTY, too_long)
    if too_long == "crop" and len(sequence) > MOST:
        assert len(script.encode(sequence, facts)) == MOST + ANTIBERTY.num_specials
        return
    with pytest.raises(ValueError, match=f"expected 1 to 10 residues of ACDEFGHIKLMNPQRSTVWY, but there is {came}"):
        script.encode(sequence, facts)


@SCRIPTS
def test_chains_are_counted(script: ModuleType) -> None:
    facts = about(ESM2, "refuse", ("heavy", "light"))
    assert script.split_chains(" mkt:evq\n", facts) == ["MKT", "EVQ"]
    for text, came in (("MKT", 1), ("M:K:T", 3)):
        with pytest.raises(ValueError, match=rf"expected 2 chains joined by a colon \(heavy, light\), got {came}"):
            script.split_chains(text, facts)


def test_an_adapter_without_a_base_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="on which backbone it was trained; name its folder with --base"):
        plain_predict.load_backbone(tmp_path, "")

"""A model's letter table: which residues it knows and their token ids. Pure Python; shared by checks and batches.

Tokenizers of model families merge or silently drop letters that they do not know; a table refuses them instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from molfun.errors import DataError

STANDARD_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Alphabet:
    """Letters and special tokens of one model family.

    Attributes:
        ids: Token id of every residue letter that the model was trained on.
        pad_id: Token id of padding.
        start_id: Token before the first residue, None where the family has none.
        end_id: Token behind the last residue, None where the family has none.
        mask_id: Token of a masked residue.
    """

    ids: dict[str, int]
    pad_id: int
    start_id: int | None
    end_id: int | None
    mask_id: int

    @property
    def letters(self) -> str:
        """All residue letters, in alphabetical order."""
        return "".join(sorted(self.ids))

    @property
    def num_specials(self) -> int:
        """Tokens that every sequence has beside its residues."""
        return (self.start_id is not None) + (self.end_id is not None)

    def encode(self, sequence: str) -> list[int]:
        """Return token ids, special tokens included.

        Raises:
            DataError: A letter is not in the table; its 1-based position is named.
        """
        try:
            body = [self.ids[letter] for letter in sequence]
        except KeyError as error:
            letter = error.args[0]
            raise DataError(
                f"Letter {letter!r} at position {sequence.index(letter) + 1} is no residue that this model knows "
                f"({self.letters}); remove the row or correct the letter."
            ) from None
        start = [] if self.start_id is None else [self.start_id]
        end = [] if self.end_id is None else [self.end_id]
        return start + body + end

    def residue_span(self, num_tokens: int) -> tuple[int, int]:
        """Return (first, end) of the residues within a row of `num_tokens` tokens."""
        return int(self.start_id is not None), num_tokens - int(self.end_id is not None)


# Order of the 20 residues in AntiBERTy's vocab.txt, behind [PAD] [UNK] [CLS] [SEP] [MASK].
ANTIBERTY = Alphabet(
    ids={letter: 5 + i for i, letter in enumerate(STANDARD_RESIDUES)}, pad_id=0, start_id=2, end_id=3, mask_id=4
)
# Order of ESM-2's vocab.txt behind <cls> <pad> <eos> <unk>; X B U Z O are known to the model, gaps are not residues.
ESM2 = Alphabet(
    ids={letter: 4 + i for i, letter in enumerate("LAGVSERTIDPKQNFYMHWCXBUZO")},
    pad_id=1,
    start_id=0,
    end_id=2,
    mask_id=32,
)


def _with_rare_as_x(order: str, first: int) -> dict[str, int]:
    """Return ids of letters in their order; U, Z, O and B get that of X, because the models were trained so."""
    ids = {letter: first + i for i, letter in enumerate(order)}
    return dict.fromkeys("UZOB", ids["X"]) | ids


# Order of the vocabulary of ProtBert, behind [PAD] [UNK] [CLS] [SEP] [MASK]. U, Z, O and B have ids of their own in it,
# and in ProtT5's, but their authors wrote X for them (Elnaggar et al. 2021).
PROTBERT = Alphabet(ids=_with_rare_as_x("LAGVESIKRDTPNQFYMHCWX", first=5), pad_id=0, start_id=2, end_id=3, mask_id=4)
# Order of the vocabulary of ProtT5, behind <pad> </s> <unk>; nothing stands before a sequence, and T5's first sentinel
# has the last id.
PROTT5 = Alphabet(ids=_with_rare_as_x("ALGVSREDTIPKFQNYMHWCX", first=3), pad_id=0, start_id=None, end_id=1, mask_id=127)
# AlphaFold's order of residues with X behind them, which ESMFold and OpenFold read; there are no special tokens, and
# padding is told from residues by a mask alone.
ALPHAFOLD = Alphabet(
    ids={letter: i for i, letter in enumerate("ARNDCQEGHILKMFPSTWYVX")},
    pad_id=20,
    start_id=None,
    end_id=None,
    mask_id=22,
)

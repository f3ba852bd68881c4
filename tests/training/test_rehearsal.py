"""The heaviest batch before the first step: it changes no bit, and too little memory is told with what to lower."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from molfun.data.batches import Collate, EpochSampler, SequenceRows, heaviest_batch
from molfun.errors import RunError
from molfun.training import Callback, FullFinetune, LoRAFinetune
from tests.tiny import SEQUENCES, tiny_model


def shuffled(model: Any, batch_size: int = 2) -> DataLoader:
    alphabet = model.adapter.alphabet
    targets = [float(len(sequence)) for sequence in SEQUENCES]
    rows = SequenceRows([list(SEQUENCES)], encoder=alphabet, max_residues=99, targets=targets)
    sampler = EpochSampler(len(rows), shuffle=True, seed=3)
    return DataLoader(rows, batch_size=batch_size, sampler=sampler, collate_fn=Collate(alphabet, "regression"))


class Keep(Callback):
    def on_rehearsal(self, loop, rehearsal) -> None:
        self.found, self.gradients = rehearsal, [p.grad for p in loop.model.parameters() if p.grad is not None]


class Norm(nn.Module):
    """The head behind a batch norm, whose running statistics every forward in training mode changes."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(32), head

    def forward(self, trunk):
        hidden = tuple(self.norm(h.transpose(1, 2)).transpose(1, 2) for h in trunk.hidden)
        return self.head(type(trunk)(hidden, trunk.residues))


@pytest.mark.parametrize(
    "make", [lambda: LoRAFinetune(rank=4, dropout=0.3, amp=False), lambda: FullFinetune(amp=False)]
)
def test_a_rehearsal_changes_no_bit(make) -> None:
    """With dropout and running statistics."""
    outcomes = []
    for is_rehearsed in (False, True):
        model = tiny_model()
        model.head = Norm(model.head)
        batch = heaviest_batch(shuffled(model)) if is_rehearsed else None
        history = make().fit(model, shuffled(model), epochs=3, seed=1, rehearse_batch=batch)
        outcomes.append(([row["train_loss"] for row in history], model.state_dict()))
    assert outcomes[0][0] == outcomes[1][0]
    assert all(torch.equal(one, outcomes[1][1][name]) for name, one in outcomes[0][1].items())


def test_the_heaviest_batch_holds_the_longest_rows() -> None:
    model, keep = tiny_model(), Keep()
    batch = heaviest_batch(shuffled(model))
    assert batch.row_ids.tolist() == [2, 0]
    FullFinetune(amp=False).fit(model, shuffled(model), epochs=1, callbacks=[keep], rehearse_batch=batch)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (keep.found.rows, keep.found.residues, keep.found.tokens) == (2, 25, 25 + 22 + 4)
    assert keep.found.optimizer_bytes == 8 * trained
    assert keep.found.seconds > 0
    assert keep.gradients == []


@pytest.mark.parametrize(
    ("batch_size", "advice"),
    [
        (
            4,
            r"\(4 rows of up to 25 residues\), before the first step\. Set training\.batch_size to 2 and",
        ),
        (3, r"Set training\.batch_size to 1 and strategy\.accumulation_steps to 3 "),
        (1, r"\(1 row of up to 25 residues\).* Turn gradient checkpointing on"),
    ],
)
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_too_little_memory_says_what_to_lower(batch_size: int, advice: str, error: type[Exception]) -> None:
    class Greedy(nn.Module):
        def forward(self, trunk):
            raise error("no more")

    model = tiny_model()
    model.head = Greedy()
    model.head.weight = nn.Parameter(torch.ones(1))
    batch = heaviest_batch(shuffled(model, batch_size))
    with pytest.raises(RunError, match=advice):
        FullFinetune(amp=False).fit(model, shuffled(model, batch_size), epochs=1, rehearse_batch=batch)


def test_a_loader_without_known_rows_has_no_heaviest_batch() -> None:
    assert heaviest_batch(DataLoader([1, 2])) is None

"""Batches of rows of about one length, so that little of them is padding, in an order that a seed and an epoch decide.

Every row comes once an epoch, with other rows each time, and batches of long and short rows come in any order. How many
rows each batch has is settled once, so that every epoch has the same number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from molfun.data.settings import BatchBy

# Lengths are multiplied by up to this share more or less before rows are sorted: the neighbours of a row change, and
# no more than twice this share of a batch becomes padding.
JITTER = 0.02
# Shuffled rows of which more than this share would be padding are grouped by length under "auto".
MUCH_PADDING = 0.1


class LengthBatches:
    """Lists of row numbers for a DataLoader's `batch_sampler`.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows of a batch, the last rows shared out so that no batch is much smaller.
        by: "length" gives every batch so many rows; "tokens" gives it as many tokens, padding included, as
            `batch_size` rows of mean length have, so that long rows come in smaller batches.
        least_rows: Rows of a batch by tokens, however long they are: some losses compare rows with each other.
        shuffle: Whether an epoch draws neighbours and order anew; False goes from short to long.
        seed: Start of what is drawn.
        num_processes: That train together. Batches that they work on at the same time are cut out of one of
            `num_processes * batch_size` rows, so that they do what one process with that batch size does.
    """

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int, by: Literal["length", "tokens"] = "length",
        least_rows: int = 1, shuffle: bool = True, seed: int = 0, num_processes: int = 1,
    ) -> None:  # fmt: skip
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.shuffle, self.seed, self.num_processes = shuffle, seed, num_processes
        together = batch_size * num_processes
        self.groups = _equal_sizes(len(lengths), together)
        if by == "tokens" and len(lengths):
            most = together * float(self.lengths.mean())
            self.groups = _token_sizes(np.sort(self.lengths), most, at_least=num_processes * least_rows)
        self.epoch = self.pass_under_way = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return sum(min(size, self.num_processes) for size in self.groups)

    @property
    def most_long_rows(self) -> int:
        """Rows of the largest batch of those with the longest rows."""
        return -(-self.groups[-1] // self.num_processes) if self.groups else 0

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass that of `epoch`, e.g. after a resume; later passes count on from there."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the row numbers of each batch of the epoch."""
        epoch = self.pass_under_way = self.epoch
        self.epoch += 1
        # An own generator: the global one also feeds dropout, and a resume must not depend on it.
        generator = np.random.default_rng((self.seed, epoch))
        order = np.argsort(self._drawn(generator), kind="stable")
        groups = np.split(order, np.cumsum(self.groups)[:-1])
        for number in self._drawn_order(generator):
            for batch in np.array_split(groups[number], min(len(groups[number]), self.num_processes)):
                yield batch.tolist()

    def _drawn(self, generator: np.random.Generator) -> np.ndarray:
        """Return what rows are sorted by."""
        if not self.shuffle:
            return self.lengths
        return self.lengths * generator.uniform(1 - JITTER, 1 + JITTER, len(self.lengths))

    def _drawn_order(self, generator: np.random.Generator) -> list[int]:
        """Return the numbers of the groups in this epoch's order.

        One that is too small for all processes comes last, or all behind it would be shared out differently.
        """
        numbers = np.arange(len(self.groups))
        if self.shuffle:
            numbers = generator.permutation(numbers)
        return sorted(numbers.tolist(), key=lambda number: self.groups[number] < self.num_processes)


def choose_batches(lengths: Sequence[int], batch_size: int, by: BatchBy) -> Literal["rows", "length", "tokens"]:
    """Return how rows come together: "auto" groups them by length where shuffled ones would be padded much."""
    if by != "auto":
        return by
    return "length" if padding_share(lengths, batch_size) > MUCH_PADDING else "rows"


def padding_share(lengths: Sequence[int], batch_size: int) -> float:
    """Return the share of padding in the positions of batches of shuffled rows, 0 to 1, by one drawing of them."""
    drawn = np.random.default_rng(0).permutation(np.asarray(lengths, dtype=np.int64))
    batches = [drawn[first : first + batch_size] for first in range(0, len(drawn), batch_size)]
    positions = sum(int(batch.max()) * len(batch) for batch in batches)
    return 1 - int(drawn.sum()) / positions if positions else 0.0


def _equal_sizes(num_rows: int, batch_size: int) -> list[int]:
    """Return sizes of up to `batch_size` that differ by at most one."""
    num_batches = -(-num_rows // batch_size)
    return [num_rows // num_batches + (i < num_rows % num_batches) for i in range(num_batches)]


def _token_sizes(lengths: np.ndarray, most_tokens: float, *, at_least: int) -> list[int]:
    """Return sizes for rows sorted from short to long, none with more tokens than `most_tokens`.

    Args:
        lengths: Ascending.
        most_tokens: Of a batch, padding included, whatever is drawn.
        at_least: Rows of a batch, however long they are.
    """
    sizes, last = [], len(lengths)
    while last:
        longest = lengths[last - 1] * (1 + JITTER) / (1 - JITTER)
        size = max(at_least, int(most_tokens / longest))
        sizes.append(min(size, last))
        last -= sizes[-1]
    if len(sizes) > 1 and sizes[-1] < at_least:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    return sizes[::-1]

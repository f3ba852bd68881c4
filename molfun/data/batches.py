"""Turns a dataset's rows into batches of padded tensors, in an order that a seed and an epoch decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset
from typing_extensions import override

from molfun.data.atoms import UNKNOWN
from molfun.data.dataset import Dataset
from molfun.data.encoded_rows import Row, RowStructure, crop_row, residue_window, row_structure
from molfun.data.labels import NO_LABEL
from molfun.data.length_batches import LengthBatches, choose_batches
from molfun.data.proteins import Protein
from molfun.data.settings import BatchBy, Task, TooLong
from molfun.errors import DataError
from molfun.types import Batch, Chain, SequenceEncoder, Structures, pad_rows

__all__ = ["Collate", "EpochSampler", "Row", "SequenceRows", "heaviest_batch", "make_loader", "residue_window"]


class SequenceRows(TorchDataset[Row]):
    """Rows of one part of a dataset, encoded once and kept in memory."""

    def __init__(
        self,
        chains: Sequence[Sequence[str]],
        *,
        encoder: SequenceEncoder,
        max_residues: int,
        policy: TooLong = "refuse",
        targets: Sequence[float | int | list[int]] | None = None,
        row_ids: Sequence[int] | None = None,
        file_rows: Sequence[int] | None = None,
        structures: Sequence[Protein] | None = None,
    ) -> None:
        """Encode rows.

        Args:
            chains: One list of sequences a chain, all of equal length.
            encoder: The model's letter table.
            max_residues: The model's limit, specials left out.
            policy: What happens to longer sequences; per-residue targets are cut the same way.
            targets: One a row; None when predicting.
            row_ids: Index of each row in its table; None counts from 0.
            file_rows: Row of each row in its file, for messages; None counts from 1.
            structures: Measured structure of each row, chains in the order of `chains`, where that is the target.

        Raises:
            DataError: A letter is unknown to the model or a sequence is too long; row and chain are named.
        """
        self.encoder, self.max_residues, self.policy = encoder, max_residues, policy
        num_rows = len(chains[0])
        ids = range(num_rows) if row_ids is None else row_ids
        numbers = range(1, num_rows + 1) if file_rows is None else file_rows
        goals = [None] * num_rows if targets is None else targets
        proteins = [None] * num_rows if structures is None else structures
        columns = list(zip(*chains, strict=True))
        self.rows = [self._encode(*item) for item in zip(columns, goals, ids, numbers, proteins, strict=True)]
        self.crop: EpochCrop | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @override
    def __getitem__(self, index: int) -> Row:
        return self.rows[index] if self.crop is None else self.crop(self.rows[index])

    def _encode(
        self, sequences: tuple[str, ...], target: float | int | list[int] | None, row_id: int, number: int,
        protein: Protein | None,
    ) -> Row:  # fmt: skip
        tokens = []
        for chain, sequence in enumerate(sequences, start=1):
            try:
                window = residue_window(len(sequence), self.max_residues, self.policy)
                tokens.append(self.encoder.encode(sequence[window]))
            except DataError as error:
                raise DataError(f"Row {number}, chain {chain}: {error}") from None
        if isinstance(target, list):
            target = target[residue_window(len(target), self.max_residues, self.policy)]
        measured = None if protein is None else row_structure(protein, self.max_residues, self.policy)
        return Row(tuple(tokens), target, int(row_id), measured)


class Collate:
    """Pads rows to one batch."""

    def __init__(self, encoder: SequenceEncoder, task: Task) -> None:
        """Keep what padding needs.

        Args:
            encoder: Gives the pad id and where residues lie between special tokens.
            task: Decides dtype and shape of the targets.
        """
        self.encoder, self.task = encoder, task

    def __call__(self, rows: Sequence[Row]) -> Batch:
        """Return the batch of `rows`, in their order."""
        chains = tuple(self._chain([row.tokens[i] for row in rows]) for i in range(len(rows[0].tokens)))
        row_ids = torch.tensor([row.row_id for row in rows], dtype=torch.int64)
        measured = [row.structure for row in rows if row.structure is not None]
        if measured:
            mask_B = torch.tensor([structure.has_atoms for structure in measured])
            return Batch(chains, None, mask_B, row_ids, pad_structures(measured))
        targets, mask = self._targets(rows, chains[0])
        return Batch(chains, targets, mask, row_ids)

    def _chain(self, tokens: list[list[int]]) -> Chain:
        tokens_BL = pad_rows(tokens, self.encoder.pad_id)
        positions_L = torch.arange(tokens_BL.shape[1])
        spans_B2 = torch.tensor([self.encoder.residue_span(len(row)) for row in tokens], dtype=torch.int64)
        lengths_B = torch.tensor([len(row) for row in tokens], dtype=torch.int64)
        residues_BL = (positions_L >= spans_B2[:, :1]) & (positions_L < spans_B2[:, 1:])
        return Chain(tokens_BL, positions_L < lengths_B[:, None], residues_BL)

    def _targets(self, rows: Sequence[Row], chain: Chain) -> tuple[Tensor | None, Tensor | None]:
        if rows[0].target is None:
            return None, None
        if self.task == "per_residue":
            return self._residue_targets([row.target for row in rows if isinstance(row.target, list)], chain)
        dtype = torch.float32 if self.task == "regression" else torch.int64
        targets_B = torch.tensor([row.target for row in rows], dtype=dtype)
        return targets_B, torch.isfinite(targets_B) if self.task == "regression" else targets_B != NO_LABEL

    def _residue_targets(self, labels: list[list[int]], chain: Chain) -> tuple[Tensor, Tensor]:
        targets_BL = torch.full(chain.tokens_BL.shape, NO_LABEL, dtype=torch.int64)
        # Boolean indexing runs row by row, left to right: the order of the labels laid end to end.
        targets_BL[chain.residues_BL] = torch.tensor([label for row in labels for label in row], dtype=torch.int64)
        return targets_BL, targets_BL != NO_LABEL


def pad_structures(rows: Sequence[RowStructure]) -> Structures:
    """Return the structures of a batch, padded at the end of each row."""

    def padded(name: str, fill: float) -> Tensor:
        arrays = [torch.from_numpy(np.ascontiguousarray(getattr(row, name))) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(arrays, batch_first=True, padding_value=fill)

    return Structures(
        padded("aatype", UNKNOWN), padded("positions", 0.0), padded("mask", False), padded("number", 0),
        padded("chain", -1),
    )  # fmt: skip


class EpochSampler(Sampler[int]):
    """Yields row indices, shuffled anew every epoch; (seed, epoch) alone decide the order."""

    def __init__(self, num_rows: int, *, shuffle: bool, seed: int) -> None:
        """Start at epoch 0.

        Args:
            num_rows: Number of rows.
            shuffle: Without it rows come in order.
            seed: Start of the random order.
        """
        self.num_rows, self.shuffle, self.seed, self.epoch, self.pass_under_way = num_rows, shuffle, seed, 0, 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.num_rows

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass that of `epoch`, e.g. after a resume; later passes count on from there."""
        self.epoch = epoch

    @override
    def __iter__(self) -> Iterator[int]:
        epoch = self.pass_under_way = self.epoch
        self.epoch += 1
        if not self.shuffle:
            return iter(range(self.num_rows))
        # An own generator: the global one also feeds dropout, and a resume must not depend on it.
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return iter(torch.randperm(self.num_rows, generator=generator).tolist())


class EpochCrop:
    """Crops rows anew every epoch; (seed, epoch, row) alone decide how."""

    def __init__(self, size: int, sampler: EpochSampler | LengthBatches, encoder: SequenceEncoder) -> None:
        """Keep what decides.

        Args:
            size: Most residues of a row.
            sampler: Knows seed and epoch.
            encoder: The model's letter table.
        """
        self.size, self.sampler, self.encoder = size, sampler, encoder

    def __call__(self, row: Row) -> Row:
        """Return the row as this epoch sees it."""
        return crop_row(row, self.size, (self.sampler.seed, self.sampler.pass_under_way, row.row_id), self.encoder)


def make_loader(
    dataset: Dataset,
    part: str,
    *,
    encoder: SequenceEncoder,
    max_residues: int,
    batch_size: int,
    shuffle: bool,
    seed: int,
    predict: bool = False,
    crop_size: int = 0,
    batch_by: BatchBy = "rows",
    least_rows: int = 1,
    num_processes: int = 1,
) -> DataLoader[Row]:
    """Build the loader of one part of a dataset.

    Args:
        dataset: Saved dataset; its `columns.too_long` is the policy for long sequences.
        part: "train", "val" or "test".
        encoder: The model's letter table.
        max_residues: The model's limit in residues.
        batch_size: Rows of a batch; the last one may have fewer.
        shuffle: Whether rows come in a new order every epoch.
        seed: Start of that order; `loader.sampler.set_epoch(epoch)` jumps to an epoch's order.
        predict: Leave targets out.
        crop_size: Most residues of all chains of a row together; longer rows are cropped, each epoch in another place
            (`molfun.data.crops`). For training rows; 0 leaves all as they are.
        batch_by: Whether any rows come together ("rows"), those of about one length ("length"), as many as give about
            equally many tokens ("tokens", where `batch_size` rows of mean length say how many), or "auto".
        least_rows: Rows of a batch by tokens, however long they are.
        num_processes: That train together, for batches by length.

    Returns:
        Loader of `Batch`, whose `row_ids` index `dataset.frame`; `len(loader)` is the number of batches.

    Raises:
        DataError: A sequence has an unknown letter, or is too long and the policy is "refuse".
    """
    frame = dataset.part(part)
    has_targets, is_structure = not predict, dataset.task == "structure"
    rows = SequenceRows(
        [frame[f"chain_{i}"].tolist() for i in range(1, dataset.num_chains + 1)],
        encoder=encoder,
        max_residues=max_residues,
        policy=dataset.columns.too_long,
        targets=frame["target"].tolist() if has_targets and not is_structure else None,
        row_ids=frame.index.tolist(),
        file_rows=frame["row"].tolist(),
        structures=[dataset.structure_of(row) for row in frame.index] if has_targets and is_structure else None,
    )
    generator, collate = torch.Generator().manual_seed(seed), Collate(encoder, dataset.task)
    sampler = _order_of(
        [_tokens_of(row, crop_size) for row in rows.rows], batch_by, batch_size=batch_size, least_rows=least_rows,
        shuffle=shuffle, seed=seed, num_processes=num_processes,
    )  # fmt: skip
    if crop_size:
        rows.crop = EpochCrop(crop_size, sampler, encoder)
    how: dict[str, Any] = {"batch_size": batch_size, "sampler": sampler}
    if isinstance(sampler, LengthBatches):
        how = {"batch_sampler": sampler}
    pinned = torch.cuda.is_available()
    return DataLoader(rows, **how, collate_fn=collate, num_workers=0, generator=generator, pin_memory=pinned)


def _order_of(
    lengths: Sequence[int], batch_by: BatchBy, *, batch_size: int, least_rows: int, shuffle: bool, seed: int,
    num_processes: int,
) -> EpochSampler | LengthBatches:  # fmt: skip
    """Return what decides which rows come together, and when; arguments as in `make_loader`."""
    by = choose_batches(lengths, batch_size * num_processes, batch_by)
    if by == "rows":
        return EpochSampler(len(lengths), shuffle=shuffle, seed=seed)
    return LengthBatches(
        lengths, batch_size=batch_size, by=by, least_rows=least_rows, shuffle=shuffle, seed=seed,
        num_processes=num_processes,
    )  # fmt: skip


def _tokens_of(row: Row, crop_size: int) -> int:
    """Return the tokens that a row has in a batch, all chains together."""
    tokens = sum(map(len, row.tokens))
    return min(tokens, crop_size) if crop_size else tokens


def heaviest_batch(loader: DataLoader[Row]) -> Batch | None:
    """Return the batch with the most tokens that shuffling could give: as many rows as a batch has, the longest ones.

    Args:
        loader: A loader of `make_loader`.

    Returns:
        The batch as the loader would collate it; None where the loader has no row.
    """
    rows = loader.dataset
    if not isinstance(rows, SequenceRows) or not len(rows):
        return None
    longest = sorted((rows[i] for i in range(len(rows))), key=lambda row: sum(map(len, row.tokens)), reverse=True)
    batches = loader.batch_sampler
    size = batches.most_long_rows if isinstance(batches, LengthBatches) else loader.batch_size
    heaviest: Batch = loader.collate_fn(longest[:size])
    return heaviest

"""Datasets of structures: saved and read back to the bit, damaged ones refused, split, batched, cropped, checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from molfun.adapters.catalog import MODELS
from molfun.data.atoms import residue_numbers
from molfun.data.batches import heaviest_batch, make_loader
from molfun.data.checks import check_table
from molfun.data.dataset import Dataset, load_dataset, save_dataset
from molfun.data.example_structures import example_structures
from molfun.data.folds import refold
from molfun.data.guess import guess_columns
from molfun.data.proteins import STRUCTURE
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.structure_store import ARRAYS, ROW_COLUMNS, STORE
from molfun.data.structure_tables import join_values, read_structures
from molfun.errors import DataError
from molfun.types import Batch
from tests.data.odd_structures import helix, pdb

ALPHABET = MODELS["esmfold"].alphabet
FOLD = ColumnSettings(sequence=["sequence"], target=STRUCTURE, task="structure")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return example_structures()


def save(root: Path, frame: pd.DataFrame, columns: ColumnSettings = FOLD, **split: object) -> Dataset:
    return save_dataset(root, frame, columns, SplitSettings.parse(split), name="Structures")


def complexes(folder: Path, count: int = 12) -> pd.DataFrame:
    """Return complexes of a chain H, L and A with partners and a value."""
    for i in range(count):
        sequences = {"H": "MKTAYIAK" + "AG"[i % 2] * i, "L": "QRQISFVK", "A": "GSHMLEDPVD" + "L" * i}
        atoms = [atom for k, (chain, letters) in enumerate(sequences.items())
                 for atom in helix(letters, chain=chain, shift=12.0 * k)]  # fmt: skip
        (folder / f"c{i}.pdb").write_text(pdb(atoms))
    values = pd.DataFrame({"name": [f"c{i}" for i in range(count)], "partner_1": "A", "partner_2": "HL"})
    return join_values(read_structures(folder), values.assign(kd=np.arange(count, dtype=float)))


def test_structures_come_back_to_the_bit(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = load_dataset(tmp_path, save(tmp_path, frame).id)
    assert (data.task, data.classes, data.about["unseen_classes"]) == ("structure", (), [])
    assert data.frame["target"].tolist() == frame["name"].tolist()
    for row, protein in enumerate(frame[STRUCTURE]):
        (before,), (after,) = protein.chains, data.structure_of(row).chains
        assert (after.id, after.sequence, after.column) == (before.id, before.sequence, "sequence")
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    assert all(isinstance(array, np.memmap) for array in data.structures.arrays.values())
    assert {path.name for path in (data.folder / STORE).iterdir()} == {f"{name}.npy" for name in ARRAYS}


def test_the_id_follows_the_coordinates(tmp_path: Path, frame: pd.DataFrame) -> None:
    first, again = save(tmp_path, frame), save(tmp_path, frame)
    assert first.id == again.id
    moved = frame.copy()
    protein = moved[STRUCTURE][0]
    (chain,) = protein.chains
    changed = chain.positions.copy()
    changed[5, 1, 2] += 0.001
    moved.at[0, STRUCTURE] = type(protein)(protein.name, (type(chain)(**{**vars(chain), "positions": changed}),))
    assert save(tmp_path, moved).id != first.id


def spoil(path: Path, how: str) -> None:
    """Damage a file of arrays."""
    array = np.load(path)
    if how == "absent":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif how == "text":
        path.write_text("positions")
    elif how == "link":
        path.rename(path.with_suffix(".kept"))
        path.symlink_to(path.with_suffix(".kept"))
    elif how == "objects":
        path.unlink()
        np.save(path, np.array([{}] * len(array), dtype=object), allow_pickle=True)
    elif how == "shorter":
        np.save(path, array[:-1])
    else:
        np.save(path, array.astype(np.float64))


@pytest.mark.parametrize("how", ["absent", "cut", "text", "link", "objects", "shorter", "other type"])
def test_damaged_arrays_are_refused(tmp_path: Path, frame: pd.DataFrame, how: str) -> None:
    data = save(tmp_path, frame)
    spoil(data.folder / STORE / "positions.npy", how)
    with pytest.raises(DataError, match=r"cannot be read: structures/positions.npy .*save the dataset again"):
        load_dataset(tmp_path, data.id)


def test_changed_coordinates_are_found_when_they_are_read(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = save(tmp_path, frame)
    path = data.folder / STORE / "positions.npy"
    content = bytearray(path.read_bytes())
    content[-4 * 42 * 58 + 1] ^= 1
    path.write_bytes(content)
    read = load_dataset(tmp_path, data.id)
    assert read.structure_of(0).name == "1hvr_A"
    with pytest.raises(DataError, match="The structure '5pti' is damaged on disk; save the dataset again"):
        read.structure_of(len(frame) - 1)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("structure_first", 7, "places of structures are wrong"),
        ("structure_length", 10**9, "places of structures are wrong"),
        ("structure_chains", "[[1]]", "other chains than its sequences"),
        ("structure_chains", '[["A", 2, 129]]', "other chains than its sequences"),
        ("structure_chains", "[" * 10_000, "other chains than its sequences"),
        ("chain_1", "MKT", "other chains than its sequences"),
    ],
)
def test_rows_that_contradict_the_arrays_are_refused(
    tmp_path: Path, frame: pd.DataFrame, column: str, value: object, says: str
) -> None:
    data = save(tmp_path, frame)
    rows = pd.read_parquet(data.folder / "rows.parquet")
    rows.loc[0, column] = value
    rows.to_parquet(data.folder / "rows.parquet", index=False)
    with pytest.raises(DataError, match=says):
        load_dataset(tmp_path, data.id)


def test_a_value_keeps_its_structure(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    table = complexes(tmp_path / "files")
    columns = guess_columns(table)
    assert (columns.sequence, columns.target, columns.task) == (["partner_1", "partner_2"], "kd", "regression")
    data = load_dataset(tmp_path, save(tmp_path, table, columns).id)
    protein = data.structure_of(3)
    assert [(chain.id, chain.column) for chain in protein.chains] == [
        ("A", "partner_1"), ("H", "partner_2"), ("L", "partner_2"),
    ]  # fmt: skip
    assert protein.sequence_of("partner_2") == data.frame["chain_2"][3] == table["partner_2"][3]
    batch = next(
        iter(make_loader(data, "train", encoder=ALPHABET, max_residues=99, batch_size=4, shuffle=False, seed=0))
    )
    assert batch.structures is None
    assert batch.targets.tolist() == data.part("train")["target"][:4].tolist()


@pytest.mark.parametrize(
    ("split", "shares"),
    [
        ({"kind": "identity", "max_identity": 0.3}, True),
        ({"kind": "time", "column": "date", "val_fraction": 0.2, "test_fraction": 0.2}, False),
    ],
)
def test_structures_are_divided_by_identity_and_by_date(
    tmp_path: Path, frame: pd.DataFrame, split: dict[str, object], shares: bool
) -> None:
    dated = frame if shares else frame[frame["date"] != ""].reset_index(drop=True)
    data = save(tmp_path, dated, **split)
    assert min(data.counts.values()) >= 1
    if shares:
        assert data.counts["train"] >= 8
    else:
        test = dated["date"][data.part("test").index]
        assert test.min() > dated["date"][data.part("train").index].max()
        assert "1osm" in data.part("test")["target"].tolist()


def test_folds_of_structures_keep_them(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = save(tmp_path, frame)
    folds = refold(tmp_path, data, 3)
    assert sorted(row for fold in folds for row in fold.part("test").index) == list(range(len(frame)))
    for fold in folds:
        np.testing.assert_array_equal(
            fold.structure_of(4).chains[0].positions, data.structure_of(4).chains[0].positions
        )


def loader(data: Dataset, part: str = "train", **more: object) -> object:
    options = {"max_residues": 500, "batch_size": 4, "shuffle": True, "seed": 0} | more
    return make_loader(data, part, encoder=ALPHABET, **options)  # type: ignore[arg-type]


def agree(batch: Batch, data: Dataset) -> None:
    """Hold that tokens and structures of a batch are of the same residues, and of the rows that it names."""
    structures = batch.structures
    assert structures is not None
    for i, row in enumerate(batch.row_ids.tolist()):
        protein = data.structure_of(row)
        numbers = protein.model_numbers()
        count = int((structures.chain_BR[i] >= 0).sum())
        assert count == sum(int(chain.residues_BL[i].sum()) for chain in batch.chains)
        # Where each residue of the batch stands in the whole structure, by its column and number.
        whole = {key: k for k, key in enumerate(zip(protein.chain_numbers().tolist(), numbers.tolist(), strict=True))}
        keys = zip(structures.chain_BR[i, :count].tolist(), structures.number_BR[i, :count].tolist(), strict=True)
        places = [whole[key] for key in keys]
        assert places == sorted(places)
        letters = "".join(chain.sequence for chain in protein.chains)
        kept = "".join(letters[place] for place in places)
        assert structures.aatype_BR[i, :count].tolist() == residue_numbers(kept).tolist()
        tokens = [t for chain in batch.chains for t in chain.tokens_BL[i][chain.residues_BL[i]].tolist()]
        assert tokens == ALPHABET.encode(kept)[slice(*ALPHABET.residue_span(len(ALPHABET.encode(kept))))]
        positions = np.concatenate([chain.positions for chain in protein.chains])[places]
        np.testing.assert_array_equal(structures.positions_BRA3[i, :count].numpy(), positions)
        assert not structures.mask_BRA[i, count:].any()
        assert structures.aatype_BR[i, count:].eq(20).all()


def test_batches_have_the_structures_of_their_rows(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = save(tmp_path, frame)
    for batch in loader(data):
        agree(batch, data)
        assert batch.targets is None
        assert batch.target_mask.tolist() == [True] * batch.size
        assert batch.structures.shape == (batch.size,)
    assert next(iter(loader(data, predict=True))).structures is None


def test_crops_are_of_tokens_and_structure_alike_and_anew_each_epoch(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    table = complexes(tmp_path / "files")
    data = save(tmp_path, table, guess_columns(table).model_copy(update={"target": STRUCTURE, "task": "structure"}))
    cropped, again = loader(data, crop_size=16), loader(data, crop_size=16)
    epochs = []
    for _ in range(3):
        batches = list(cropped)
        for batch in batches:
            agree(batch, data)
            assert all(int((row >= 0).sum()) == 16 for row in batch.structures.chain_BR)
        epochs.append({row: batch.structures.number_BR[i].tolist()
                       for batch in batches for i, row in enumerate(batch.row_ids.tolist())})  # fmt: skip
    assert epochs[0] != epochs[1] != epochs[2]
    again.sampler.set_epoch(2)
    resumed = {row: batch.structures.number_BR[i].tolist()
               for batch in again for i, row in enumerate(batch.row_ids.tolist())}  # fmt: skip
    assert resumed == epochs[2]
    assert heaviest_batch(cropped).structures.chain_BR.shape == (4, 16)


@pytest.mark.parametrize(("policy", "first"), [("crop", 0), ("window", 24)])
def test_long_structures_are_cut_as_their_sequences_are(
    tmp_path: Path, frame: pd.DataFrame, policy: str, first: int
) -> None:
    data = save(tmp_path, frame, FOLD.model_copy(update={"too_long": policy}))
    batches = [batch for part in ("train", "val", "test") for batch in loader(data, part, max_residues=50)]
    for batch in batches:
        agree(batch, data)
    batch = next(batch for batch in batches if 0 in batch.row_ids.tolist())
    assert batch.structures.number_BR[batch.row_ids.tolist().index(0)].tolist() == list(range(first + 1, first + 51))


def test_a_row_of_which_no_c_alpha_is_known_does_not_count(tmp_path: Path, frame: pd.DataFrame) -> None:
    changed = frame.copy()
    protein = changed[STRUCTURE][2]
    (chain,) = protein.chains
    nothing = type(chain)(**{**vars(chain), "mask": np.zeros_like(chain.mask), "positions": 0 * chain.positions})
    changed.at[2, STRUCTURE] = type(protein)(protein.name, (nothing,))
    data = save(tmp_path, changed)
    masks = {row: bool(mask) for part in ("train", "val", "test") for batch in loader(data, part)
             for row, mask in zip(batch.row_ids.tolist(), batch.target_mask, strict=True)}  # fmt: skip
    assert [row for row, counts in masks.items() if not counts] == [2]
    found = check_table(changed, FOLD, letters=ALPHABET.letters, max_residues=500)
    assert [problem.message for problem in found] == [
        "Row 4, structure '1lpb': 0 of 85 residues are resolved; the others take no part in loss and metrics."
    ]


def test_checks_of_structures(frame: pd.DataFrame) -> None:
    def find(table: pd.DataFrame, columns: ColumnSettings = FOLD) -> list[str]:
        found = check_table(table, columns, letters=ALPHABET.letters, max_residues=500)
        return [f"{problem.severity}: {problem.message}" for problem in found]

    assert find(frame) == []
    other = frame.copy()
    other.at[1, "sequence"] = other["sequence"][1][:-1]
    other.at[2, "sequence"] = "W" + other["sequence"][2][1:]
    other.attrs["skipped"] = [("bad.cif", "bad.cif is empty (0 bytes); expected a PDB or mmCIF file.")]
    keep = "leave the sequences of structures as they were read."
    assert find(other) == [
        f"error: Row 3, column 'sequence': the sequence has 88 residues, its structure 89; {keep}",
        f"error: Row 4, column 'sequence': position 1 is 'W', in its structure 'G'; {keep}",
        "warning: bad.cif is empty (0 bytes); expected a PDB or mmCIF file. The file is left out.",
    ]
    # A mutant's value may go with the structure of its wild type.
    values = frame.assign(y=np.arange(len(frame), dtype=float), sequence=["W" + text[1:] for text in frame["sequence"]])
    assert find(values, ColumnSettings(sequence=["sequence"], target="y")) == []
    assert find(frame, FOLD.model_copy(update={"target": "name"}))[0].startswith(
        "error: The target of the task structure is the column 'structure', found 'name'"
    )
    with pytest.raises(DataError, match="Row 3, column 'sequence': the sequence has 88 residues, its structure 89"):
        save(Path("unused"), other)


def test_rows_without_structures_have_none(tmp_path: Path) -> None:
    table = pd.DataFrame({"seq": ["ACDEF", "GHIKL", "MNPQR", "STVWY"] * 3, "y": np.arange(12.0)})
    data = save(tmp_path, table, ColumnSettings(sequence=["seq"], target="y"))
    assert data.structures is None
    assert not set(ROW_COLUMNS) & set(data.frame)
    assert not (data.folder / STORE).exists()
    with pytest.raises(DataError, match="has no structures; save it from structure files"):
        data.structure_of(0)


def test_a_column_of_secondary_structure_is_a_column_like_any_other(tmp_path: Path) -> None:
    sequences = ["ACDEFGHIKL", "MNPQRSTVWY", "ACDEFMNPQR", "GHIKLSTVWY"] * 3
    table = pd.DataFrame({"seq": sequences, STRUCTURE: ["HHHHHEEECC", "CCHHHEEEHH"] * 6, "y": np.arange(12.0)})
    assert guess_columns(table).task == "per_residue"
    for columns in (ColumnSettings(sequence=["seq"], target="y"), guess_columns(table)):
        problems = check_table(table, columns, letters=ALPHABET.letters, max_residues=500)
        assert all(problem.severity == "warning" for problem in problems)
        assert save(tmp_path, table, columns).structures is None
    with pytest.raises(DataError, match="The target of the task structure is the column 'structure' of structures"):
        save(tmp_path, table, ColumnSettings(sequence=["seq"], target=STRUCTURE, task="structure"))


def test_structures_may_not_vanish_from_a_dataset_of_them(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = save(tmp_path, frame)
    shutil.rmtree(data.folder / STORE)
    with pytest.raises(DataError, match=r"structures/positions.npy is absent"):
        load_dataset(tmp_path, data.id)
    rows = pd.read_parquet(data.folder / "rows.parquet").drop(columns=list(ROW_COLUMNS))
    rows.to_parquet(data.folder / "rows.parquet", index=False)
    with pytest.raises(DataError, match="columns are missing"):
        load_dataset(tmp_path, data.id)


def test_global_random_numbers_are_not_touched_by_crops(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = save(tmp_path, frame)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(loader(data, crop_size=30))
    assert torch.equal(torch.get_rng_state(), before)

"""The built-in examples: what they ask, whose data they are, how they are split, what to say beside their results.

`example_tables` reads their rows; docs/examples.md says what was checked against which source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molfun.data.dataset import Dataset, save_dataset
from molfun.data.example_proteins import AAANALYSIS, SCLDATA, disorder_table, localisation_table
from molfun.data.example_structures import example_structures
from molfun.data.example_tables import ANARCI, MAVENN, amyloid_table, gb1_table, v_gene_table
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.errors import DataError, nearest

ANTIBODIES_ONLY = (
    "AntiBERTy knows antibody variable domains only; these are none, so expect no help from its pretraining."
)


@dataclass(frozen=True)
class Example:
    """A built-in example as a person chooses it.

    Attributes:
        package: Requirement whose installed files hold the data, e.g. "mavenn==1.1.4".
        columns: Columns and task.
        split: How it is divided.
        notes: Sentences that belong beside every result on these data.
        suits: Names of the models that were trained on such proteins.
        read: Reads the table; called with the seed.
    """

    name: str
    title: str
    summary: str
    package: str
    citation: str
    licence: str
    columns: ColumnSettings
    split: SplitSettings
    notes: tuple[str, ...]
    suits: tuple[str, ...]
    read: Callable[[int], pd.DataFrame]

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.columns.task


def load_example(name: str, seed: int = 0) -> pd.DataFrame:
    """Read a built-in example.

    Args:
        name: One of EXAMPLES.
        seed: Chooses which rows are taken where the example is a sample (v_genes, amyloid_beta, localisation).

    Returns:
        Rows with index 0..n-1, as `read_table` gives them; `attrs["notes"]` says what was left out.

    Example:
        >>> load_example("gb1_stability").columns.tolist()
        ['sequence', 'mutation', 'ddg']

    Raises:
        DataError: No example has that name, or its package is not installed.
    """
    return find_example(name).read(seed)


def save_example(root: Path, name: str, seed: int = 0) -> Dataset:
    """Save a built-in example as a dataset.

    Args:
        root: Folder of all datasets.
        name: One of EXAMPLES.
        seed: Seed of the sample and of the split.

    Raises:
        DataError: No example has that name, or its package is not installed.
    """
    example, frame = find_example(name), load_example(name, seed)
    about = {**about_example(example, frame), "seed": seed}
    split = example.split.model_copy(update={"seed": seed})
    return save_dataset(root, frame, example.columns, split, name=example.title, about=about)


def about_example(example: Example, frame: pd.DataFrame) -> dict[str, Any]:
    """Return what is kept with a dataset made of an example's table: source, citation, licence, notes."""
    return {
        "example": example.name,
        "source": f"files of the installed package {example.package}",
        "summary": example.summary,
        "citation": example.citation,
        "licence": example.licence,
        "notes": [*example.notes, *frame.attrs.get("notes", [])],
        "suits": list(example.suits),
    }


def find_example(name: str) -> Example:
    """Return the example of that name.

    Raises:
        DataError: There is none; the nearest known one is given.
    """
    if name not in EXAMPLES:
        raise DataError(
            f"No example is named {name!r}{nearest(name, EXAMPLES) or '; known are: ' + ', '.join(EXAMPLES) + '.'}"
        )
    return EXAMPLES[name]


EXAMPLES: dict[str, Example] = {
    example.name: example
    for example in (
        Example(
            name="v_genes",
            title="Antibody V genes to species",
            summary="Which species (human, mouse, rhesus) does a germline antibody V gene come from?",
            package=ANARCI,
            citation="IMGT; ANARCI: Dunbar, Deane 2016, Bioinformatics 32:298, doi:10.1093/bioinformatics/btv552",
            licence=(
                "ANARCI: BSD-3-Clause. The sequences are IMGT's: CC BY-NC-ND 4.0 for academic and non-profit use, "
                "others need an agreement with CNRS. They are read from the installed package, not redistributed"
            ),
            columns=ColumnSettings(sequence=["sequence"], target="species", task="classification"),
            split=SplitSettings(kind="column", column="split"),
            notes=(
                "Validation and test hold V subgroups that training never saw.",
                "AntiBERTy was pretrained on antibody repertoires of these species: easy and in-distribution for it.",
                "Most test rows are mouse, so accuracy flatters; judge by balanced accuracy (chance 0.33).",
                "A probe on AntiBERTy wins clearly here; the same network with random weights stays near composition.",
            ),
            suits=("antiberty",),
            read=v_gene_table,
        ),
        Example(
            name="gb1_stability",
            title="GB1 stability",
            summary="How much does one substitution destabilise the B1 domain of protein G (ddG, kcal/mol)?",
            package=MAVENN,
            citation="Nisthal, Wang, Ary, Mayo 2019, PNAS 116:16367, doi:10.1073/pnas.1903888116",
            licence="MAVE-NN, whose copy is read: MIT",
            columns=ColumnSettings(sequence=["sequence"], target="ddg", task="regression"),
            split=SplitSettings(val_fraction=0.1, test_fraction=0.2),
            notes=(
                "Positive ddG means destabilising: MAVE-NN flipped the paper's sign, and left out values of 4.",
                ANTIBODIES_ONLY,
                "Ridge regression on one-hot residues is hard to beat here: Spearman about 0.5.",
                "Random rows share positions between training and test; unseen positions are much harder.",
            ),
            suits=(),
            read=gb1_table,
        ),
        Example(
            name="amyloid_beta",
            title="Amyloid-beta nucleation",
            summary="How fast do variants of the peptide Abeta42 nucleate amyloid fibrils (nucleation score)?",
            package=MAVENN,
            citation="Seuma, Faure, Badia, Lehner, Bolognesi 2021, eLife 10:e63364, doi:10.7554/eLife.63364",
            licence="MAVE-NN, whose copy is read: MIT",
            columns=ColumnSettings(sequence=["sequence"], target="nucleation", task="regression"),
            split=SplitSettings(kind="column", column="split"),
            notes=(
                ANTIBODIES_ONLY,
                "Ridge regression on one-hot residues is as good as a probe on AntiBERTy here; so are random weights.",
                "The split is MAVE-NN's, variants at random: training and test share mutations.",
            ),
            suits=(),
            read=amyloid_table,
        ),
        Example(
            name="localisation",
            title="Localisation in the cell",
            summary="Where in a eukaryotic cell is a protein: cytoplasm, membrane, mitochondrion, nucleus, or outside?",
            package=SCLDATA,
            citation="UniProt Consortium 2023, Nucleic Acids Research 51:D523, doi:10.1093/nar/gkac1052",
            licence="p-scldata, whose copy is read: MIT. The annotations are UniProt's: CC BY 4.0",
            columns=ColumnSettings(sequence=["sequence"], target="location", task="classification"),
            split=SplitSettings(kind="identity", max_identity=0.5, val_fraction=0.15, test_fraction=0.25),
            notes=(
                ANTIBODIES_ONLY,
                "No test protein shares more than half of its residues with a training protein.",
                "Composition alone goes a long way: a fine-tuned model has to beat it, and its own random weights.",
                "Signals of transport lie at the ends of a protein, so crop no sequence of yours without a thought.",
            ),
            suits=(),
            read=localisation_table,
        ),
        Example(
            name="disorder",
            title="Disordered residues",
            summary="Which residues of a protein have no fixed structure? One class for every residue.",
            package=AAANALYSIS,
            citation="Tang, Pang, Liu 2020, Bioinformatics 36:5177, doi:10.1093/bioinformatics/btaa667",
            licence="aaanalysis, whose copy is read: BSD-3-Clause",
            columns=ColumnSettings(sequence=["sequence"], target="disorder", task="per_residue"),
            split=SplitSettings(kind="identity", max_identity=0.4, val_fraction=0.15, test_fraction=0.25),
            notes=(
                ANTIBODIES_ONLY,
                "No test protein shares more than 40 % of its residues with a training protein.",
                "Residues of one protein are alike: count proteins, not residues. Intervals draw whole proteins.",
                "Most of what is missing in a crystal counts as disordered here, tags and signal peptides too.",
            ),
            suits=(),
            read=disorder_table,
        ),
        Example(
            name="small_proteins",
            title="Structures of small proteins",
            summary="Where do the atoms of eleven small proteins lie? For models that predict structures.",
            package="molfun",
            citation="wwPDB consortium 2019, Nucleic Acids Research 47:D520, doi:10.1093/nar/gky949",
            licence="Files of the Protein Data Bank: CC0 1.0, free of copyright",
            columns=ColumnSettings(sequence=["sequence"], target="structure", task="structure"),
            split=SplitSettings(val_fraction=0.2, test_fraction=0.2),
            notes=(
                "Eleven structures show how such runs work, and nothing else: no model learns to fold from them.",
                "ESMFold learned from the Protein Data Bank, these entries too: its scores here are no test of it.",
                "The two test structures are too few for intervals.",
            ),
            suits=("esmfold",),
            read=lambda seed: example_structures(),
        ),
    )
}

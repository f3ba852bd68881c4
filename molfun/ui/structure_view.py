"""A predicted structure beside the measured one, residue by residue: what the viewer and the tracks draw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import biotite.structure as bs
import numpy as np
from numpy.typing import NDArray

from molfun.data.folded import CHAIN_IDS, CONTACT_ANGSTROM, FoldedProtein
from molfun.data.proteins import C_ALPHA, Protein
from molfun.errors import DataError
from molfun.structure_metrics import residue_errors, residue_lddt
from molfun.superposition import MIN_POINTS, superpose

Floats = NDArray[np.float64]
C_BETA = 4  # glycine has none, and is stood for by C-alpha
LOOSE_ANGSTROM = 4.5  # C-alpha atoms of bound residues are 3.8 apart (2.9 before a cis proline)


@dataclass(frozen=True, eq=False)
class StructureView:
    """R residues of all chains, one chain behind the other; NaN where nothing was measured.

    Attributes:
        letters: One letter a residue.
        labels: Chain and number of each residue as people write them, e.g. "A 27".
        chain: Number of the chain of each residue, int64 [R].
        starts: bool [R], True at the first residue of each chain.
        predicted: C-alpha atoms where the model puts them, moved onto the measured ones, float64 [R, 3].
        measured: float64 [R, 3].
        measured_starts: bool [R], True also behind a gap in the measured chain.
        plddt: float64 [R], 0 to 1.
        lddt: Of each residue, float64 [R], 0 to 1.
        errors: Distance after the superposition of least squares, float64 [R] in angstrom.
        contacts: Predicted probability that two residues touch, float [R, R].
        measured_contacts: bool [R, R]; None without a measured structure.
    """

    letters: str
    labels: tuple[str, ...]
    chain: NDArray[np.int64]
    starts: NDArray[np.bool_]
    predicted: Floats
    measured: Floats
    measured_starts: NDArray[np.bool_]
    plddt: Floats
    lddt: Floats
    errors: Floats
    contacts: NDArray[np.floating]
    measured_contacts: NDArray[np.bool_] | None

    def __len__(self) -> int:
        """Return the number of residues."""
        return len(self.letters)

    @property
    def digest(self) -> str:
        """Differs for structures that look different."""
        arrays = (self.predicted, self.measured, self.plddt, self.starts)
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays) + self.letters.encode()).hexdigest()[:16]

    @property
    def is_compared(self) -> bool:
        """Whether there is anything to be right or wrong about."""
        return bool(np.isfinite(self.errors).any())

    @property
    def chain_names(self) -> list[str]:
        """Name of each chain, by its number."""
        return [self.labels[place].rpartition(" ")[0] for place in np.flatnonzero(self.starts)]

    def kinds(self, alphas: Floats) -> NDArray[np.str_]:
        """Return the secondary structure that C-alpha atoms [R, 3] are in, str [R]: "a", "b", or "c" for the rest.

        By P-SEA (Labesse et al. 1997, Comput. Appl. Biosci. 13:291), as biotite has it.
        """
        known = np.isfinite(alphas).all(axis=1)
        kinds = np.full(len(self), "c")
        if known.sum() < MIN_POINTS + 2:
            return kinds
        atoms = bs.AtomArray(int(known.sum()))
        atoms.coord = alphas[known].astype(np.float32)
        atoms.atom_name, atoms.res_name = np.full(len(atoms), "CA"), np.full(len(atoms), "ALA")
        # A number is left out between chains, so that nothing goes on from one to the next.
        atoms.res_id = (np.arange(len(self)) + 1 + 2 * self.chain)[known]
        kinds[known] = bs.annotate_sse(atoms)
        return kinds


def view_structure(folded: FoldedProtein, protein: Protein | None = None) -> StructureView:
    """Return a prediction, held against a measured structure where there is one.

    Raises:
        DataError: The two are not of the same sequence.
    """
    if protein is None:
        return _alone(folded)
    letters, expected = "".join(folded.sequences), "".join(chain.sequence for chain in protein.chains)
    if letters != expected:
        raise DataError(
            f"The predicted structure has other residues ({len(letters):,}) than the measured one of {protein.name!r} "
            f"({len(expected):,}); the model saw a cut of it, or the files are of another run."
        )
    positions = np.concatenate([chain.positions for chain in protein.chains]).astype(np.float64)
    mask = np.concatenate([chain.mask for chain in protein.chains])
    known = mask[:, C_ALPHA]
    measured = np.where(known[:, None], positions[:, C_ALPHA], np.nan)
    moved, lddt, errors = _compared(folded.positions[:, C_ALPHA].astype(np.float64), measured, known)
    sizes = [len(chain) for chain in protein.chains]
    starts = _starts(sizes)
    places = np.concatenate([chain.places for chain in protein.chains])
    gaps = (np.diff(places, prepend=0) != 1) | _loose(measured)
    labels = [f"{chain.id} {number}{code}" for chain in protein.chains
              for number, code in zip(chain.numbers, chain.insertions, strict=True)]  # fmt: skip
    return StructureView(
        letters=letters, labels=tuple(labels), chain=np.repeat(np.arange(len(sizes)), sizes), starts=starts,
        predicted=moved, measured=measured, measured_starts=starts | gaps,
        plddt=folded.plddt.astype(np.float64), lddt=lddt, errors=errors, contacts=folded.contacts,
        measured_contacts=_contacts(positions, mask),
    )  # fmt: skip


def _alone(folded: FoldedProtein) -> StructureView:
    sizes = [len(chain) for chain in folded.sequences]
    starts = _starts(sizes)
    labels = [f"{CHAIN_IDS[i % len(CHAIN_IDS)]} {place + 1}" for i, size in enumerate(sizes) for place in range(size)]
    unknown = np.full(len(folded), np.nan)
    return StructureView(
        letters="".join(folded.sequences), labels=tuple(labels), chain=folded.chain_numbers, starts=starts,
        predicted=folded.positions[:, C_ALPHA].astype(np.float64), measured=np.full((len(folded), 3), np.nan),
        measured_starts=starts, plddt=folded.plddt.astype(np.float64), lddt=unknown, errors=unknown,
        contacts=folded.contacts, measured_contacts=None,
    )  # fmt: skip


def _starts(sizes: list[int]) -> NDArray[np.bool_]:
    starts = np.zeros(sum(sizes), dtype=bool)
    starts[np.cumsum([0, *sizes[:-1]])] = True
    return starts


def _loose(alphas: Floats) -> NDArray[np.bool_]:
    """Return where a C-alpha atom is too far from the one before it to be bound to it, bool [R]."""
    apart = np.linalg.norm(np.diff(alphas, axis=0, prepend=alphas[:1]), axis=1)
    loose: NDArray[np.bool_] = apart > LOOSE_ANGSTROM
    return loose


def _compared(predicted: Floats, measured: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the prediction moved onto what was measured, and lDDT and error of each residue."""
    lddt, errors = np.full(len(known), np.nan), np.full(len(known), np.nan)
    if known.sum() < MIN_POINTS or not np.isfinite(predicted).all():
        return predicted, lddt, errors
    own, target = predicted[known], measured[known]
    lddt[known], errors[known] = residue_lddt(own, target), residue_errors(own, target)
    return superpose(own, target).apply(predicted), lddt, errors


def _contacts(positions: Floats, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which residues touch: C-beta atoms (else C-alpha) nearer than 8 angstrom, bool [R, R]."""
    points = np.where(mask[:, [C_BETA]], positions[:, C_BETA], positions[:, C_ALPHA])
    known = mask[:, C_BETA] | mask[:, C_ALPHA]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    touching: NDArray[np.bool_] = (apart < CONTACT_ANGSTROM) & known[:, None] & known[None]
    return touching

"""Where the variable domains of antibodies lie in a sequence: their frameworks and CDRs, as IMGT defines them.

immunum (MIT), an extra, aligns a sequence with the germline genes, without network or any other program. CDRs are
positions 27-38, 56-65 and 105-117 of IMGT's unique numbering.

Source: Lefranc et al. 2003, Dev. Comp. Immunol. 27:55.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple

from molfun.errors import DataError

INSTALL = 'pip install "molfun[antibody]"'
CHAINS = {"H": "H", "K": "L", "L": "L"}  # heavy, kappa, lambda, and how regions of them are called
LOOKED_AT = 20
# IMGT's conserved residues: cysteine 23, tryptophan 41, cysteine 104, and the motif at 118 to 121 behind CDR 3.
DOMAIN = re.compile(r"C.{7,20}W.{40,80}C.{2,40}[FW]G.G")


class Region(NamedTuple):
    """A stretch of a variable domain.

    Attributes:
        name: "FR-H1", "CDR-H1", ..., "FR-L4".
        first: Index of its first residue, from 0.
        last: Index of its last residue, itself inside.
    """

    name: str
    first: int
    last: int

    @property
    def is_cdr(self) -> bool:
        """True for the loops that bind."""
        return self.name.startswith("CDR")


def can_number() -> bool:
    """Tell whether immunum is installed."""
    return find_spec("immunum") is not None


@lru_cache(maxsize=256)
def find_regions(sequence: str) -> tuple[Region, ...] | None:
    """Return the regions of all variable domains of a sequence, None where it has none.

    Args:
        sequence: Residues, upper case; what stands around the domains (leader, linker, constant domains) is no region.

    Example:
        >>> find_regions("MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE") is None
        True

    Raises:
        DataError: immunum is not installed.
    """
    try:
        from immunum import Annotator  # noqa: PLC0415  an extra
    except ImportError:
        raise DataError(f"CDRs are found by immunum, which is not installed; install it with {INSTALL}.") from None
    annotator = Annotator(chains=list(CHAINS), scheme="imgt")
    domains = annotator.number_domains(sequence)
    chains = [domain.chain for domain in domains if domain.chain is not None]
    if len(chains) < len(domains):
        return None
    found, place = [], 0
    for chain, domain in zip(chains, annotator.segment_domains(sequence), strict=True):
        for part, residues in domain.as_dict().items():
            residues = residues or ""
            if residues and part not in ("prefix", "postfix"):
                name = f"{part[:-1].upper()}-{CHAINS[chain]}{part[-1]}"
                found.append(Region(name, place, place + len(residues) - 1))
            place += len(residues)
    return tuple(found)


def region_at(regions: Sequence[Region], place: int) -> str:
    """Return the name of the region that an index from 0 lies in, "" where it lies in none."""
    return next((region.name for region in regions if region.first <= place <= region.last), "")


def looks_like_antibodies(sequences: Iterable[str]) -> bool:
    """Tell, without immunum, whether most of the first sequences have the conserved residues of a variable domain."""
    looked_at = [sequence for sequence, _ in zip(sequences, range(LOOKED_AT), strict=False)]
    return 2 * sum(DOMAIN.search(sequence) is not None for sequence in looked_at) > len(looked_at)

"""CDRs after IMGT, held against published ones; proteins that are no antibodies have none."""

from __future__ import annotations

import sys

import pytest

from molfun.data import numbering
from molfun.data.numbering import find_regions, looks_like_antibodies, region_at
from molfun.data.scan_tables import region_positions
from molfun.errors import DataError
from tests.data.test_mutations import WILD_TYPE

# Trastuzumab (PDB 1N8Z, Cho et al. 2003, Nature 421:756); its CDRs after IMGT are those of IMGT/mAb-DB.
HEAVY = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
    "SRWGGDGFYAMDYWGQGTLVTVSS"
)
LIGHT = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK"
LINKER = "GGGGSGGGGSGGGGS"
CONSTANT = "ASTKGPSVFPLAPSSKSTSGGTAALGCLVKDYFPEPVTVSWNSGALTSGVHTFPAVLQSS"
CDRS = {
    HEAVY: {"CDR-H1": "GFNIKDTY", "CDR-H2": "IYPTNGYT", "CDR-H3": "SRWGGDGFYAMDY"},
    LIGHT: {"CDR-L1": "QDVNTA", "CDR-L2": "SAS", "CDR-L3": "QQHYTTPPT"},
}  # fmt: skip
# Beta-2-microglobulin (P61769) has an immunoglobulin fold, and is no variable domain.
OTHERS = {
    "GB1": WILD_TYPE,
    "b2m": "IQRTPKIQVYSRHPAENGKSNFLNCYVSGFHPSDIEVDLLKNGERIEKVEHSDLSFSKDWSFYLLYYTEFTPTEKDEYACRVNHVTLSQPKIVKWDRDM",
    "short": "MKTAYIAKQR",
    "one letter": "A" * 120,
    "empty": "",
}  # fmt: skip


def cdrs(sequence: str) -> dict[str, str]:
    """Return the CDRs of a sequence by name."""
    return {region.name: sequence[region.first : region.last + 1]
            for region in find_regions(sequence) or () if region.is_cdr}  # fmt: skip


@pytest.mark.parametrize("sequence", [HEAVY, LIGHT], ids=["heavy", "light"])
def test_cdrs_of_trastuzumab_are_the_published_ones(sequence: str) -> None:
    assert cdrs(sequence) == CDRS[sequence]
    regions = find_regions(sequence)
    assert regions is not None
    assert [region.first for region in regions[1:]] == [region.last + 1 for region in regions[:-1]]
    assert (regions[0].first, regions[-1].last) == (0, len(sequence) - 1)


def test_leader_linker_and_constant_domain_are_no_regions() -> None:
    sequence = "MKHLWFFLLLVAAPRWVLS" + HEAVY + LINKER + LIGHT + CONSTANT
    assert cdrs(sequence) == {**CDRS[HEAVY], **CDRS[LIGHT]}
    regions = find_regions(sequence)
    assert regions is not None
    assert region_at(regions, 0) == ""
    assert region_at(regions, 19) == "FR-H1"
    assert region_at(regions, 19 + len(HEAVY)) == ""
    assert len(region_positions(regions, first_number=24)) == sum(map(len, cdrs(sequence).values()))
    assert min(region_positions(regions, first_number=24)) == 24 + 19 + HEAVY.index("GFNIKDTY")


@pytest.mark.parametrize("name", list(OTHERS))
def test_other_proteins_have_no_regions(name: str) -> None:
    assert find_regions(OTHERS[name]) is None


def test_antibodies_are_recognised_without_the_library() -> None:
    assert looks_like_antibodies([HEAVY, LIGHT, WILD_TYPE])
    assert not looks_like_antibodies([HEAVY, WILD_TYPE, OTHERS["b2m"]])
    assert not looks_like_antibodies([])


def test_a_missing_library_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_regions.cache_clear()
    monkeypatch.setitem(sys.modules, "immunum", None)
    with pytest.raises(DataError, match=r'install it with pip install "molfun\[antibody\]"'):
        find_regions(HEAVY)
    monkeypatch.setattr(numbering, "find_spec", lambda name: None)
    assert not numbering.can_number()

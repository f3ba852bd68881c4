"""The picture of a scan: symmetric scale, wild type marked, hover with the value itself, CDRs, mean effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.effects import Effects, single_effects
from molfun.data.numbering import Region
from molfun.data.scan import RESIDUES, scan_rows
from molfun.ui.scan_chart import MANY, reach_of, scan_figure

REGIONS = (Region("FR-H1", 0, 1), Region("CDR-H1", 2, 3), Region("FR-H2", 4, 4))


def effects_of(wild_type: str, **asked: object) -> Effects:
    """Return effects that are all different, the wild type at 1."""
    rows = scan_rows(wild_type, **asked)  # type: ignore[arg-type]
    rows["prediction"] = np.linspace(1.0, 4.0, len(rows))
    return single_effects(rows, wild_type, first_number=int(asked.get("first_number", 1)))  # type: ignore[call-overload]


def test_scale_is_symmetric_and_the_wild_type_is_marked() -> None:
    effects = effects_of("MKT", first_number=24)
    figure = scan_figure(effects, what="ddg", reach=reach_of(effects.grid), first_number=24)
    heat, marks, _ = figure.data
    assert (heat.zmin, heat.zmid, heat.zmax) == (-3.0, 0, 3.0)
    assert list(heat.x) == [24, 25, 26]
    assert list(heat.y) == list(RESIDUES)
    assert np.allclose(np.array(heat.customdata), effects.grid.to_numpy() + 1.0)
    assert heat.text[RESIDUES.index("G")][0] == "M24G"
    assert heat.text[RESIDUES.index("M")][0] == "M24, wild type"
    assert list(zip(marks.x, marks.y, strict=True)) == [(24, "M"), (25, "K"), (26, "T")]
    assert figure.layout.title.text == "Effect of every substitution on ddg"
    assert heat.colorbar.title.text == "change in ddg"


def test_a_scan_without_any_effect_can_be_drawn() -> None:
    effects = single_effects(scan_rows("M").assign(prediction=2.0), "M")
    assert reach_of(effects.grid, pd.Series(dtype=float)) == 1.0
    heat = scan_figure(effects, what="y", reach=1.0).data[0]
    assert (heat.zmin, heat.zmax) == (-1.0, 1.0)


def test_what_was_not_predicted_is_grey_and_says_so() -> None:
    effects = effects_of("MKT")
    effects.grid.loc["A", 2] = np.nan
    missing, heat, *_ = scan_figure(effects, what="y", reach=3.0).data
    assert np.isfinite(np.array(missing.z, dtype=float)).sum() == 1
    assert np.isnan(np.array(heat.z, dtype=float)).sum() == 1
    assert missing.z[RESIDUES.index("A")][1] == 0
    assert "no prediction" in missing.hovertemplate


def test_pointing_at_a_cell_tells_region_and_measured_value() -> None:
    figure = scan_figure(
        effects_of("MKTAY", first_number=10), what="y", reach=3.0, regions=REGIONS, first_number=10,
        notes={"T12G": "measured 1.5 (test row)"},
    )  # fmt: skip
    words = figure.data[0].text
    assert words[RESIDUES.index("G")][2] == "T12G<br>CDR-H1<br>measured 1.5 (test row)"
    assert words[RESIDUES.index("T")][2] == "T12, wild type<br>CDR-H1"
    assert words[RESIDUES.index("G")][4] == "Y14G<br>FR-H2"


@pytest.mark.parametrize(("positions", "ends"), [(None, (11.5, 13.5)), ([10, 13, 14], (0.5, 1.5)), ([10], None)])
def test_cdrs_are_marked_where_their_columns_are(positions: list[int] | None, ends: tuple[float, float] | None) -> None:
    effects = effects_of("MKTAY", first_number=10, positions=positions)
    figure = scan_figure(effects, what="y", reach=3.0, regions=REGIONS, first_number=10)
    assert [note.text for note in figure.layout.annotations] == (["CDR-H1"] if ends else [])
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == ({ends} if ends else set())
    assert figure.layout.xaxis.type == ("category" if positions and len(positions) > 1 else "linear")


def test_the_mean_stands_beneath_and_what_training_never_changed_is_hatched() -> None:
    effects = effects_of("MKT")
    bars = scan_figure(effects, what="y", reach=3.0, changed={1, 3}).data[-1]
    others = [[residue for residue in RESIDUES if residue != wild] for wild in "MKT"]
    expected = [effects.grid.loc[rest, number].mean() for number, rest in enumerate(others, start=1)]
    assert bars.y == pytest.approx(expected)
    assert list(bars.marker.pattern.shape) == ["", "/", ""]
    assert bars.text[1] == "K2, which no training row has changed"
    unknown = scan_figure(effects, what="y", reach=3.0).data[-1]
    assert set(unknown.marker.pattern.shape) == {""}


@pytest.mark.parametrize(("length", "gap"), [(MANY, 1), (MANY + 1, 0), (500, 0)])
def test_cells_of_long_proteins_touch(length: int, gap: int) -> None:
    heat = scan_figure(effects_of("A" * length), what="y", reach=3.0).data[0]
    assert heat.xgap == gap
    assert np.array(heat.z).shape == (20, length)


def test_names_of_targets_are_no_markup() -> None:
    figure = scan_figure(effects_of("M"), what="<a href='x'>k</a>\nd", reach=1.0)
    assert "<" not in figure.layout.title.text
    assert "<" not in figure.data[0].colorbar.title.text


def test_the_scale_is_shared_by_all_that_is_given() -> None:
    grid = pd.DataFrame([[0.5, np.nan], [-2.0, 1.0]])
    assert reach_of(grid) == 2.0
    assert reach_of(grid, pd.Series([np.inf, -3.0])) == 3.0

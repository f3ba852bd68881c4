"""Pictures of pairs: one pair of positions, and the overview of all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.effects import pair_effects, single_effects, strongest_pairs
from molfun.data.scan import RESIDUES, scan_rows
from molfun.ui.pair_chart import overview_figure, pair_figure


@pytest.fixture
def rows() -> pd.DataFrame:
    """Return a scan with pairs at three positions, the wild type at 5."""
    rows = scan_rows("MKTA", first_number=10, doubles=[10, 12, 13])
    values = np.random.default_rng(2).normal(size=len(rows))
    values[0] = 5.0
    return rows.assign(prediction=values)


@pytest.mark.parametrize("by", ["change", "epistasis"])
def test_a_pair_of_positions_is_drawn_with_both_values(rows: pd.DataFrame, by: str) -> None:
    effects, pairs = single_effects(rows, "MKTA", first_number=10), pair_effects(rows)
    figure = pair_figure(pairs, effects, 10, 12, what="kd", by=by, reach=4.0)
    heat, mark = figure.data
    row = pairs[pairs["mutation"] == "M10G:T12W"].iloc[0]
    place = (RESIDUES.index("G"), RESIDUES.index("W"))
    assert np.array(heat.z)[place] == pytest.approx(row[by])
    said = heat.text[place[0]][place[1]]
    assert said == (
        f"M10G:T12W<br>{row['value']:.7g}, change {row['change']:+.7g}<br>epistasis {row['epistasis']:+.7g}"
    )
    assert heat.text[RESIDUES.index("M")][place[1]].startswith("T12W<br>")
    assert heat.text[RESIDUES.index("M")][RESIDUES.index("T")] == "wild type<br>5, change +0"
    assert (mark.x, mark.y) == (("T",), ("M",))
    assert (heat.zmin, heat.zmax, heat.colorbar.title.text) == (-4.0, 4.0, f"{by} in kd")
    assert figure.layout.title.text == "M10 and T12 together"


@pytest.mark.parametrize("by", ["highest", "lowest", "epistasis"])
def test_the_overview_has_a_mark_for_each_two_positions(rows: pd.DataFrame, by: str) -> None:
    strongest = strongest_pairs(pair_effects(rows), by)
    marks = overview_figure(strongest, by, what="kd", reach=3.0).data[0]
    assert list(zip(marks.y, marks.x, strict=True)) == [("10", "12"), ("10", "13"), ("12", "13")]
    assert list(marks.text) == strongest["mutation"].tolist()
    assert np.array(marks.marker.color) == pytest.approx(
        strongest["epistasis" if by == "epistasis" else "change"].to_numpy()
    )
    assert marks.customdata[1][:2].tolist() == [10, 13]
    assert (marks.marker.cmin, marks.marker.cmax) == (-3.0, 3.0)

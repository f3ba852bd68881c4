"""The picture of a scan: symmetric scale, wild type marked, hover with the value itself."""

from __future__ import annotations

import numpy as np

from molfun.data.scan import RESIDUES, scan_grid, scan_rows
from molfun.ui.scan_chart import scan_figure


def test_scale_is_symmetric_and_the_wild_type_is_marked() -> None:
    rows = scan_rows("MKT", first_number=24)
    rows["prediction"] = np.linspace(1.0, 4.0, len(rows))
    grid, own = scan_grid(rows, "MKT", first_number=24)
    figure = scan_figure(grid, "MKT", own, what="ddg")
    heat, marks = figure.data
    assert (heat.zmin, heat.zmid, heat.zmax) == (-3.0, 0, 3.0)
    assert list(heat.x) == [24, 25, 26]
    assert list(heat.y) == list(RESIDUES)
    assert np.allclose(np.array(heat.customdata), grid.to_numpy() + 1.0)
    assert heat.text[RESIDUES.index("G")][0] == "M24G"
    assert heat.text[RESIDUES.index("M")][0] == "M24, wild type"
    assert list(zip(marks.x, marks.y, strict=True)) == [(24, "M"), (25, "K"), (26, "T")]
    assert figure.layout.title.text == "Effect of every substitution on ddg"


def test_a_scan_without_any_effect_can_be_drawn() -> None:
    rows = scan_rows("M").assign(prediction=2.0)
    figure = scan_figure(*(scan_grid(rows, "M")[0], "M", 2.0), what="y")
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-1.0, 1.0)

from __future__ import annotations

import pandas as pd

from molfun.ui import distributions

ROWS = pd.DataFrame({"target": ["a", "a", "b", "b", "b"], "split": ["train", "test", "train", "val", "val"]})


def test_split_table_counts_each_class_in_each_part() -> None:
    table = distributions.split_table(ROWS, by_class=True)
    assert table.loc["b"].to_dict() == {"Training": 1, "Validation": 2, "Test": 0}
    assert table.loc["All"].to_dict() == {"Training": 2, "Validation": 2, "Test": 1}


def test_split_table_without_classes_is_one_row() -> None:
    assert distributions.split_table(ROWS, by_class=False).to_numpy().tolist() == [[2, 2, 1]]


def test_class_figure_stacks_parts() -> None:
    figure = distributions.class_figure(ROWS)
    assert {bar.name: sum(bar.x) for bar in figure.data} == {"Training": 2, "Validation": 2, "Test": 1}


def test_length_figure_has_every_row_and_the_limit_where_it_is_near() -> None:
    near = distributions.length_figure(pd.Series([480, 500, 505]), limit=510)
    assert sum(near.data[0].y) == 3
    assert len(near.layout.shapes) == 1
    far = distributions.length_figure(pd.Series([100, 110]), limit=510)
    assert len(far.layout.shapes) == 0


def test_length_figure_of_one_length_has_an_axis_of_whole_numbers() -> None:
    figure = distributions.length_figure(pd.Series([55, 55, 55]))
    assert figure.layout.xaxis.range == (49, 61)
    assert figure.layout.xaxis.dtick == 2


def test_target_figure_ignores_what_is_no_number() -> None:
    rows = pd.DataFrame({"target": ["1.5", "x", 3.0, None], "split": ["train", "train", "test", "val"]})
    assert sum(sum(bar.y) for bar in distributions.target_figure(rows).data) == 2


def test_what_is_said_of_a_bar_has_all_of_its_powers_of_ten() -> None:
    rows = pd.DataFrame({"target": [1e-10 * i for i in range(1, 26)], "split": "train"})  # affinities in mol/l
    first, *_, last = distributions.target_figure(rows).data[0].hovertext
    assert first == "1e-10 to 5.8e-10: 5"
    assert last == "2.02e-09 to 2.5e-09: 5"
    lengths = distributions.length_figure(pd.Series([100, 2000] * 20)).data[0].hovertext
    assert (lengths[0], lengths[-1]) == ("100 to 147.5: 20", "1,952.5 to 2,000: 20")


def test_chain_lengths_take_the_longest_chain() -> None:
    frame = pd.DataFrame({"heavy": ["ACDE", "AC"], "light": ["A", " ACD "]})
    assert distributions.chain_lengths(frame, ["heavy", "light"]).tolist() == [4, 3]


def test_a_row_without_a_sequence_has_no_residues() -> None:
    lengths = distributions.chain_lengths(pd.DataFrame({"sequence": ["ACDE", None]}), ["sequence"])
    assert lengths.tolist() == [4, 0]
    distributions.length_figure(lengths)


def test_residues_of_each_class_are_counted_without_those_that_have_no_label() -> None:
    rows = pd.DataFrame({"target": ["HH?C", ["C", "C"]], "split": ["train", "test"]})
    flat = distributions.residue_rows(rows)
    assert flat.value_counts().to_dict() == {("H", "train"): 2, ("C", "train"): 1, ("C", "test"): 2}
    figure = distributions.class_figure(flat, what="Residues")
    assert figure.layout.title.text == "Residues of each class"

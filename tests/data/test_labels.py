"""Cells to numbers, class names and residue labels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molfun.data.labels import class_names, encode_residues, number, residue_labels


@pytest.mark.parametrize(("cell", "value"), [("1e-3", 0.001), (2, 2.0), ("high", None), (np.float32(0.5), 0.5)])
def test_number_reads_cells(cell, value):
    assert number(cell) == value


def test_number_of_nothing_is_nan():
    assert math.isnan(number(None))


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("HHC?", ["H", "H", "C", "?"]),
        ("0 1 1", ["0", "1", "1"]),
        ("[0, 1, 1]", ["0", "1", "1"]),
        ("['helix', 'coil']", ["helix", "coil"]),
        ([1.0, None, 0], ["1", "?", "0"]),
        (np.array([2, 0]), ["2", "0"]),
        ("", None),
        (None, None),
        (3.5, None),
    ],
)
def test_residue_labels_reads_every_notation(cell, labels):
    assert residue_labels(cell) == labels


def test_class_names_are_in_order_of_size_and_alphabet():
    assert class_names([10, 2.0, "2", None, "b", "a", "?"]) == ("2", "10", "a", "b")


def test_encode_residues_marks_residues_without_label():
    assert encode_residues("HC?", ("C", "H")) == [1, 0, -1]

"""A prediction beside the measured structure: superposed, scored residue by residue, drawn in space, track and map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from molfun.data.example_structures import COMPLEX, example_protein
from molfun.data.folded import FoldedProtein
from molfun.data.proteins import C_ALPHA, Protein
from molfun.errors import DataError
from molfun.ui.structure_figures import COLORINGS, contact_figure, track_figure, viewer_figure
from molfun.ui.structure_tube import build_tube
from molfun.ui.structure_view import StructureView, view_structure
from tests.folded_runs import predict


@pytest.fixture(scope="module")
def protein() -> Protein:
    return example_protein("5pti")


def without_residues(protein: Protein, places: range) -> Protein:
    """Return a structure of which no atom of some residues was resolved."""
    (chain,) = protein.chains
    mask = chain.mask.copy()
    mask[list(places)] = False
    return replace(protein, chains=(replace(chain, mask=mask),))


def test_a_structure_that_was_only_turned_is_right_everywhere(protein: Protein) -> None:
    view = view_structure(predict(protein, spread=0.0), protein)
    assert np.allclose(view.predicted, protein.chains[0].positions[:, C_ALPHA], atol=1e-3)
    assert np.allclose(view.errors, 0.0, atol=1e-3)
    assert np.allclose(view.lddt, 1.0)
    assert view.labels[0] == "A 1"
    assert view.chain_names == ["A"]


def test_residues_that_were_not_measured_are_gaps(protein: Protein) -> None:
    view = view_structure(predict(protein), without_residues(protein, range(20, 25)))
    assert np.isnan(view.errors[20:25]).all()
    assert np.isfinite(np.delete(view.errors, range(20, 25))).all()
    tube = build_tube(view.measured, view.measured_starts, view.kinds(view.measured))
    assert not set(range(20, 25)) & set(tube.vertex_residue.tolist())
    errors = next(line for line in track_figure(view).data if line.name == "Å off")
    assert np.isnan(errors.y[20:25]).all()
    assert not errors.connectgaps
    assert view.measured_contacts is not None
    assert not view.measured_contacts[20:25].any()


def test_another_sequence_is_refused(protein: Protein) -> None:
    with pytest.raises(DataError, match=r"has other residues \(58\) than the measured one of '2xcj' \(84\)"):
        view_structure(predict(protein), example_protein("2xcj"))


def test_helices_and_strands_are_found_and_the_rest_is_coil(protein: Protein) -> None:
    view = view_structure(predict(protein, spread=0.0), protein)
    kinds = view.kinds(view.measured)
    assert set(kinds) == {"a", "b", "c"}
    assert (kinds[47:55] == "a").sum() >= 6  # the helix at the end of BPTI, residues 48 to 55


def test_chains_of_a_complex_are_apart() -> None:
    dimer = example_protein(COMPLEX)
    view = view_structure(predict(dimer), dimer)
    assert view.chain_names == ["A", "B"]
    assert np.flatnonzero(view.starts).tolist() == [0, 99]
    names = [trace.name for trace in viewer_figure(view, "chain").data]
    assert names == ["Measured", "Chain A", "Chain B"]


@pytest.mark.parametrize("corner", ["straight", "bent", "helix"])
def test_a_tube_is_closed_and_its_faces_look_outward(corner: str) -> None:
    turn = np.arange(12.0)
    points = {
        "straight": np.stack([3.8 * turn, 0 * turn, 0 * turn], axis=1),
        "bent": np.stack([3.8 * turn, 2 * np.sin(turn), np.cos(2 * turn)], axis=1),
        "helix": np.stack([2.3 * np.cos(1.745 * turn), 2.3 * np.sin(1.745 * turn), 1.5 * turn], axis=1),
    }[corner]
    tube = build_tube(points, np.r_[True, np.zeros(11, dtype=bool)], np.full(12, "c"))
    edges = {frozenset(pair) for a, b, c in tube.triangles.tolist() for pair in ((a, b), (b, c), (c, a))}
    assert len(tube.vertices) - len(edges) + len(tube.triangles) == 2  # Euler: one closed surface
    a, b, c = tube.vertices[tube.triangles].transpose(1, 0, 2).astype(float)
    assert (a * np.cross(b, c)).sum() / 6 > 0  # volume, negative where faces look inward
    assert set(tube.vertex_residue.tolist()) == set(range(12))


def test_a_single_residue_and_none_are_no_error() -> None:
    alone = build_tube(np.zeros((1, 3)), np.array([True]), np.array(["c"]))
    assert len(alone.triangles) > 0
    nothing = build_tube(np.full((3, 3), np.nan), np.array([True, False, False]), np.array(["c"] * 3))
    assert nothing.vertices.shape == (0, 3)


def test_the_colours_of_plddt_are_those_of_alphafold(protein: Protein) -> None:
    view = view_structure(predict(protein), protein)
    traces = {trace.name: trace for trace in viewer_figure(view, "plddt").data}
    assert traces["pLDDT above 90"].color == "#0053d6"
    assert traces["pLDDT below 50"].color == "#ff7d45"
    shown = [words for name, trace in traces.items() if name.startswith("pLDDT below") for words in trace.text]
    assert all(float(words.split("pLDDT ")[1].split(",")[0]) <= 50 for words in shown)


def test_errors_are_coloured_and_what_was_not_measured_has_a_colour_of_its_own(protein: Protein) -> None:
    view = view_structure(predict(protein), without_residues(protein, range(5)))
    traces = {trace.name: trace for trace in viewer_figure(view, "error").data}
    assert set(traces) == {"Measured", "Predicted", "Not measured"}
    assert np.isfinite(traces["Predicted"].intensity).all()


def test_the_map_has_predictions_above_the_diagonal_and_measured_contacts_below(protein: Protein) -> None:
    view = view_structure(predict(protein), protein)
    predicted, measured = contact_figure(view).data
    assert not np.tril(predicted.z).any()
    assert (np.asarray(measured.y) > np.asarray(measured.x)).all()
    assert view.measured_contacts is not None
    assert len(measured.x) == np.tril(view.measured_contacts, k=-1).sum()


@pytest.mark.parametrize("coloring", [name for name in COLORINGS if name != "error"])
def test_a_prediction_alone_is_drawn(protein: Protein, coloring: str) -> None:
    view = view_structure(predict(protein))
    assert not view.is_compared
    assert [line.name for line in track_figure(view).data] == ["pLDDT, expected"]
    assert len(contact_figure(view).data) == 1
    assert "Measured" not in [trace.name for trace in viewer_figure(view, coloring).data]


def test_what_is_not_finite_is_left_out_without_an_error(protein: Protein) -> None:
    folded = predict(protein)
    broken = FoldedProtein(
        folded.sequences, np.full_like(folded.positions, np.nan), np.full_like(folded.plddt, np.nan),
        np.full_like(folded.contacts, np.inf),
    )  # fmt: skip
    view = view_structure(broken, protein)
    assert [trace.name for trace in viewer_figure(view).data] == ["Measured"]
    assert all(isinstance(figure, go.Figure) for figure in (track_figure(view), contact_figure(view)))


def test_long_proteins_send_no_more_than_two_megabytes() -> None:
    size = 600
    steps = np.random.default_rng(0).normal(size=(size, 3))
    alphas = np.cumsum(3.8 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0)
    positions = np.repeat(alphas[:, None], 14, axis=1).astype(np.float32)
    folded = FoldedProtein(("A" * size,), positions, np.full(size, 0.8, np.float32), np.zeros((size, size), np.float16))
    view: StructureView = view_structure(folded)
    assert len(viewer_figure(view).to_json()) < 2_000_000
    assert len(contact_figure(view).to_json()) < 1_000_000

"""The backbone of a protein as a mesh: a smooth tube through C-alpha atoms, flat in helices and strands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Floats = NDArray[np.float64]

COIL_ANGSTROM, THICK_ANGSTROM = 0.45, 0.35  # half of the width, and half of the thickness
WIDE_ANGSTROM = {"a": 1.3, "b": 1.1}  # half of the width of helices and strands
STUB_ANGSTROM = 0.6  # half of the length of a residue without neighbours
MANY_RESIDUES = 250  # longer proteins get coarser meshes, so that a page sends less than about 2 MB


@dataclass(frozen=True)
class Tube:
    """A mesh.

    Attributes:
        vertices: float32 [V, 3], in angstrom.
        triangles: int32 [T, 3], places of their corners.
        vertex_residue: int64 [V], place of the residue that a vertex belongs to.
        triangle_residue: int64 [T], the same of a triangle.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    vertex_residue: NDArray[np.int64]
    triangle_residue: NDArray[np.int64]

    def only(self, residues: NDArray[np.bool_]) -> Tube:
        """Return the part of some residues, bool [R]."""
        is_kept = residues[self.triangle_residue]
        used, corners = np.unique(self.triangles[is_kept], return_inverse=True)
        owner, owner_of_triangle = self.vertex_residue[used], self.triangle_residue[is_kept]
        # Rings between two residues belong to both.
        beside = np.zeros_like(owner)
        beside[corners.reshape(-1)] = np.repeat(owner_of_triangle, 3)
        return Tube(
            self.vertices[used],
            corners.reshape(-1, 3).astype(np.int32),
            np.where(residues[owner], owner, beside),
            owner_of_triangle,
        )


def build_tube(alphas: Floats, starts: NDArray[np.bool_], kinds: NDArray[np.str_]) -> Tube:
    """Return the mesh of C-alpha atoms.

    Args:
        alphas: float [R, 3] in angstrom; NaN where an atom is not known.
        starts: bool [R], True where a residue is not bound to the one before it.
        kinds: str [R], secondary structure: "a" helix, "b" strand, anything else is coil.
    """
    steps, corners = (5, 8) if len(alphas) <= MANY_RESIDUES else (3, 6)
    known = np.asarray(np.isfinite(alphas).all(axis=1))
    breaks = starts | ~known | ~np.r_[False, known[:-1]]
    runs = np.split(np.arange(len(alphas)), np.flatnonzero(breaks))
    pieces = [run for run in runs if len(run) and known[run].all()]
    tubes = [_piece(alphas[run], kinds[run], run, steps, corners) for run in pieces]
    if not tubes:
        return Tube(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros(0, int), np.zeros(0, int))
    before = np.cumsum([0, *(len(tube.vertices) for tube in tubes)])
    return Tube(
        np.concatenate([tube.vertices for tube in tubes]),
        np.concatenate([tube.triangles + start for tube, start in zip(tubes, before[:-1], strict=True)]).astype("i4"),
        np.concatenate([tube.vertex_residue for tube in tubes]),
        np.concatenate([tube.triangle_residue for tube in tubes]),
    )


def _piece(alphas: Floats, kinds: NDArray[np.str_], residues: NDArray[np.int64], steps: int, corners: int) -> Tube:
    """Return the tube of residues that are bound to each other."""
    if len(alphas) == 1:
        stub = np.array([STUB_ANGSTROM, 0.0, 0.0])
        alphas, kinds, residues = np.stack([alphas[0] - stub, alphas[0] + stub]), kinds[[0, 0]], residues[[0, 0]]
    points, widths = _smoothed(alphas, kinds), np.array([WIDE_ANGSTROM.get(kind, COIL_ANGSTROM) for kind in kinds])
    at = np.linspace(0, len(points) - 1, (len(points) - 1) * steps + 1)
    curve = CubicSpline(np.arange(len(points)), points, bc_type="natural")
    along = _unit(curve(at, 1))
    across = _across(points, at, along)
    wide = np.interp(at, np.arange(len(points)), widths)[:, None, None]
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)[None, :, None]
    up = np.cross(along, across)[:, None]
    rings = curve(at)[:, None] + wide * np.cos(angle) * across[:, None] + THICK_ANGSTROM * np.sin(angle) * up
    owner = residues[np.rint(at).astype(int)]
    middle = residues[np.rint((at[:-1] + at[1:]) / 2).astype(int)]
    vertices, triangles, caps = _with_caps(rings, corners)
    ends = np.r_[owner[0], owner[-1]]
    return Tube(
        vertices.astype(np.float32), triangles, np.r_[np.repeat(owner, corners), ends],
        np.r_[np.repeat(middle, 2 * corners), np.repeat(ends, caps)],
    )  # fmt: skip


def _with_caps(rings: Floats, corners: int) -> tuple[Floats, NDArray[np.int32], int]:
    """Return vertices and triangles of rings [N, corners, 3], closed at both ends, and the triangles of an end."""
    num = len(rings)
    one = np.arange(corners)
    two = np.roll(one, -1)
    first = np.arange(num - 1)[:, None] * corners
    sides = np.stack([first + one, first + two, first + corners + one, first + corners + one, first + two,
                      first + corners + two], axis=-1).reshape(-1, 3)  # fmt: skip
    last, begin, end = (num - 1) * corners, num * corners, num * corners + 1
    caps = [np.stack([np.full(corners, begin), two, one], axis=-1),
            np.stack([np.full(corners, end), last + one, last + two], axis=-1)]  # fmt: skip
    vertices = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(axis=1)])
    return vertices, np.concatenate([sides, *caps]).astype(np.int32), corners


def _smoothed(alphas: Floats, kinds: NDArray[np.str_]) -> Floats:
    """Return C-alpha atoms with those of strands between their neighbours: the zigzag of a strand is no curve."""
    points = alphas.copy()
    inside = np.flatnonzero(kinds[1:-1] == "b") + 1
    points[inside] = (alphas[inside - 1] + 2 * alphas[inside] + alphas[inside + 1]) / 4
    return points


def _across(points: Floats, at: Floats, along: Floats) -> Floats:
    """Return the direction in which the tube is wide at each place, unit vectors [N, 3].

    It is the normal of the plane of three C-alpha atoms in a row, which follows the axis of a helix, turned so that it
    never flips from one residue to the next.
    """
    normals = np.zeros_like(points)
    if len(points) > 2:
        normals[1:-1] = np.cross(points[1:-1] - points[:-2], points[2:] - points[1:-1])
        normals[[0, -1]] = normals[[1, -2]]
    normals = _unit(normals)
    flips = np.where((normals[1:] * normals[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    normals = normals * np.cumprod(np.r_[1.0, flips])[:, None]
    places = np.arange(len(points))
    found = np.stack([np.interp(at, places, normals[:, axis]) for axis in range(3)], axis=-1)
    found -= (found * along).sum(axis=1, keepdims=True) * along
    is_lost = np.linalg.norm(found, axis=1) < 1e-3
    found[is_lost] = np.cross(along[is_lost], np.eye(3)[np.abs(along[is_lost]).argmin(axis=1)])
    return _unit(found)


def _unit(vectors: Floats) -> Floats:
    """Return vectors [N, 3] of length 1, those without a length as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return unit

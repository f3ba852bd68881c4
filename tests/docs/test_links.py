"""Links lead somewhere: files, headings within and across pages, lines of code, also from notebooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.links import ROOT, anchors_of, broken, slug, targets_in, text_of

NOTEBOOKS = sorted(path for path in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *NOTEBOOKS])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Exact resume, and where it ends", "exact-resume-and-where-it-ends"),
        ("v_genes: antibody V genes to species", "v_genes-antibody-v-genes-to-species"),
        ("`molfun fit`", "molfun-fit"),
        ("What it *does* – [here](x.md)", "what-it-does--here"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_headings_in_code_are_none() -> None:
    assert anchors_of("# One\n```sh\n# two\n```\n## Three\n## Three\n") == {"one"}


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other page\n")
    (tmp_path / "code.py").write_text("a = 1\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md#other-page) [b](#here) [c](other.md#gone) [d](gone.md) [e](#gone) [f](code.py#L1) "
        "[g](code.py#L7) [h](https://q.example/#x)\n```md\n[i](gone.md)\n```\n"
    )
    assert list(broken(page)) == [
        "other.md#gone: no such heading", "gone.md: no such file", "#gone: no such heading", "code.py#L7: no such line",
    ]  # fmt: skip


def test_links_of_notebooks_are_those_of_their_text(tmp_path: Path) -> None:
    notebook = tmp_path / "x.ipynb"
    notebook.write_text(
        '{"cells": [{"cell_type": "markdown", "source": ["# A\\n", "[b](b.md)"]},'
        ' {"cell_type": "code", "source": ["[c](c.md)"]}]}'
    )
    assert targets_in(text_of(notebook)) == ["b.md"]

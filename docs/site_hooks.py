"""What mkdocs does beside Markdown: pages from the repository's top and links that lead out of docs/. See mkdocs.yml.

The pages are written for the repository, where README.md lies beside docs/; on the site they lie beside each other.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"(?ms)^(```.*?^```[ ]*$)")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)(?P<title>\s+\"[^\"]*\")?\)")
SOURCE = re.compile(r'(<img[^>]*\bsrc=")([^"]+)(")')
# Pages of the repository's top, and examples and notebooks: where each lies on the site.
TOP = {
    name: f"{name.partition('.')[0].lower()}.md"
    for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
}
EXAMPLES = {f"examples/{path.name}": f"examples/{path.stem}.md" for path in sorted(ROOT.glob("examples/*.py"))}
NOTEBOOKS = {f"notebooks/{path.name}": f"notebooks/{path.name}" for path in sorted(ROOT.glob("notebooks/*.ipynb"))}
PLACES = {**TOP, **EXAMPLES, **NOTEBOOKS}
ORIGINS = {place: name for name, place in PLACES.items()}


def on_config(config: Any) -> Any:
    """Give headings the anchors of GitHub, so that a link holds in both places."""
    config.mdx_configs["toc"] = {"permalink": True, "slugify": slugify(case="lower")}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside docs/."""
    for name, place in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        # The tree of files is for those who have them.
        files.append(File.generated(config, place, content=re.sub(r"(?s)<details>.*?</details>\n?", "", text)))
    for name, place in EXAMPLES.items():
        code = (ROOT / name).read_text(encoding="utf-8")
        added = File.generated(config, place, content=f"# {Path(name).name}\n\n```python\n{code}```\n")
        added.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(added)
    for name, place in NOTEBOOKS.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead every link to where its target lies on the site; what is not there stays as plain text."""
    return with_links(markdown, page.file.src_uri)


def with_links(markdown: str, place: str) -> str:
    """Return a page of the site with its links led anew, fenced blocks as they are.

    Args:
        markdown: The page as it was written for the repository.
        place: Where it lies on the site.
    """
    led = leader(place)

    def link(match: re.Match[str]) -> str:
        target = led(match["target"])
        text = LINK.sub(link, match["text"])  # a picture that is a link
        return text if target is None else f"{match['image']}[{text}]({target}{match['title'] or ''})"

    def source(match: re.Match[str]) -> str:
        return f"{match[1]}{led(match[2]) or match[2]}{match[3]}"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else SOURCE.sub(source, LINK.sub(link, part)) for part in parts)


def leader(place: str) -> Callable[[str], str | None]:
    """Return a function from a link's target in the repository to that on the site, None where it is not there."""
    here = posixpath.dirname(ORIGINS.get(place, f"docs/{place}"))

    def led(target: str) -> str | None:
        name, mark, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", target):
            return target
        path = posixpath.normpath(posixpath.join(here, name))
        there = PLACES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not there or (path.startswith("docs/") and path.endswith(".py")):
            return None
        return posixpath.relpath(there, posixpath.dirname(place) or ".") + mark + anchor

    return led

"""Puts what the app consists of beside the package, `app.py`, `pages/` and `.streamlit/`, into every wheel.

They lie at the top of a checkout, where people look for them; a wheel has no such place, so it carries them in
`molfun/_app`. All else about the package is in `pyproject.toml`.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
TARGET = Path("molfun", "_app")


def scripts() -> list[Path]:
    """Return the files to carry, relative to the checkout."""
    return [Path("app.py"), Path(".streamlit", "config.toml"), *(Path("pages", p.name) for p in _pages())]


def _pages() -> list[Path]:
    return sorted((ROOT / "pages").glob("*.py"))


class BuildWithScripts(build_py):
    """Copies the scripts beside the modules; an editable install uses those of the checkout."""

    def run(self) -> None:
        """Build the modules, then add the scripts."""
        super().run()
        if not self.editable_mode:
            for script in scripts():
                self._copy(script)

    def _copy(self, script: Path) -> None:
        place = Path(self.build_lib) / TARGET / script
        self.mkpath(str(place.parent))
        self.copy_file(str(ROOT / script), str(place))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return every file that a build makes."""
        own = [] if self.editable_mode else [str(Path(self.build_lib) / TARGET / script) for script in scripts()]
        return [*super().get_outputs(include_bytecode), *own]

    def get_source_files(self) -> list[str]:
        """Return every file that a build reads: what a source distribution must hold."""
        return [*super().get_source_files(), *(str(script) for script in scripts())]


setup(cmdclass={"build_py": BuildWithScripts})

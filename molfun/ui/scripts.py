"""Where the app's scripts lie: at the top of a checkout, in `molfun/_app` of an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Filled by setup.py when a wheel is built; a checkout has no such folder.
INSTALLED = PACKAGE / "_app"


def is_installed() -> bool:
    """Tell whether this Molfun came as a package that carries its own copy of the scripts."""
    return INSTALLED.is_dir()


def app_folder() -> Path:
    """Return the folder that holds `app.py`, `pages/` and `.streamlit/config.toml`."""
    return INSTALLED if is_installed() else PACKAGE.parent

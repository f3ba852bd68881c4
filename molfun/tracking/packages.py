"""Optional packages: imported when they are needed, and named with their install line where they are absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from molfun.errors import ModelError

# What `pip install` takes to bring a module.
REQUIREMENTS = {
    "wandb": "'wandb>=0.31'",
    "mlflow": "'mlflow-skinny>=3.10'",
    "comet_ml": "'comet_ml>=3.58'",
    "langfuse": "'langfuse>=5.0'",
}


def import_package(name: str) -> Any:
    """Return an optional package.

    Raises:
        ModelError: It is not installed; the install line is given.
    """
    try:
        return import_module(name)
    except ImportError as error:
        if error.name != name:
            raise
        raise ModelError(missing(name)) from None


def missing(name: str) -> str:
    """Return that a package is absent, and how to install it."""
    return f"This tracker needs the package {name}, which is absent; install it with: pip install {REQUIREMENTS[name]}"

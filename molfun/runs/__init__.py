"""Runs as folders: spec, store, status of a process, requests to it, launchers. Only `worker` loads torch.

The package can be called: `molfun.runs()` returns all runs as a table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from molfun.lazy_names import lazy

if TYPE_CHECKING:
    import pandas as pd

_HOMES = {
    "RunFolder": "folder",
    "RunSpec": "spec",
    "RunStore": "store",
    "plan_run": "plan",
    "run_status": "status",
    "submit_run": "submit",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)


class _CallablePackage(ModuleType):
    # `molfun.runs()` is what people type, and whatever imports `molfun.runs.store` binds the name `molfun.runs` to this
    # package. A function beside it would be gone then, so that the package itself is what can be called.
    def __call__(self, *, home: str | Path | None = None) -> pd.DataFrame:
        from molfun.runs.history import overview  # noqa: PLC0415  a supervisor starts without pandas

        return overview(home=home)


sys.modules[__name__].__class__ = _CallablePackage

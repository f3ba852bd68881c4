"""What must not load torch does not, in fresh interpreters; what packages export is there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "peft", "wandb", "langfuse")
TORCH_FREE = (
    *("molfun", "molfun.errors", "molfun.settings", "molfun.home", "molfun.cli", "molfun.library", "molfun.terminal"),
    *("molfun.structure_metrics", "molfun.superposition"),
    *("molfun.data*", "molfun.tracking*", "molfun.runs*", "molfun.ui*"),
    *("molfun.adapters", "molfun.adapters.alphabet", "molfun.adapters.card", "molfun.adapters.catalog"),
    *("molfun.adapters.folding_models", "molfun.adapters.installed", "molfun.adapters.language_models"),
    *(
        "molfun.models",
        "molfun.models.settings",
        "molfun.losses",
        "molfun.losses.names",
        "molfun.evaluation",
        "molfun.evaluation.baselines",
        "molfun.evaluation.card",
        "molfun.evaluation.conformal",
        "molfun.evaluation.coverage",
        "molfun.evaluation.fold_intervals",
        "molfun.evaluation.names",
        "molfun.evaluation.scoreboard",
    ),
    *("molfun.training", "molfun.training.settings", "molfun.training.catalog", "molfun.training.defaults"),
    "molfun.training.curves",
)
MAY_LOAD_TORCH = (
    "molfun.data.batches",
    "molfun.runs.export_process",
    "molfun.runs.exporting",
    "molfun.runs.job_process",
    "molfun.runs.loading",
    "molfun.runs.predicting",
    "molfun.runs.scoring",
    "molfun.runs.worker",
)


def module_name(path: Path) -> str:
    """Return the dotted name of a file below the root."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = sorted(module_name(path) for path in ROOT.glob("molfun/**/*.py"))
LIGHT = [m for m in MODULES if any(fnmatch(m, pattern) for pattern in TORCH_FREE) and m not in MAY_LOAD_TORCH]
PACKAGES = sorted(module_name(path) for path in ROOT.glob("molfun/**/__init__.py"))


def test_light_modules_load_nothing_heavy(fresh_python: Callable[..., str]) -> None:
    """One interpreter, one module after another: the first that loads something heavy is named."""
    found = fresh_python(
        f"""
import importlib, json, sys
found = {{}}
for module in {LIGHT}:
    importlib.import_module(module)
    heavy = [name for name in {HEAVY} if name in sys.modules]
    if heavy:
        found[module] = heavy
        break
print(json.dumps(found))
"""
    )
    assert json.loads(found) == {}


def test_figures_and_evidence_load_no_streamlit(fresh_python: Callable[..., str]) -> None:
    """`molfun report` works without the app."""
    modules = [
        "molfun.ui.evidence_bundle", "molfun.ui.charts", "molfun.ui.compare_charts", "molfun.ui.compared_scores",
        "molfun.ui.scan_chart", "molfun.ui.score_figures", "molfun.ui.outcomes", "molfun.ui.parameter_charts",
    ]  # fmt: skip
    loads = f"[importlib.import_module(name) for name in {modules}]"
    code = f"import importlib, sys; {loads}; print('streamlit' in sys.modules)"
    assert fresh_python(code).strip() == "False"


def test_a_supervisor_starts_without_tables(fresh_python: Callable[..., str]) -> None:
    """Every run waits for its supervisor, and pandas would double that."""
    code = "import sys, molfun.runs.supervisor; print(sorted({'pandas', 'numpy'} & set(sys.modules)))"
    assert fresh_python(code).strip() == "[]"


def test_torch_free_list_covers_the_app_side() -> None:
    assert {"molfun.settings", "molfun.training.catalog", "molfun.adapters.catalog", "molfun.runs.spec"} <= set(LIGHT)


def test_import_molfun_is_quick(fresh_python: Callable[..., str]) -> None:
    """Typically 0.01 s; a second would mean that it loads a framework."""
    code = "import time; t = time.perf_counter(); import molfun; print(time.perf_counter() - t)"
    assert float(fresh_python(code)) < 1.0


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_what_is_exported(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    missing = [name for name in names if getattr(module, name, None) is None]
    assert missing == []


@pytest.mark.parametrize("package", [p for p in PACKAGES if "__getattr__" in vars(importlib.import_module(p))])
def test_lazy_packages_refuse_unknown_names(package: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(package).no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "molfun.training",
            ["LoRAFinetune", "HeadOnlyFinetune", "PartialFinetune", "FullFinetune", "EMA", "build_scheduler"],
        ),
        ("molfun.tracking.wandb", ["WandbTracker"]),
        ("molfun.models.structure", ["MolfunStructureModel"]),
    ],
)
def test_promised_import_lines_work(module: str, names: list[str]) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in names if not hasattr(loaded, name)] == []

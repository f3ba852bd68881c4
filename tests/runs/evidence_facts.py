"""Facts of a finished run as `collect` gives them, to be changed in one respect at a time."""

from __future__ import annotations

from typing import Any

from molfun.runs.spec import DataSource, RunSpec
from molfun.training.settings import FullSettings, HeadOnlySettings, LoRASettings, PartialSettings

STRATEGIES = {"head_only": HeadOnlySettings, "lora": LoRASettings, "partial": PartialSettings, "full": FullSettings}


def facts_of(kind: str = "head_only", *, task: str = "regression", **strategy: Any) -> dict[str, Any]:
    """Return facts of a run of a strategy with some of its settings."""
    spec = RunSpec(name="A run", data=DataSource(dataset="d-1"), strategy=STRATEGIES[kind](**strategy))
    leaks = {"sentence": "No test row is like one.", "test_rows": 20, "compared_rows": 20, "bands": {}, "copies": {}}
    metrics = {"spearman": {"value": 0.71, "low": 0.6, "high": 0.8, "better": "higher", "resamples": 2000}}
    average = "ema" if spec.strategy.ema_decay else "raw"
    return {
        "format": 1, "not_known": [],
        "run": {"id": "a-run", "title": "A run", "status": "finished", "cause": "", "is_over": True},
        "settings": spec.model_dump(mode="json"),
        "data": {
            "id": "d-1", "name": "Binders", "is_there": True, "is_unchanged": True, "sha256": "aa",
            "split_sha256": "bb",
            "rows": {"train": 70, "val": 10, "test": 20}, "longer": 0, "max_residues": 1022, "source": "",
            "licence": "", "citation": "Someone 2020", "notes": [], "unseen_classes": [], "task": task,
            "sequence": ["vh", "vl"], "target": "kd", "too_long": "refuse", "recipe": [], "leaks": leaks,
            "split": {"kind": "random", "val_fraction": 0.1, "test_fraction": 0.2, "seed": 3},
        },
        "model": {
            "name": "esm2_8m", "title": "ESM-2 8 M", "citation": "Lin et al. 2023", "weights": "pretrained",
            "start_from": "", "head": spec.model.head.model_dump(mode="json"), "total": 1000, "trainable": 10,
            "groups": [{"name": "head", "lr": 1e-3, "num_parameters": 10}], "parts": [],
        },
        "training": {
            "strategy": kind, "planned_epochs": 10, "asked_epochs": 10, "epochs": 10, "steps": 50, "total_steps": 50,
            "num_train": 70, "precision": "float32, as mixed precision is off", "ended_by_patience": False,
            "seconds": 9.0, "starts": 1, "resumes": [], "steered": [], "undone": 0, "alerts": [],
            "kept": {"epoch": 7, "weights": average, "checkpoint": "best", "monitor": "val_loss", "value": 0.5,
                     "is_chosen": True},
        },
        "scores": {
            "rows": 20, "primary": "spearman", "how": "", "metrics": metrics, "agrees": True,
            "best_baseline": "one_hot",
            "baselines": {"one_hot": {"metrics": {"spearman": 0.65}, "low": 0.5, "high": 0.75}},
            "ahead": {"value": 0.06, "low": -0.02, "high": 0.14, "num_rows": 20},
        },
        "checkpoints": {},
        "environment": {"packages": {"molfun": "0.1.0", "torch": "2.0"}, "device": "cpu", "num_processes": 1},
    }  # fmt: skip

"""What is asked when people want to know what would train: of a spec, or of a model alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import MODELS
from molfun.data.dataset import Dataset
from molfun.data.settings import ColumnSettings
from molfun.errors import SettingError
from molfun.runs.analysis import preview_parameters
from molfun.runs.plan import plan_run, read_target
from molfun.runs.spec import RunSpec
from molfun.training.defaults import recommended

NUM_ROWS = 1000  # for which rates are recommended where there are no data
STRATEGY = "lora"


@dataclass(frozen=True)
class Question:
    """A spec, and what `preview_parameters` has to know beside it.

    Attributes:
        spec: Model and strategy; its data may be nowhere where `about` tells of them.
        about: `task`, `num_outputs` and `num_chains`; empty where the spec's dataset tells them.
    """

    spec: RunSpec
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for questions that have the same answer."""
        values = self.spec.model_dump(mode="json", include={"data", "model", "strategy"})
        return json.dumps([values, dict(self.about)], sort_keys=True)

    def answer(self, home: Path) -> dict[str, Any]:
        """Return the answer of the analysis process.

        Raises:
            MolfunError: There is none; it says why.
        """
        return preview_parameters(home, self.spec.model_dump(mode="json"), **self.about)


def ask_of_model(
    name: str, *, strategy: str = "", changes: Mapping[str, Any] | None = None, task: str = "", num_classes: int = 2
) -> Question:
    """Return the question of a model alone, with the settings that are recommended for 1,000 rows.

    Args:
        name: Of the catalog.
        strategy: Kind; LoRA where it is empty.
        changes: Dotted settings that win over the recommended ones.
        task: regression (where it is empty), classification or per_residue.
        num_classes: Outputs of the head, where the task is not regression.

    Raises:
        SettingError: A name is unknown or a value outside its bounds.
    """
    # The task is checked where tasks are declared.
    task = ColumnSettings.parse({"task": task or "regression"}).task
    if num_classes < 2:
        raise SettingError(f"--classes is {num_classes}; expected 2 or more.")
    begin = recommended(strategy or STRATEGY, num_rows=NUM_ROWS, task=task, model=MODELS[name])
    spec = RunSpec.parse({"model": {"name": name}}).changed({**begin, **(changes or {})})
    num_outputs = 1 if task == "regression" else num_classes
    return Question(spec, {"task": task, "num_outputs": num_outputs, "num_chains": 1})


def read_question(
    home: Path,
    target: str,
    *,
    strategy: str = "",
    changes: Mapping[str, Any] | None = None,
    task: str = "",
    num_classes: int = 2,
) -> tuple[Question, Dataset | None]:
    """Return the question of whatever a person names: a model, a spec file, a table or an example, and its data.

    Raises:
        MolfunError: It is none of these, or its data or settings cannot be used.
    """
    if target in MODELS:
        question = ask_of_model(target, strategy=strategy, changes=changes, task=task, num_classes=num_classes)
        return question, None
    spec, dataset = plan_run(home, read_target(target, home), strategy=strategy, changes=changes)
    num_outputs = len(dataset.classes) or 1
    about = {"task": dataset.task, "num_outputs": num_outputs, "num_chains": dataset.num_chains}
    return Question(spec, about), dataset

"""From what a person typed (a spec, an example, a strategy, single settings) to a spec with nothing left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import find_model
from molfun.data.dataset import DATASET_ID, Dataset, load_dataset
from molfun.data.examples import EXAMPLES, find_example
from molfun.data.inputs import are_structures
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import SettingError, nearest, printable
from molfun.home import expanded
from molfun.runs.resolve import resolve_data, split_of_example, table_beside
from molfun.runs.spec import DataSource, RunSpec, flatten
from molfun.runs.submit import resolve_spec
from molfun.training.catalog import STRATEGIES
from molfun.training.defaults import recommended
from molfun.training.settings import StrategySettings
from molfun.yaml_files import load_mapping

SHOWN_CHARACTERS = 100
# Of the models that predict structures the one that starts at once on any machine.
STRUCTURE_MODEL = "esmfold_small"
# Settings that say how a table becomes a dataset: the saved one has them.
OF_TABLE = ("data.columns.", "data.split.")
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".fasta", ".fa", ".faa")


def read_target(target: str, home: Path | None = None) -> dict[str, Any]:
    """Return the plain values of a spec file; or those that name an example, a table or a saved dataset.

    Args:
        target: What a person named.
        home: The data folder, whose datasets are known by their ids; None knows none.

    Raises:
        SettingError: `target` is none of these, or the file is no YAML mapping.
    """
    path = expanded(target)
    if target in EXAMPLES:
        return {"data": {"example": target}}
    if path.suffix.lower() in TABLE_ENDINGS or (_exists(path) and are_structures(path)):
        return {"data": {"table": str(path.absolute())}}
    if not _exists(path):
        if home is not None and DATASET_ID.fullmatch(target) and (home / "datasets" / target).is_dir():
            return {"data": {"dataset": target}}
        hint = nearest(target, EXAMPLES) or f"; examples are {', '.join(EXAMPLES)}."
        shown = repr(printable(target, SHOWN_CHARACTERS))
        raise SettingError(f"Neither a spec file, an example nor a saved dataset is named {shown}{hint}")
    values = load_mapping(path)
    RunSpec.parse(values)
    return table_beside(values, path.parent.absolute())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL character
        return False


def plan_run(
    home: Path, values: Mapping[str, Any], *, strategy: str = "", changes: Mapping[str, Any] | None = None
) -> tuple[RunSpec, Dataset]:
    """Complete a spec: data saved, strategy chosen, settings that nobody gave taken from the recommendations.

    Args:
        home: The data folder.
        values: A spec as plain values (`read_target`).
        strategy: Kind that replaces the spec's own; empty keeps it.
        changes: Dotted settings that win over everything.

    Raises:
        MolfunError: Anything that forbids a start; nothing was created but, at most, the dataset.
    """
    changes = changes or {}
    spec, told = told_spec(values, strategy=strategy, changes=changes)
    refuse_other_table(home, spec.data, changes)
    spec = _with_model(spec, told)
    if not values.get("strategy"):
        spec = _recommend(home, spec, told=told)
    return resolve_spec(home, spec)


def told_spec(values: Mapping[str, Any], *, strategy: str = "", changes: Mapping[str, Any]) -> tuple[RunSpec, set[str]]:
    """Return a spec as it was told, and the dotted names of what was told; arguments as in `plan_run`.

    Raises:
        SettingError: A setting is unknown or outside its bounds.
    """
    told = set(_paths(values)) | set(changes)
    return _forget_untold(with_strategy(RunSpec.parse(values), strategy).changed(changes), told), told


def refuse_other_table(home: Path, source: DataSource, changes: Mapping[str, Any]) -> None:
    """Hold that nobody asks for other columns or another split than those that a dataset was saved with.

    Args:
        home: The data folder.
        source: Where the rows are.
        changes: Dotted settings that were asked for.

    Raises:
        DataError: There is no such dataset.
        SettingError: Somebody does.
    """
    asked = {path: value for path, value in changes.items() if path.startswith(OF_TABLE)}
    if not asked or not source.dataset:
        return
    dataset = load_dataset(home / "datasets", source.dataset)
    own = RunSpec(data=DataSource(dataset=dataset.id, columns=dataset.columns, split=dataset.split))
    saved = dict(flatten(own.model_dump(mode="json")))
    wanted = dict(flatten(own.changed(asked).model_dump(mode="json")))
    for path, value in asked.items():
        if wanted[path] != saved[path]:
            raise SettingError(
                f"The dataset {dataset.id} was saved with {path} = {saved[path]!r}, but {value!r} is asked for; "
                "a saved dataset is never changed. Start from its table or example, or save it anew on the page Data."
            )


def _with_model(spec: RunSpec, told: set[str]) -> RunSpec:
    """Return the spec with a model for its task where none was told, untrained where nobody ever trained it."""
    if "model.name" not in told and _wants_structures(spec.data):
        spec = spec.changed({"model.name": STRUCTURE_MODEL})
    is_untrained = "model.weights" not in told and not find_model(spec.model.name).weights
    return spec.changed({"model.weights": "random"}) if is_untrained else spec


def _wants_structures(source: DataSource) -> bool:
    if source.example:
        return find_example(source.example).task == "structure"
    return source.columns is not None and source.columns.task == "structure"


def _forget_untold(spec: RunSpec, told: set[str]) -> RunSpec:
    """Return the spec with only those settings of columns, and of an example's split, that were told.

    The others are guessed from the table, or are those of the example.
    """
    known: dict[str, Any] = {}
    if spec.data.columns is not None:
        columns = {name: value for name, value in spec.data.columns if f"data.columns.{name}" in told}
        known["columns"] = ColumnSettings.parse(columns)
    if spec.data.split is not None and spec.data.example:
        split = {name: value for name, value in spec.data.split if f"data.split.{name}" in told}
        known["split"] = split_of_example(spec.data.example, SplitSettings.parse(split))
    return spec.model_copy(update={"data": spec.data.model_copy(update=known)})


def _recommend(home: Path, spec: RunSpec, *, told: set[str]) -> RunSpec:
    """Return the spec with recommended settings wherever nothing was told."""
    card = find_model(spec.model.name)
    dataset = resolve_data(home, spec.data, card)
    chosen = recommended(spec.strategy.kind, num_rows=dataset.counts["train"], task=dataset.task, model=card)
    spec = spec.model_copy(update={"data": DataSource(dataset=dataset.id)})
    return spec.changed({path: value for path, value in chosen.items() if path not in told})


def with_strategy(spec: RunSpec, kind: str) -> RunSpec:
    """Return the spec with another strategy; shared settings that differ from their defaults are carried over.

    Raises:
        SettingError: No strategy has that name.
    """
    if not kind or kind == spec.strategy.kind:
        return spec
    if kind not in STRATEGIES:
        raise SettingError(
            f"No strategy is named {kind!r}{nearest(kind, STRATEGIES) or f'; known: {list(STRATEGIES)}.'}"
        )
    old = spec.strategy.model_dump()
    shared = {name: old[name] for name, field in StrategySettings.model_fields.items() if old[name] != field.default}
    return spec.model_copy(update={"strategy": STRATEGIES[kind].settings.parse(shared)})


def parse_changes(texts: list[str]) -> dict[str, str]:
    """Return {"training.epochs": "2"} of ["training.epochs=2"].

    Raises:
        SettingError: One has no '='.
    """
    changes = {}
    for text in texts:
        path, sign, value = text.partition("=")
        if not sign or not path.strip():
            raise SettingError(f"--set {text!r} is no setting; expected key=value, e.g. --set training.epochs=3.")
        changes[path.strip()] = value.strip()
    return changes


def _paths(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{name}.")

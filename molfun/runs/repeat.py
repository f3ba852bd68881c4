"""What it takes to train a run again from the same data to the same numbers, and what of it no settings can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset, load_dataset
from molfun.data.examples import EXAMPLES, load_example
from molfun.data.prepared import prepare_datasets
from molfun.errors import DataError, RunError
from molfun.home import data_home
from molfun.runs.evidence_training import read_course
from molfun.runs.folder import RunFolder
from molfun.runs.launchers.catalog import TITLES
from molfun.runs.spec import RunSpec, flatten
from molfun.runs.status import run_status
from molfun.tracking.reader import read_events
from molfun.training.defaults import recommended

# Told whatever they are, because a reader looks for them.
ALWAYS = ("model.name", "model.weights", "training.epochs", "training.seed")
# Where a run was computed and who was told of it: others have other places, and no number depends on them.
PLACES = ("launch.where", "launch.nodes", "launch.gpus", "launch.slurm.", "launch.ray.", "trackers", "tracking.")
NOT_TOLD = ("name", "data.", "strategy.kind", *PLACES)
ANY_ROWS = 1_000  # the number of rows changes what is recommended, not which settings are
PACKAGES = ("molfun", "torch")


@dataclass(frozen=True)
class Repeat:
    """A run to be trained again.

    Attributes:
        run_id: Of the run.
        title: What people call it.
        data: Name of an example or of a saved dataset.
        strategy: Kind.
        settings: By dotted name: those that differ from their defaults or that would be recommended.
        scores: Of the test rows, by metric; empty where there are none.
        made_on: Versions and device that computed it, in words; empty where they are not known.
        caveats: Sentences about what may or will differ.
    """

    run_id: str
    title: str
    data: str
    strategy: str
    settings: dict[str, Any]
    scores: dict[str, float]
    made_on: str
    caveats: tuple[str, ...]


def repeat_of(folder: RunFolder) -> Repeat:
    """Return what it takes to train a run again.

    Raises:
        RunError: It was trained elsewhere, so that nobody knows its settings.
        SettingError: Its settings cannot be read.
        ModelError: Its model is not known here.
    """
    if imported := folder.read_state().get("imported"):
        raise RunError(f"The run {folder.id} was imported from {imported}: it has curves, and no settings to repeat.")
    spec = folder.spec
    dataset = _dataset_of(folder, spec)
    data, divided = _source(spec, dataset)
    told = _told(spec) | {"training.epochs": folder.epochs}
    # The name of a dataset ends in the first digits of its hash.
    digest = str(dataset.about.get("sha256", "")) if dataset else spec.data.dataset.rpartition("-")[2]
    environment = folder.read_environment()
    return Repeat(
        run_id=folder.id, title=folder.title, data=data, strategy=spec.strategy.kind,
        settings={"name": folder.title, "data.sha256": digest, **divided, **told}, scores=_scores(folder),
        made_on=_made_on(environment),
        caveats=tuple(_of_data(folder, data, dataset) + _of_course(folder, spec) + _of_place(spec, environment)),
    )  # fmt: skip


def _dataset_of(folder: RunFolder, spec: RunSpec) -> Dataset | None:
    try:
        return load_dataset(folder.path.parents[1] / "datasets", spec.data.dataset)
    except DataError:
        return None


def _source(spec: RunSpec, dataset: Dataset | None) -> tuple[str, dict[str, Any]]:
    """Return the name of the data, and settings of their split: an example can be made anew wherever Molfun is."""
    found = _example_of(dataset) if dataset else None
    return found or (spec.data.dataset, {})


def _example_of(dataset: Dataset) -> tuple[str, dict[str, Any]] | None:
    name = dataset.about.get("example")
    if name not in EXAMPLES or dataset.about.get("recipe"):
        return None
    example, split = EXAMPLES[name], dataset.split.model_dump(mode="json")
    try:
        frame = load_example(name, dataset.split.seed)
        (made,) = prepare_datasets(frame, example.columns, {example.title: dataset.split})
    except DataError:
        return None
    if made.content["about"]["sha256"] != dataset.about.get("sha256"):
        return None
    usual = example.split.model_dump(mode="json")
    return name, {f"data.split.{key}": value for key, value in split.items() if value != usual[key]}


def _told(spec: RunSpec) -> dict[str, Any]:
    """Return the settings that a run needs to be told, so that nothing else than its own values is used."""
    card = find_model(spec.model.name)
    task = spec.data.columns.task if spec.data.columns else "regression"
    chosen = recommended(spec.strategy.kind, num_rows=ANY_ROWS, task=task, model=card)
    usual = dict(flatten(RunSpec.parse({"strategy": {"kind": spec.strategy.kind}}).model_dump(mode="json")))
    values = flatten(spec.model_copy(update={"data": RunSpec().data}).model_dump(mode="json"))
    told = {
        path: value
        for path, value in values
        if not path.startswith(NOT_TOLD) and (path in ALWAYS or path in chosen or value != usual[path])
    }
    return told | {"model.weights": _without_user(spec.model.weights)}


def _without_user(weights: str) -> str:
    """Return where weights lie, without the name of whose home that is."""
    path = Path(weights)
    if not path.is_absolute() or not path.is_relative_to(Path.home()):
        return weights
    return str(Path("~") / path.relative_to(Path.home()))


def _scores(folder: RunFolder) -> dict[str, float]:
    test = folder.read_scoreboard().get("test") or {}
    scores = (test.get("metrics") or {}).items()
    return {name: float(value) for name, value in scores if isinstance(value, int | float) and math.isfinite(value)}


def _made_on(environment: Mapping[str, Any]) -> str:
    packages = environment.get("packages")
    known = packages if isinstance(packages, Mapping) else {}
    parts = [f"{name} {known[name]}" for name in PACKAGES if known.get(name)]
    device = environment.get("device")
    cores = f" with {environment['num_cpus']} cores" if device == "cpu" and environment.get("num_cpus") else ""
    return ", ".join(parts) + (f" on {device}{cores}" if parts and isinstance(device, str) else "")


def _of_data(folder: RunFolder, data: str, dataset: Dataset | None) -> list[str]:
    if data in EXAMPLES:
        return []
    place = f"The data are the dataset {data} in MOLFUN_HOME/datasets; take its folder along to another machine."
    if folder.path.absolute().parents[1] != data_home():
        place += " The run lies in another data folder than the usual one: set MOLFUN_HOME to that first."
    return [place] if dataset else [place, "That folder is gone from here; the hash says whether another has the data."]


def _of_course(folder: RunFolder, spec: RunSpec) -> list[str]:
    """Return what happened to a run while it trained that its settings do not tell."""
    status, state, events = run_status(folder), folder.read_state(), read_events(folder.events_path)
    done, epochs = state.get("epoch") or 0, folder.epochs
    said = []
    if not status.is_over:
        said.append(f"The run had not ended when this file was written; the file trains all {epochs} epochs.")
    elif status.status != "finished":
        said.append(
            f"The run ended in epoch {min(done + 1, epochs)} of {epochs} ({status.status}); this file trains all of "
            "them: rows agree as far as it came, test scores need not."
        )
    steered: dict[str, int] = {}
    for act in read_course(events)["steered"]:
        steered.setdefault(act["action"], act["step"])  # the first one: from there on the numbers differ
    if "lr" in steered:
        said.append(
            f"Its learning rate was halved by hand after step {steered['lr']}, which no settings hold: from there on "
            "the numbers differ."
        )
    if "epochs" in steered or epochs != spec.training.epochs:
        said.append(
            f"It began with another number of epochs than the {epochs} it has now, and learning rates follow that "
            "number: until it was changed the numbers differ, and so do all behind them."
        )
    if resumed := [event.get("step") for event in events if event.get("kind") == "resume" and event.get("name")]:
        said.append(
            f"It was resumed after step {', '.join(map(str, resumed))}; on the machine that it began on, a run that "
            "goes through has the same numbers."
        )
    return said


def _of_place(spec: RunSpec, environment: Mapping[str, Any]) -> list[str]:
    """Return what lies elsewhere, and where the last digits need not be the same."""
    said = []
    if spec.model.start_from:
        said.append(f"It starts from the weights of the run {spec.model.start_from}, which has to be there.")
    if spec.model.weights not in ("pretrained", "random"):
        said.append(f"The weights of the model lie in {_without_user(spec.model.weights)}.")
    if spec.launch.where != "local":
        said.append(f"It ran on a {TITLES[spec.launch.where]}; this file starts it on the machine that opens it.")
    if spec.trackers:
        said.append(f"It was sent to {', '.join(spec.trackers)}; a run of this file is not, unless trackers is set.")
    if environment.get("device") not in (None, "cpu") and not spec.training.deterministic:
        said.append("On a GPU sums are rounded in any order: the last digits of two runs differ.")
    return said

"""From a spec to a started run: data resolved and judged, settings completed, folder made, worker launched.

Whatever is wrong is said before anything is created. Decides nothing about training that the spec does not say.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from molfun.adapters.card import how_to_install
from molfun.adapters.catalog import MODELS, ModelCard, check_pretrained, find_model
from molfun.data.dataset import Dataset
from molfun.data.settings import METRICS_OF_TASK
from molfun.errors import ModelError, SettingError, nearest
from molfun.home import expanded
from molfun.losses.names import LOSSES_OF_TASK, MIN_ITEMS, installed_losses, unknown_loss
from molfun.models.settings import ModelSettings
from molfun.runs.advice import propose_name
from molfun.runs.launchers.base import Launcher
from molfun.runs.launchers.catalog import find_launcher
from molfun.runs.resolve import resolve_data
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.steering import checkpoint_of
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.catalog import find_tracker

# "mse" is the declared default of every strategy, so that nobody who wrote no loss is told off for it.
UNCHOSEN_LOSSES = ("mse", "auto")


def submit_run(home: Path, spec: RunSpec, *, run_id: str | None = None, launcher: Launcher | None = None) -> RunFolder:
    """Start a run and return its folder at once.

    Args:
        home: The data folder.
        spec: What to train; need not be resolved.
        run_id: Id of the run; a second submission with the same id fails, so a double click starts one run.
        launcher: Where it runs; None is where its settings say.

    Raises:
        DataError: The data cannot be used; nothing was created.
        SettingError: A setting does not fit the task.
        ModelError: The model is unknown or its weights are absent.
        RunError: The id is taken or the worker could not be started.
    """
    resolved, _ = resolve_spec(home, spec)
    launcher = launcher or find_launcher(resolved.launch.where)
    launcher.check(resolved)
    folder = RunStore(home).create(resolved, run_id=run_id)
    launcher.start(folder)
    return folder


def resolve_spec(home: Path, spec: RunSpec) -> tuple[RunSpec, Dataset]:
    """Return the spec as it will be run, its data saved as a dataset, and that dataset.

    The resolved spec names the dataset only; where its rows came from is in the dataset's `about`.

    Raises:
        DataError: The data cannot be used with the model; every problem is listed.
        SettingError: Not exactly one source of data is given, or model, loss, class weights, monitored metric or batch
            size do not fit together.
        ModelError: The model is unknown, its weights or a tracker's package are absent.
        RunError: There is no checkpoint of the run whose weights it should start from.
    """
    card = find_model(spec.model.name)
    check_weights(spec.model, card)
    for name in spec.trackers:
        find_tracker(name)
    dataset = resolve_data(home, spec.data, card)
    check_task(dataset.task, card)
    loss = loss_for(dataset.task, spec.strategy.loss_fn)
    check_loss_options(dataset.task, loss, spec)
    check_monitor(dataset.task, spec.strategy.monitor)
    check_nodes(spec)
    if spec.model.start_from:
        checkpoint_of(home, spec.model.start_from)
    if dataset.task == "per_residue" and dataset.num_chains > 1:
        raise SettingError(
            f"Per-residue classification takes one sequence column, not {dataset.num_chains}; choose one."
        )
    source = DataSource(dataset=dataset.id, columns=dataset.columns, split=dataset.split)
    changes = {
        "name": spec.name or propose_name(spec, dataset),
        "data": source,
        "model": spec.model.model_copy(update={"weights": absolute_weights(spec.model.weights)}),
        "strategy": spec.strategy.model_copy(update={"loss_fn": loss}),
    }
    return spec.model_copy(update=changes), dataset


def check_task(task: str, card: ModelCard) -> None:
    """Hold that a model can learn a task.

    Raises:
        SettingError: It predicts no structure, but these are wanted.
    """
    if task == "structure" and not card.predicts_structure:
        able = ", ".join(name for name, other in MODELS.items() if other.predicts_structure)
        raise SettingError(f"{card.title} predicts no structure; choose a model that does ({able}), or another task.")


def absolute_weights(weights: str) -> str:
    """Return `weights` with a folder as an absolute path: the worker starts in another folder than the caller."""
    return weights if weights in ("pretrained", "random") else str(expanded(weights).absolute())


def loss_for(task: str, loss: str) -> str:
    """Return the loss to train with: the chosen one, or the task's own where none was chosen.

    One that an installed package brings is taken by its name; the worker, which loads it, learns its task.

    Raises:
        SettingError: The chosen loss is unknown or serves another task.
    """
    fitting = LOSSES_OF_TASK[task]
    if loss in fitting:
        return loss
    if loss in UNCHOSEN_LOSSES:
        return fitting[0]
    ours = {name for names in LOSSES_OF_TASK.values() for name in names}
    if loss in ours:
        raise SettingError(f"The loss {loss!r} does not fit the task {task!r}; choose {' or '.join(fitting)}.")
    installed = installed_losses()
    if loss not in installed:
        raise SettingError(unknown_loss(loss, {*ours, *installed}))
    return loss


def check_loss_options(task: str, loss: str, spec: RunSpec) -> None:
    """Hold that class weights have classes to weigh, and that a loss which compares rows has some to compare.

    Raises:
        SettingError: They do not.
    """
    weights, batch_size, fewest = spec.strategy.class_weights, spec.training.batch_size, MIN_ITEMS.get(loss, 1)
    if task == "regression" and weights != "none":
        raise SettingError(
            f"Setting 'strategy.class_weights' is {weights!r}, but regression has no classes; leave it at 'none'."
        )
    if batch_size < fewest:
        raise SettingError(
            f"The loss {loss!r} compares the rows of a batch and needs at least {fewest} of them, but "
            f"'training.batch_size' is {batch_size}; raise it, to 16 for example."
        )


def check_monitor(task: str, metric: str) -> None:
    """Hold that the validation of a task reports `metric`.

    Raises:
        SettingError: It does not; the nearest metric that it does report is given.
    """
    known = monitors_for(task)
    if metric in known:
        return
    # The nearest name to a metric of another task is a coincidence.
    is_elsewhere = any(metric in monitors_for(other) for other in METRICS_OF_TASK)
    hint = "" if is_elsewhere else nearest(metric, known)
    raise SettingError(
        f"Setting 'strategy.monitor' is {metric!r}" + (hint or f"; for {task} choose one of {', '.join(known)}.")
    )


def check_nodes(spec: RunSpec) -> None:
    """Hold that every node gets as many processes as the others.

    Raises:
        SettingError: It does not.
    """
    nodes, processes = spec.launch.nodes, spec.training.num_processes
    if processes % nodes:
        raise SettingError(
            f"Setting 'training.num_processes' is {processes}, which {nodes} nodes cannot share evenly; choose a "
            f"multiple of {nodes}."
        )


def monitors_for(task: str) -> tuple[str, ...]:
    """Return what the best epoch of a task may be chosen by: val_loss, and val_ with each of its metrics."""
    return ("val_loss", *(f"val_{name}" for name in METRICS_OF_TASK[task]))


def check_weights(settings: ModelSettings, card: ModelCard) -> None:
    """Look whether the weights are there, without reading them.

    Raises:
        ModelError: The package or folder that should hold them is absent.
    """
    if settings.weights == "random":
        return
    check_pretrained(card, settings.weights)
    if settings.weights != "pretrained":
        folder = expanded(settings.weights)
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"No model lies in {folder}: it has no config.json. Give 'pretrained', 'random' or a folder in Hugging "
                "Face format."
            )
        return
    kind, _, where = card.weights.partition(":")
    if kind == "package":
        _check_package(where.split(":")[0])


def _check_package(distribution: str) -> None:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise ModelError(
            f"The pretrained weights lie in the package {distribution}, which is absent; {how_to_install(distribution)}"
        ) from None

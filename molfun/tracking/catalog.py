"""The remote trackers by name, readable without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from molfun.errors import ModelError, SettingError, nearest
from molfun.tracking.base import BaseTracker
from molfun.tracking.packages import REQUIREMENTS, missing


@dataclass(frozen=True)
class TrackerCard:
    """One remote tracker as a person chooses it.

    Attributes:
        package: Module that must be importable; empty where none is needed.
        implementation: "module:class", called with `project=` and `folder=`.
        keys: Variables with the secrets that it needs; of an alternative, all ways are named in `words`.
        address: Variable that names another server than the usual one; empty where there is no server.
        words: Where its keys come from.
        needs_address: Whether there is no usual server.
    """

    name: str
    title: str
    summary: str
    package: str
    implementation: str
    keys: tuple[str, ...] = ()
    address: str = ""
    words: str = ""
    needs_address: bool = False

    @property
    def requirement(self) -> str:
        """What `pip install` takes to bring the package."""
        return REQUIREMENTS.get(self.package, "")


TRACKERS: dict[str, TrackerCard] = {
    card.name: card
    for card in (
        TrackerCard(
            "wandb", "Weights & Biases", "Metrics and settings at wandb.ai or your own server; works offline.",
            "wandb", "molfun.tracking.wandb:WandbTracker", ("WANDB_API_KEY",), "WANDB_BASE_URL",
            "A key from wandb.ai/authorize; `wandb login` keeps one as well.",
        ),
        TrackerCard(
            "mlflow", "MLflow", "Metrics, settings and files at an MLflow server of yours.",
            "mlflow", "molfun.tracking.mlflow:MLflowTracker", ("MLFLOW_TRACKING_TOKEN",), "MLFLOW_TRACKING_URI",
            "Only servers that ask for one: a token, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
            needs_address=True,
        ),
        TrackerCard(
            "comet", "Comet", "Metrics, settings and files at comet.com or your own server.",
            "comet_ml", "molfun.tracking.comet:CometTracker", ("COMET_API_KEY",), "COMET_URL_OVERRIDE",
            "A key from the account settings at comet.com.",
        ),
        TrackerCard(
            "langfuse", "Langfuse", "A run as a trace, epochs as spans, metrics as scores, for teams who live there.",
            "langfuse", "molfun.tracking.langfuse:LangfuseTracker", ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"),
            "LANGFUSE_HOST", "The pair of keys from a project's settings.",
        ),
        TrackerCard(
            "tensorboard", "TensorBoard", "Event files in the run folder, for `tensorboard --logdir`; needs nothing.",
            "", "molfun.tracking.tensorboard:TensorBoardTracker",
        ),
    )
}  # fmt: skip
# What processes that send are given, from the environment or the system's keyring: keys, and where to send.
TRACKER_KEYS = (
    *(key for card in TRACKERS.values() for key in card.keys), "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
    *(card.address for card in TRACKERS.values() if card.address),
)  # fmt: skip


def find_tracker(name: str) -> TrackerCard:
    """Return the card of a tracker whose package is installed.

    Raises:
        SettingError: No tracker has that name; the nearest known one is given.
        ModelError: Its package is absent; the install line is given.
    """
    if name not in TRACKERS:
        raise SettingError(f"No tracker is named {name!r}{nearest(name, TRACKERS) or f'; known: {list(TRACKERS)}.'}")
    card = TRACKERS[name]
    if card.package and find_spec(card.package) is None:
        raise ModelError(missing(card.package))
    return card


def build_tracker(name: str, *, folder: Path, project: str = "molfun") -> BaseTracker:
    """Build a remote tracker by name.

    Args:
        name: Of the catalog.
        folder: It keeps its own files in a folder of its name below this one.
        project: Where the run appears at the service.

    Raises:
        SettingError: No tracker has that name.
        ModelError: Its package is absent.
    """
    module, _, attribute = find_tracker(name).implementation.partition(":")
    tracker: BaseTracker = getattr(import_module(module), attribute)(project=project, folder=folder / name)
    return tracker

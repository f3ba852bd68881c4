"""The same fit by Molfun and by its peers: a loop by hand, Hugging Face Trainer, Lightning Trainer and Accelerate.

Every one gets the same prepared model, batches, loss, AdamW groups, warm-up and cosine, and clips at norm 1; peers
record their loss every tenth step, Molfun every step. What is measured is the time between two optimiser steps, by a
hook on the optimiser, and the whole time from the call to its return.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from molfun.losses.catalog import build_loss
from molfun.models.inference import scored_items
from molfun.models.structure import MolfunStructureModel
from molfun.tracking.local import LocalTracker
from molfun.training.base import FinetuneStrategy
from molfun.training.callbacks import Callback
from molfun.training.distributed import SingleDevice
from molfun.training.gradients import set_training_mode
from molfun.training.groups import optimizer_groups
from molfun.training.loop import Loop
from molfun.training.schedules import build_scheduler
from molfun.training.stepping import item_losses
from molfun.types import Batch, Loader

CLIP_NORM = 1.0
LOGGED_EVERY = 10  # steps; what Lightning logs by default


@dataclass
class Work:
    """One fit.

    Attributes:
        make_model: Returns a fresh model; every call the same weights.
        strategy: Says what trains; its settings are everybody's.
        train: Batches of an epoch.
        val: Batches that every epoch ends with; None is no validation.
        epochs: Passes over the batches.
        device: "cpu" or "cuda".
        dtype: What peers compute in; Molfun's own is the strategy's `amp`.
        options: More arguments of Molfun's `fit`.
    """

    make_model: Callable[[], MolfunStructureModel]
    strategy: Callable[[], FinetuneStrategy]
    train: Loader
    val: Loader | None = None
    epochs: int = 1
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Timing:
    """What a fit took.

    Attributes:
        steps: Seconds between one optimiser step and the next.
        seconds: Of the whole call, the model's making left out.
        loss: Of the last step, before it.
    """

    steps: list[float]
    seconds: float
    loss: float


class LossModule(nn.Module):
    """A prepared model with its loss: what a peer calls."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.model, strategy = work.make_model().to(work.device), work.strategy()
        strategy.setup(self.model)
        set_training_mode(self.model)
        self.settings, self.device_type, self.dtype = strategy.settings, work.device, work.dtype
        self.loss = build_loss(self.settings.loss_fn, task=self.model.task)
        self.groups = optimizer_groups(strategy.param_groups(self.model), self.model, self.settings.weight_decay)
        self.last = torch.zeros(())

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"loss"}: mean over the items of a batch."""
        with torch.autocast(self.device_type, dtype=self.dtype, enabled=self.dtype is not torch.float32):
            preds = self.model(batch)["preds"]
        loss = item_losses(self.loss, self.model, *scored_items(preds.float(), batch)).mean()
        self.last = loss.detach()
        return {"loss": loss}

    def optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        """Return AdamW as every peer would have it, and its schedule."""
        optimizer = torch.optim.AdamW(self.groups, fused=True)
        return optimizer, build_scheduler(optimizer, total_steps=steps, min_lr=self.settings.min_lr)


class Marks:
    """Notes when an optimiser took its steps."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def watch(self, optimizer: torch.optim.Optimizer) -> None:
        """Note every step of an optimiser."""
        optimizer.register_step_post_hook(lambda *_: self.times.append(time.perf_counter()))

    @property
    def gaps(self) -> list[float]:
        """Seconds between steps."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


def fit_molfun(work: Work) -> Timing:
    """Fit with Molfun, with the local record of a run."""
    model, marks, strategy = work.make_model(), Marks(), work.strategy()

    class Watch(Callback):
        loss = math.nan

        def on_fit_begin(self, loop: Loop) -> None:
            marks.watch(loop.optimizer)

        def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
            self.loss = metrics["loss"]

    with tempfile.TemporaryDirectory() as folder:
        tracker = LocalTracker(Path(folder))
        began = time.perf_counter()
        watch = Watch()
        strategy.fit(
            model, work.train, work.val, work.epochs, tracker=tracker, callbacks=[watch],
            distributed=SingleDevice(work.device), **work.options,
        )  # fmt: skip
        return Timing(marks.gaps, time.perf_counter() - began, watch.loss)


def fit_by_hand(work: Work) -> Timing:
    """Fit with the loop that one would write for it."""
    module, marks = LossModule(work), Marks()
    optimizer, scheduler = module.optimizer(work.epochs * len(work.train))
    marks.watch(optimizer)
    parameters = [p for group in module.groups for p in group["params"]]
    device, step, began = torch.device(work.device), 0, time.perf_counter()
    for _ in range(work.epochs):
        for batch in work.train:
            loss = module(batch.to(device))["loss"]
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            if step % LOGGED_EVERY == 0:
                loss.item()
        _validate(module, work, device)
    return Timing(marks.gaps, time.perf_counter() - began, float(module.last))


def fit_accelerate(work: Work) -> Timing:
    """Fit with Accelerate."""
    from accelerate import Accelerator

    module, marks, accelerator = LossModule(work), Marks(), Accelerator(cpu=work.device == "cpu")
    optimizer, scheduler = module.optimizer(work.epochs * len(work.train))
    marks.watch(optimizer)
    parameters = [p for group in module.groups for p in group["params"]]
    prepared, own, schedule, loader = accelerator.prepare(module, optimizer, scheduler, _loader(work.train))
    step, began = 0, time.perf_counter()
    for _ in range(work.epochs):
        for batch in loader:
            loss = prepared(batch)["loss"]
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(parameters, CLIP_NORM)
            own.step()
            schedule.step()
            own.zero_grad()
            step += 1
            if step % LOGGED_EVERY == 0:
                loss.item()
        _validate(module, work, torch.device(work.device))
    return Timing(marks.gaps, time.perf_counter() - began, float(module.last))


def fit_trainer(work: Work) -> Timing:
    """Fit with Hugging Face Trainer."""
    from transformers import Trainer, TrainingArguments

    module, marks = LossModule(work), Marks()
    optimizer, scheduler = module.optimizer(work.epochs * len(work.train))
    marks.watch(optimizer)

    class Same(Trainer):
        def get_train_dataloader(self) -> DataLoader:
            return _loader(work.train, named=True)

        def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
            assert work.val is not None
            return _loader(work.val, named=True)

    with tempfile.TemporaryDirectory() as folder, _silence():
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=work.epochs, max_grad_norm=CLIP_NORM, logging_steps=LOGGED_EVERY,
            save_strategy="no", report_to="none", use_cpu=work.device == "cpu", disable_tqdm=True, seed=0,
            eval_strategy="no" if work.val is None else "epoch", prediction_loss_only=True,
            dataloader_pin_memory=work.device != "cpu", remove_unused_columns=False,
        )  # fmt: skip
        trainer = Same(
            model=module, args=arguments, train_dataset=_Rows(len(work.train)), optimizers=(optimizer, scheduler),
            eval_dataset=None if work.val is None else _Rows(len(work.val)),
        )  # fmt: skip
        began = time.perf_counter()
        trainer.train()
    return Timing(marks.gaps, time.perf_counter() - began, float(module.last))


def fit_lightning(work: Work) -> Timing:
    """Fit with Lightning's Trainer."""
    import lightning

    module, marks = LossModule(work), Marks()

    class Same(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def training_step(self, batch: Batch, index: int) -> Tensor:
            loss = self.module(batch)["loss"]
            self.log("loss", loss, batch_size=batch.size)
            return loss

        def validation_step(self, batch: Batch, index: int) -> None:
            self.log("val_loss", self.module(batch)["loss"], batch_size=batch.size)

        def configure_optimizers(self) -> Any:
            optimizer, scheduler = module.optimizer(work.epochs * len(work.train))
            marks.watch(optimizer)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    with tempfile.TemporaryDirectory() as folder, _silence():
        trainer = lightning.Trainer(
            max_epochs=work.epochs, gradient_clip_val=CLIP_NORM, logger=lightning.pytorch.loggers.CSVLogger(folder),
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            num_sanity_val_steps=0, accelerator="cpu" if work.device == "cpu" else "gpu", devices=1,
            log_every_n_steps=LOGGED_EVERY,
        )  # fmt: skip
        own = Same()
        began = time.perf_counter()
        trainer.fit(own, _loader(work.train), None if work.val is None else _loader(work.val))
    return Timing(marks.gaps, time.perf_counter() - began, float(module.last))


PEERS: dict[str, Callable[[Work], Timing]] = {
    "molfun": fit_molfun, "by hand": fit_by_hand, "accelerate": fit_accelerate, "trainer": fit_trainer,
    "lightning": fit_lightning,
}  # fmt: skip
PACKAGES = {"trainer": "transformers", "by hand": "torch"}


def versions(names: list[str]) -> str:
    """Return what was compared, with versions, as a sentence."""
    found = [f"{name} ({package} {importlib.metadata.version(package)})"
             for name in names for package in [PACKAGES.get(name, name)]]  # fmt: skip
    return ", ".join(found)


class _Rows(torch.utils.data.Dataset[int]):
    """As many items as there are batches: what Trainer counts its steps by."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        return index


class _Named:
    """Batches as the keyword arguments that Trainer calls a model with."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __call__(self, items: list[Any]) -> dict[str, Any]:
        return {"batch": self.batches(items)}


def _loader(batches: Loader, *, named: bool = False) -> DataLoader:
    """Return a DataLoader of whole batches, or one like it that gives them a name."""
    if isinstance(batches, DataLoader):
        collate = _Named(batches.collate_fn) if named else batches.collate_fn
        return DataLoader(batches.dataset, batch_sampler=batches.batch_sampler, collate_fn=collate)
    collate = _Named(_only) if named else _only
    return DataLoader(list(batches), batch_size=1, collate_fn=collate)


def _only(items: list[Any]) -> Any:
    return items[0]


@torch.no_grad()
def _validate(module: LossModule, work: Work, device: torch.device) -> None:
    if work.val is None:
        return
    module.model.eval()
    for batch in work.val:
        module(batch.to(device))["loss"].item()
    set_training_mode(module.model)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep banners and progress of the peers off the table."""
    out, err = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), out, err:
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)

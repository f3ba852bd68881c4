"""FinetuneStrategy: subclasses say what trains in two methods; `fit` says how, once, for all of them."""

from __future__ import annotations

import inspect
import uuid
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

from torch import Tensor

from molfun.errors import DataError
from molfun.models.lora import remove_lora
from molfun.models.structure import MolfunStructureModel
from molfun.tracking.background import without_waiting
from molfun.tracking.base import BaseTracker, NullTracker
from molfun.tracking.composite import CompositeTracker
from molfun.training.callbacks import Callback
from molfun.training.compiling import compiled_blocks
from molfun.training.distributed import BaseDistributedStrategy, SingleDevice
from molfun.training.ema import put_average
from molfun.training.groups import ParamGroup
from molfun.training.loaders import RankLoader
from molfun.training.loop import Loop
from molfun.training.prefix_cache import frozen_prefix
from molfun.training.randomness import deterministic_operations, seed_everything
from molfun.training.rehearsal import rehearse
from molfun.training.resuming import resume, start_afresh
from molfun.training.saving import SavePolicy
from molfun.training.settings import StrategySettings
from molfun.training.snapshot import describe_model
from molfun.types import Batch, Loader


class FinetuneStrategy(ABC):
    """What trains, and the loop that trains it.

    A subclass declares `_setup_impl` (freeze, unfreeze, inject) and `param_groups` (who gets which learning rate), and
    may name a `settings_class` of its own.

    Args:
        **settings: Values of `settings_class`; unknown names and values out of bounds are refused.

    Raises:
        SettingError: A setting is unknown or out of its bounds.
    """

    settings_class: ClassVar[type[StrategySettings]] = StrategySettings

    def __init__(self, **settings: Any) -> None:
        self.settings = self.settings_class.parse(settings)
        # Marks models that this object prepared; a name rather than `self`, so that copies of a model keep it.
        self._mark = uuid.uuid4().hex
        self._described: dict[str, Any] = {}
        self._fitted: Callable[[], MolfunStructureModel | None] = lambda: None
        self._average: dict[str, Tensor] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # help() and editors show the declared settings instead of **settings.
        fields = [(name, field) for name, field in cls.settings_class.model_fields.items() if field.title]
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.annotation)
                for n, f in fields
            ]
        )

    @abstractmethod
    def _setup_impl(self, model: MolfunStructureModel) -> None:
        """Decide what trains, on a model whose every parameter trains and that holds no LoRA."""

    @abstractmethod
    def param_groups(self, model: MolfunStructureModel) -> list[ParamGroup]:
        """Return [{"name", "lr", "params"}] that together hold every parameter that trains, each once."""

    @final
    def setup(self, model: MolfunStructureModel) -> None:
        """Prepare a model for this strategy; a second call does nothing, another strategy starts clean."""
        if model.prepared_by == self._mark:
            self._described = model.prepared_about
            return
        remove_lora(model.adapter)
        model.lora_config = None
        model.adapter.unfreeze_trunk()
        model.head.requires_grad_(True)
        self._setup_impl(model)
        model.prepared_by = self._mark
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self._described = model.prepared_about = {"num_trainable": trainable, **self._describe_setup(model)}

    def _describe_setup(self, model: MolfunStructureModel) -> dict[str, Any]:
        """Return what was decided while setting up (LoRA targets, for example), for `describe`."""
        return {}

    @final
    def fit(
        self,
        model: MolfunStructureModel,
        train_loader: Loader,
        val_loader: Loader | None = None,
        epochs: int = 10,
        *,
        tracker: BaseTracker | None = None,
        callbacks: Sequence[Callback] = (),
        distributed: BaseDistributedStrategy | None = None,
        checkpoint_dir: Path | str | None = None,
        save_every: int = 0,
        save_every_steps: int = 0,
        save_every_minutes: float = 0.0,
        keep_checkpoints: int = 0,
        resume_from: Path | str | None = None,
        gradient_checkpointing: bool = False,
        compile_blocks: bool = False,
        seed: int | None = None,
        deterministic: bool = False,
        rehearse_batch: Batch | None = None,
        prefix_cache: Path | str | None = None,
        prefix_cache_gb: float = 20.0,
    ) -> list[dict[str, float]]:
        """Train, validate, checkpoint and record.

        Args:
            model: Changed in place; afterwards it holds the weights of the last step (see `apply_ema`).
            train_loader: Batches with targets; its length must be known.
            val_loader: Batches with targets; None or an empty one trains without validation.
            epochs: Passes over the training rows, earlier ones of a resumed run included.
            tracker: Sink of metrics; only the main process uses it. One that speaks to a service is called from a
                thread, which is given half a minute at the end to send what is left.
            callbacks: Hooks, called in order, on every process.
            distributed: How the run is spread; None is one process on the best device.
            checkpoint_dir: Folder for `best`, `last` (saved after every epoch) and `epoch_N`; None keeps nothing.
            save_every: Keep `epoch_N` every so many epochs; 0 never does.
            save_every_steps: Save `last` every so many optimiser steps as well; 0 never does.
            save_every_minutes: Save `last` after so much time as well; 0 never does.
            keep_checkpoints: How many `epoch_N` stay, the newest ones; 0 is all.
            resume_from: Folder of a checkpoint to go on from, or "auto": the newest whole one in `checkpoint_dir`, a
                fresh start where there is none. A resumed fit ends with the bits of one that was never interrupted.
            gradient_checkpointing: Compute trunk blocks again in the backward pass: less memory, the same gradients.
            compile_blocks: Compile the trunk's blocks with `torch.compile`: the same numbers to 1e-5, sooner after a
                slow start. Where that does not work, the log says why and the blocks run as they are.
            seed: Seeds Python, NumPy and torch before anything is drawn; None leaves them as they are.
            deterministic: Let torch use only operations that repeat their bits.
            rehearse_batch: The heaviest batch (`molfun.data.batches.heaviest_batch`), computed once before the first
                step and forgotten, so that too little memory shows at once; no bit of the result depends on it.
            prefix_cache: Folder in which states behind the frozen beginning of the trunk are kept, so that they are
                computed once a sequence and not once an epoch; None computes them anew. Rows must not be cropped at
                random, or few are found again. Without effect where every block trains, and under FSDP.
            prefix_cache_gb: Most that folder may hold, in 10^9 bytes; what was not used for the longest time goes.

        Returns:
            One dict an epoch: epoch, train_loss, seconds, and with validation val_loss and val_<metric>.

        Raises:
            DataError: There is no training row, or a loader does not know its number of batches.
            SettingError: Loss or monitored metric do not fit the task.
            ModelError: A parameter that should train gets no gradient, or the loss is not finite.
            RunError: `resume_from` is no checkpoint of this model, data and strategy, or the last state could not be
                written.
        """
        _require_length(train_loader, "training")
        if val_loader is not None:
            _require_length(val_loader, "validation")
        distributed = distributed or SingleDevice()
        policy = SavePolicy(save_every, save_every_steps, save_every_minutes, keep_checkpoints)
        with ExitStack() as stack:
            stack.callback(distributed.cleanup)
            distributed.setup()
            stack.enter_context(deterministic_operations(enabled=deterministic))
            if seed is not None:
                seed_everything(seed)
            self.setup(model)
            stack.enter_context(gradient_checkpointing_on(model, enabled=gradient_checkpointing))
            shared = distributed.shares_weights
            stack.enter_context(
                compiled_blocks(model, enabled=compile_blocks, shares_weights=shared, device=distributed.device)
            )
            writes = checkpoint_dir is not None or resume_from is not None
            about_model = describe_model(model) if writes else {}
            wrapped = distributed.wrap_model(model)
            if seed is not None and distributed.rank:
                # Dropout must differ between processes; the main one goes on as a single process would.
                seed_everything(seed + distributed.rank)
            val_part = distributed.wrap_loader(val_loader, shuffle=False) if val_loader else None
            loop = Loop(
                self, model, wrapped, distributed.wrap_loader(train_loader, shuffle=True), val_part, epochs=epochs,
                distributed=distributed, callbacks=callbacks, policy=policy, about_model=about_model,
                checkpoint_dir=None if checkpoint_dir is None else Path(checkpoint_dir),
            )  # fmt: skip
            if resume_from is None:
                start_afresh(loop)
            else:
                resume(loop, resume_from)
            own = tracker if tracker and distributed.is_main_process else NullTracker()
            # A tracker that fails is named once and set aside; one whose service hangs holds no step.
            guarded = CompositeTracker([stack.enter_context(without_waiting(own))])
            kept = None if prefix_cache is None or shared else Path(prefix_cache)
            stack.enter_context(frozen_prefix(model, loop.precision, kept, max_gigabytes=prefix_cache_gb))
            if rehearse_batch is not None and loop.wants_epoch:
                loop.callbacks.on_rehearsal(loop, rehearse(loop, rehearse_batch))
            self._run(loop, val_part, guarded)
        self._fitted, self._average = weakref.ref(model), loop.ema.state_dict()
        return loop.progress.history

    def _run(self, loop: Loop, val_loader: RankLoader | None, tracker: BaseTracker) -> None:
        """Go through the epochs that are left."""
        tracker.log_config(self.describe())
        loop.callbacks.on_fit_begin(loop)
        try:
            while loop.wants_epoch:
                row = loop.train_epoch(tracker)
                if loop.was_interrupted:
                    break
                if val_loader is not None:
                    row |= loop.validate(val_loader)
                loop.finish_epoch(row, tracker)
        except BaseException:
            loop.abandon()
            raise
        loop.finish(has_validation=val_loader is not None)

    @final
    def apply_ema(self, model: MolfunStructureModel) -> bool:
        """Overwrite the weights of the model fitted last by their average; False where there is none of it.

        There is none where EMA was off, and none of a model that was fitted before it, or prepared by another strategy
        since.
        """
        is_own = self._fitted() is model and model.prepared_by == self._mark
        if not is_own or not self._average:
            return False
        put_average(model, self._average)
        return True

    @final
    def describe(self) -> dict[str, Any]:
        """Return name, every setting and, after `setup`, what was decided, as plain values."""
        return {"strategy": type(self).__name__, **self.settings.model_dump(mode="json"), **self._described}


def _require_length(loader: Loader, part: str) -> None:
    """Hold that the batches of an epoch can be counted, which schedule, resume and the share of a process build on."""
    try:
        len(loader)
    except TypeError as error:
        raise DataError(
            f"The {part} loader should know its number of batches, but {error}. Give it a dataset with a length, not "
            "a stream."
        ) from None


@contextmanager
def gradient_checkpointing_on(model: MolfunStructureModel, *, enabled: bool) -> Iterator[None]:
    """Turn gradient checkpointing on for the block; False does nothing."""
    if not enabled:
        yield
        return
    model.adapter.set_gradient_checkpointing(enabled=True)
    try:
        yield
    finally:
        model.adapter.set_gradient_checkpointing(enabled=False)

"""Settings of the strategies and of the loop. Readable without torch; who uses them lives beside this file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from molfun.data.settings import BatchBy
from molfun.settings import Settings, setting

Schedule = Literal["cosine", "linear", "constant"]


class StrategySettings(Settings):
    """What every strategy shares: optimiser, schedule, EMA, precision, early stopping."""

    lr: float = setting(1e-4, ge=0.0, le=1.0, label="Learning rate", help="Peak step size of AdamW.", group="Optimiser")
    weight_decay: float = setting(
        0.01, ge=0.0, le=1.0, label="Weight decay", help="Pull towards zero; not on biases, norms and embeddings.",
        group="Optimiser", level="advanced",
    )  # fmt: skip
    warmup_steps: int = setting(
        0,
        ge=0,
        label="Warm-up",
        unit="steps",
        help="Optimiser steps over which the learning rate rises from 0.",
        group="Schedule",
    )
    scheduler: Schedule = setting(
        "cosine",
        label="Schedule",
        help="Shape of the learning rate after warm-up, down to the minimum.",
        group="Schedule",
    )
    min_lr: float = setting(
        1e-6, ge=0.0, le=1.0, label="Minimum learning rate", help="Learning rate at the last step.", group="Schedule",
        level="advanced", depends_on="schedule is cosine or linear",
    )  # fmt: skip
    ema_decay: float = setting(
        0.0, ge=0.0, lt=1.0, label="EMA decay",
        help="Validate and keep a moving average of the weights; 0 is off, 0.99-0.999 is common.",
        group="Averaging",
    )  # fmt: skip
    grad_clip: float = setting(
        1.0,
        ge=0.0,
        label="Gradient clipping",
        help="Largest norm of the gradient; 0 is off.",
        group="Optimiser",
        level="advanced",
    )
    accumulation_steps: int = setting(
        1, ge=1, le=1024, label="Accumulation", unit="batches", help="Batches summed before one optimiser step.",
        group="Optimiser", level="advanced",
    )  # fmt: skip
    amp: bool = setting(
        True, label="Mixed precision", help="bfloat16 where the device is faster in it; full precision otherwise.",
        group="Precision", level="advanced",
    )  # fmt: skip
    monitor: str = setting(
        "val_loss", label="Best epoch by", group="Stopping", level="advanced",
        help="Validation metric that chooses the best epoch and stops early: val_loss, or val_ and a metric's name.",
    )  # fmt: skip
    early_stopping_patience: int = setting(
        0, ge=0, label="Early stopping", unit="epochs",
        help="Stop after this many epochs without a better value of the metric above; 0 is off.", group="Stopping",
    )  # fmt: skip
    early_stopping_min_delta: float = setting(
        0.0, ge=0.0, label="Smallest improvement", group="Stopping", level="advanced",
        help="Improvements that are not larger than this do not count for early stopping.",
        depends_on="early stopping > 0",
    )  # fmt: skip
    validate_raw: bool = setting(
        False, label="Also validate raw weights", group="Averaging", level="advanced",
        help="Record the loss of the weights without averaging as well; one more pass over the validation rows.",
        depends_on="EMA decay > 0",
    )  # fmt: skip
    loss_fn: str = setting(
        "mse", label="Loss", group="Loss", level="advanced",
        help="What training lowers; mse and cross_entropy are the usual ones, pearson and ranking care for order only.",
    )  # fmt: skip
    class_weights: Literal["none", "balanced"] = setting(
        "none", label="Class weights", group="Loss", level="advanced",
        help="Balanced lets every class count the same in the loss, however rare it is.",
        depends_on="the task is classification",
    )  # fmt: skip
    focal_gamma: float = setting(
        2.0, ge=0.0, le=10.0, label="Focal gamma", group="Loss", level="advanced",
        help="How much less the items count that are right already; 0 is cross_entropy.", depends_on="loss is focal",
    )  # fmt: skip


class HeadOnlySettings(StrategySettings):
    """Train the head, freeze the trunk."""

    kind: Literal["head_only"] = "head_only"


class LoRASettings(StrategySettings):
    """Train low-rank updates of attention projections, and the head."""

    kind: Literal["lora"] = "lora"
    rank: int = setting(
        8, ge=1, le=512, label="Rank", help="Rank of each update; more rank, more parameters.", group="LoRA"
    )
    alpha: float = setting(16.0, gt=0.0, label="Alpha", help="Scale of the updates: alpha / rank.", group="LoRA")
    dropout: float = setting(
        0.0, ge=0.0, lt=1.0, label="LoRA dropout", help="Dropout before each update.", group="LoRA", level="advanced"
    )
    target_modules: list[str] | None = setting(
        None, label="Target modules", help="Names of the layers that get an update; auto asks the model.", group="LoRA",
        level="advanced",
    )  # fmt: skip
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", help="Auto is the learning rate above.", group="Optimiser"
    )
    lr_lora: float | None = setting(
        None, ge=0.0, le=1.0, label="LoRA learning rate", help="Auto is the learning rate above.", group="Optimiser"
    )


class PartialSettings(StrategySettings):
    """Train the last blocks of the trunk, and the head."""

    kind: Literal["partial"] = "partial"
    unfreeze_last_n: int = setting(
        4, ge=0, label="Blocks to train", help="How many of the last trunk blocks train.", group="Layers"
    )
    unfreeze_structure_module: bool = setting(
        False, label="Train structure module", help="Also train the structure module, where the model has one.",
        group="Layers", level="advanced",
    )  # fmt: skip
    lr_trunk: float | None = setting(
        None, ge=0.0, le=1.0, label="Trunk learning rate", help="Auto is the learning rate above.", group="Optimiser"
    )
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", help="Auto is the learning rate above.", group="Optimiser"
    )


class FullSettings(StrategySettings):
    """Train everything, earlier layers more gently."""

    kind: Literal["full"] = "full"
    layer_lr_decay: float = setting(
        0.95, gt=0.0, le=1.0, label="Layer-wise decay",
        help="Each earlier block gets this factor times the next one's rate.", group="Layers",
    )  # fmt: skip
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", help="Auto is the learning rate above.", group="Optimiser"
    )


AnyStrategySettings = Annotated[
    HeadOnlySettings | LoRASettings | PartialSettings | FullSettings, Field(discriminator="kind")
]


class TrainingSettings(Settings):
    """The loop around a strategy: how long, how large a batch, which device."""

    epochs: int = setting(10, ge=1, le=100_000, label="Epochs", help="Passes over the training rows.", group="Training")
    batch_size: int = setting(
        16, ge=1, le=65_536, label="Batch size", unit="rows", help="Rows in one forward.", group="Training"
    )
    batch_by: BatchBy = setting(
        "auto", label="Batches of", group="Training", level="advanced",
        help="Any rows; rows of about one length, so that little is padding; or tokens: the same, with fewer rows a "
        "batch where they are long. Auto takes length where a tenth and more of shuffled rows would be padding.",
    )  # fmt: skip
    crop_size: int = setting(
        0, ge=0, label="Crop size", unit="residues", group="Training", level="advanced",
        help="Most residues of all chains of a training row together; longer rows are cropped, in another place each "
        "epoch. 0 leaves them whole.",
    )  # fmt: skip
    keep_frozen: bool = setting(
        True, label="Keep frozen states", group="Training", level="advanced",
        help="States behind the frozen beginning of the trunk are computed once a sequence, kept on disk and read ever "
        "after, also by other runs. The same losses in less time. Without effect with random crops and under FSDP.",
    )  # fmt: skip
    keep_frozen_gb: float = setting(
        20.0, ge=0.0, label="Room for frozen states", unit="GB", group="Training", level="advanced",
        help="Most that all kept states may take on disk; what was not used for the longest time goes first.",
        depends_on="keep_frozen is on",
    )  # fmt: skip
    seed: int = setting(
        0, ge=0, label="Seed", help="Start of every random number; the same seed repeats the run.", group="Training"
    )
    save_every: int = setting(
        0, ge=0, label="Keep every", unit="epochs",
        help="Keep a checkpoint every so many epochs beside best and last; 0 keeps none.",
        group="Checkpoints", level="advanced",
    )  # fmt: skip
    keep_checkpoints: int = setting(
        0, ge=0, label="Checkpoints kept", help="How many of the kept epochs stay, the newest ones; 0 is all.",
        group="Checkpoints", level="advanced", depends_on="keep every > 0",
    )  # fmt: skip
    save_every_steps: int = setting(
        0, ge=0, label="Save every", unit="steps",
        help="Also save the last state every so many steps inside an epoch; 0 is off.",
        group="Checkpoints", level="advanced",
    )  # fmt: skip
    save_every_minutes: float = setting(
        10.0, ge=0.0, label="Save every", unit="minutes",
        help="Also save the last state when this much time has passed inside an epoch; 0 is off.",
        group="Checkpoints", level="advanced",
    )  # fmt: skip
    gradient_checkpointing: bool = setting(
        False, label="Gradient checkpointing",
        help="Compute blocks again in the backward pass: less memory, about a third more time, the same gradients.",
        group="Training", level="advanced",
    )  # fmt: skip
    compile_blocks: bool = setting(
        False, label="Compile blocks", group="Training", level="advanced",
        help="Compile the trunk with torch.compile: a slow start, faster steps after it, the same numbers to rounding. "
        "Where that does not work the log says why, and the run goes on without.",
    )  # fmt: skip
    deterministic: bool = setting(
        False, label="Deterministic", group="Training", level="advanced",
        help="Use only operations that give the same bits every time on this machine; can be slower on a GPU.",
    )  # fmt: skip
    num_processes: int = setting(
        1, ge=1, le=1024, label="Processes", group="Training", level="advanced",
        help="Processes that train together on this machine; the rows of a step are batch size times this.",
    )  # fmt: skip
    distributed: Literal["ddp", "fsdp"] = setting(
        "ddp", label="Spread by", group="Training", level="advanced",
        help="ddp copies the model to every process; fsdp shares its parameters out, for models beyond one card.",
        depends_on="processes > 1",
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", label="Device", help="Auto takes the GPU where there is one.", group="Training", level="advanced"
    )
    num_threads: int = setting(
        0,
        ge=0,
        label="CPU threads",
        help="Threads of one process; 0 takes every core.",
        group="Training",
        level="advanced",
    )

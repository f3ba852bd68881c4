"""Settings of the strategies and of the loop. Readable without torch; who uses them lives beside this file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from molfun.data.settings import BatchBy
from molfun.settings import Settings, setting

Schedule = Literal["cosine", "linear", "constant"]


class StrategySettings(Settings):
    """What every strategy shares: optimiser, schedule, EMA, precision, early stopping."""

    lr: float = setting(
        1e-4, ge=0.0, le=1.0, label="Learning rate", group="Optimiser",
        help="Peak step size of AdamW; lower it when the loss jumps or becomes NaN, raise it when the loss hardly "
        "falls.",
    )  # fmt: skip
    weight_decay: float = setting(
        0.01, ge=0.0, le=1.0, label="Weight decay", group="Optimiser", level="advanced",
        help="Pulls weights towards zero in every step (not biases, norms and embeddings); raise it to 0.05 or 0.1 "
        "when validation gets worse while training goes on getting better.",
    )  # fmt: skip
    warmup_steps: int = setting(
        0, ge=0, label="Warm-up", unit="steps", group="Schedule",
        help="Optimiser steps over which the learning rate rises from 0; raise it when the loss jumps in the first "
        "steps.",
    )  # fmt: skip
    scheduler: Schedule = setting(
        "cosine", label="Schedule", group="Schedule",
        help="How the learning rate falls after warm-up, down to the minimum; choose constant for a run without a "
        "planned end.",
    )  # fmt: skip
    min_lr: float = setting(
        1e-6, ge=0.0, le=1.0, label="Minimum learning rate", group="Schedule", level="advanced",
        depends_on="schedule is cosine or linear",
        help="Learning rate at the last step; raise it when the curves go flat long before the end.",
    )  # fmt: skip
    ema_decay: float = setting(
        0.0, ge=0.0, lt=1.0, label="EMA decay", group="Averaging",
        help="Validates and keeps a moving average of the weights, which evens out noisy steps; 0 is off, 0.99 to "
        "0.999 is common, higher for more steps.",
    )  # fmt: skip
    grad_clip: float = setting(
        1.0, ge=0.0, label="Gradient clipping", group="Optimiser", level="advanced",
        help="Largest norm of the gradient, beyond which it is scaled down; lower it when single steps spoil the "
        "loss, 0 is off.",
    )  # fmt: skip
    accumulation_steps: int = setting(
        1, ge=1, le=1024, label="Accumulation", unit="batches", group="Optimiser", level="advanced",
        help="Batches summed before one optimiser step; raise it where memory allows only small batches and steps are "
        "too noisy.",
    )  # fmt: skip
    amp: bool = setting(
        True, label="Mixed precision", group="Precision", level="advanced",
        help="Computes in bfloat16 where the device is faster in it, in full precision elsewhere; turn it off to "
        "compare numbers to many digits.",
    )  # fmt: skip
    monitor: str = setting(
        "val_loss", label="Best epoch by", group="Stopping", level="advanced",
        help="Validation metric that chooses the best epoch and stops early: val_loss, or val_ and a metric's name; "
        "choose the metric that you will report.",
    )  # fmt: skip
    early_stopping_patience: int = setting(
        0, ge=0, label="Early stopping", unit="epochs", group="Stopping",
        help="Stops after this many epochs without a better value of the metric above; set 3 to 10 for long runs that "
        "may overfit, 0 is off.",
    )  # fmt: skip
    early_stopping_min_delta: float = setting(
        0.0, ge=0.0, label="Smallest improvement", group="Stopping", level="advanced", depends_on="early stopping > 0",
        help="Improvements that are not larger than this do not count for early stopping; raise it when tiny gains "
        "keep a run going.",
    )  # fmt: skip
    validate_raw: bool = setting(
        False, label="Also validate raw weights", group="Averaging", level="advanced", depends_on="EMA decay > 0",
        help="Records the loss of the weights without averaging as well, in one more pass over the validation rows; "
        "turn it on to see what averaging brings.",
    )  # fmt: skip
    loss_fn: str = setting(
        "mse", label="Loss", group="Loss", level="advanced",
        help="What training lowers: mse and cross_entropy are the usual ones, mae and huber bear outliers, pearson "
        "and ranking care for order only.",
    )  # fmt: skip
    class_weights: Literal["none", "balanced"] = setting(
        "none", label="Class weights", group="Loss", level="advanced", depends_on="the task has classes",
        help="Balanced lets every class count the same in the loss, however rare it is; choose it when rare classes "
        "matter and are missed.",
    )  # fmt: skip
    focal_gamma: float = setting(
        2.0, ge=0.0, le=10.0, label="Focal gamma", group="Loss", level="advanced", depends_on="loss is focal",
        help="How much less the items count that are right already; raise it when easy items drown the hard ones, 0 "
        "is cross_entropy.",
    )  # fmt: skip


class HeadOnlySettings(StrategySettings):
    """Train the head, freeze the trunk."""

    kind: Literal["head_only"] = "head_only"


class LoRASettings(StrategySettings):
    """Train low-rank updates of attention projections, and the head."""

    kind: Literal["lora"] = "lora"
    rank: int = setting(
        8, ge=1, le=512, label="Rank", group="LoRA",
        help="Rank of each update, 4 to 16 for most tables; raise it when training itself stays poor, lower it when "
        "validation gets worse early.",
    )  # fmt: skip
    alpha: float = setting(
        16.0, gt=0.0, label="Alpha", group="LoRA",
        help="Scale of the updates, which is alpha / rank; usually one to two times the rank, so change both "
        "together.",
    )  # fmt: skip
    dropout: float = setting(
        0.0, ge=0.0, lt=1.0, label="LoRA dropout", group="LoRA", level="advanced",
        help="Share of inputs dropped before each update; set 0.05 to 0.1 when a small table is overfitted.",
    )  # fmt: skip
    target_modules: list[str] | None = setting(
        None, label="Target modules", group="LoRA", level="advanced",
        help="Names of the layers that get an update; auto asks the model (mostly query and value of the attention), "
        "name more where LoRA learns too little.",
    )  # fmt: skip
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", group="Optimiser",
        help="Learning rate of the head, auto is the learning rate above; a new head bears about ten times the rate "
        "of the rest.",
    )  # fmt: skip
    lr_lora: float | None = setting(
        None, ge=0.0, le=1.0, label="LoRA learning rate", group="Optimiser",
        help="Learning rate of the updates, auto is the learning rate above; lower it when validation gets worse from "
        "the first epochs on.",
    )  # fmt: skip


class PartialSettings(StrategySettings):
    """Train the last blocks of the trunk, and the head."""

    kind: Literal["partial"] = "partial"
    unfreeze_last_n: int = setting(
        4, ge=0, label="Blocks to train", group="Layers",
        help="How many of the last trunk blocks train; more of them can learn more, and need more rows, memory and "
        "time.",
    )  # fmt: skip
    unfreeze_structure_module: bool = setting(
        False, label="Train structure module", group="Layers", level="advanced",
        help="Also trains the structure module, where the model has one; turn it on where the structures themselves "
        "are to get better.",
    )  # fmt: skip
    lr_trunk: float | None = setting(
        None, ge=0.0, le=1.0, label="Trunk learning rate", group="Optimiser",
        help="Learning rate of the trained blocks, auto is the learning rate above; keep it well below the head's, so "
        "that pretraining is not undone.",
    )  # fmt: skip
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", group="Optimiser",
        help="Learning rate of the head, auto is the learning rate above; a new head bears ten times the trunk's rate "
        "and more.",
    )  # fmt: skip


class FullSettings(StrategySettings):
    """Train everything, earlier layers more gently."""

    kind: Literal["full"] = "full"
    layer_lr_decay: float = setting(
        0.95, gt=0.0, le=1.0, label="Layer-wise decay", group="Layers",
        help="Each earlier block gets this factor times the next one's rate; lower it on small tables, so that early "
        "blocks stay near their pretraining, 1 trains all alike.",
    )  # fmt: skip
    lr_head: float | None = setting(
        None, ge=0.0, le=1.0, label="Head learning rate", group="Optimiser",
        help="Learning rate of the head, auto is the learning rate above; a new head bears ten times the trunk's rate "
        "and more.",
    )  # fmt: skip


AnyStrategySettings = Annotated[
    HeadOnlySettings | LoRASettings | PartialSettings | FullSettings, Field(discriminator="kind")
]


class TrainingSettings(Settings):
    """The loop around a strategy: how long, how large a batch, which device."""

    epochs: int = setting(
        10, ge=1, le=100_000, label="Epochs", group="Training",
        help="Passes over the training rows; raise it while the validation curve still gets better at the end.",
    )  # fmt: skip
    batch_size: int = setting(
        16, ge=1, le=65_536, label="Batch size", unit="rows", group="Training",
        help="Rows in one forward; lower it when memory runs out and raise accumulation to match, raise it for "
        "steadier steps.",
    )  # fmt: skip
    batch_by: BatchBy = setting(
        "auto", label="Batches of", group="Training", level="advanced",
        help="Which rows share a batch: any rows; rows of about one length, so that little is padding; or tokens, the "
        "same with fewer rows where they are long. Auto takes length where a tenth and more of shuffled rows would be "
        "padding.",
    )  # fmt: skip
    crop_size: int = setting(
        0, ge=0, label="Crop size", unit="residues", group="Training", level="advanced",
        help="Most residues of all chains of a training row together, longer rows are cropped in another place each "
        "epoch; set it where long proteins do not fit into memory, 0 leaves them whole.",
    )  # fmt: skip
    keep_frozen: bool = setting(
        True, label="Keep frozen states", group="Training", level="advanced",
        help="Computes states behind the frozen beginning of the trunk once a sequence and keeps them on disk, for "
        "other runs too: the same losses in less time; turn it off to save disk. Without effect with random crops and "
        "under FSDP.",
    )  # fmt: skip
    keep_frozen_gb: float = setting(
        20.0, ge=0.0, label="Room for frozen states", unit="GB", group="Training", level="advanced",
        depends_on="keep_frozen is on",
        help="Most that all kept states may take on disk, what was not used for the longest time goes first; raise it "
        "for large tables.",
    )  # fmt: skip
    seed: int = setting(
        0, ge=0, label="Seed", group="Training",
        help="Start of every random number, so that the same seed repeats the run; change it to see how much of a "
        "score is chance.",
    )  # fmt: skip
    save_every: int = setting(
        0, ge=0, label="Keep every", unit="epochs", group="Checkpoints", level="advanced",
        help="Keeps a checkpoint every so many epochs beside best and last; set it to look at the model along the "
        "way, 0 keeps none.",
    )  # fmt: skip
    keep_checkpoints: int = setting(
        0, ge=0, label="Checkpoints kept", group="Checkpoints", level="advanced", depends_on="keep every > 0",
        help="How many of these kept epochs stay, the newest ones; set it where the disk is small, 0 is all.",
    )  # fmt: skip
    save_every_steps: int = setting(
        0, ge=0, label="Save every", unit="steps", group="Checkpoints", level="advanced",
        help="Also saves the last state every so many steps inside an epoch; set it where epochs are long and "
        "machines may be taken away, 0 is off.",
    )  # fmt: skip
    save_every_minutes: float = setting(
        10.0, ge=0.0, label="Save every", unit="minutes", group="Checkpoints", level="advanced",
        help="Also saves the last state when this much time has passed inside an epoch; lower it where less work may "
        "be lost, 0 is off.",
    )  # fmt: skip
    gradient_checkpointing: bool = setting(
        False, label="Gradient checkpointing", group="Training", level="advanced",
        help="Computes blocks again in the backward pass: less memory, about a third more time, the same gradients; "
        "turn it on when a batch does not fit.",
    )  # fmt: skip
    compile_blocks: bool = setting(
        False, label="Compile blocks", group="Training", level="advanced",
        help="Compiles the trunk with torch.compile: a slow start, faster steps after it, the same numbers to "
        "rounding; try it for long runs on a GPU. Where it does not work the log says why, and the run goes on "
        "without.",
    )  # fmt: skip
    deterministic: bool = setting(
        False, label="Deterministic", group="Training", level="advanced",
        help="Uses only operations that give the same bits every time on this machine; turn it on to repeat a run on "
        "a GPU exactly, which can be slower.",
    )  # fmt: skip
    num_processes: int = setting(
        1, ge=1, le=1024, label="Processes", group="Training", level="advanced",
        help="Processes that train together, usually one a GPU; raise it where there are several, the rows of a step "
        "are batch size times this.",
    )  # fmt: skip
    distributed: Literal["ddp", "fsdp"] = setting(
        "ddp", label="Spread by", group="Training", level="advanced", depends_on="processes > 1",
        help="How processes share the model: ddp gives each a copy, fsdp shares its parameters out; choose fsdp for "
        "models beyond the memory of one card.",
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", label="Device", group="Training", level="advanced",
        help="What computes: auto takes the GPU where there is one; choose cpu to leave it to others.",
    )  # fmt: skip
    num_threads: int = setting(
        0, ge=0, label="CPU threads", group="Training", level="advanced",
        help="CPU threads of one process; lower it where other work shares the machine, 0 takes every core.",
    )  # fmt: skip

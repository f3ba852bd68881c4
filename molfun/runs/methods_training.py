"""Sentences on model, training and scores of a run, made of recorded facts alone: what was not done is not told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from molfun.evaluation.names import baseline_title, metric_inline
from molfun.runs.methods_data import counted, listed

MAX_GROUPS = 3
PRETRAINED, RANDOM = "pretrained", "random"


def model_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return what was trained, of which model, and how it began."""
    model, settings = facts["model"], facts["settings"]
    name = model["title"] or model["name"]
    head, task = settings["model"]["head"], facts["data"]["task"]
    layer = f"a hidden layer of {head['hidden_size']}" if head["hidden_size"] else "a linear layer"
    if head["dropout"]:
        layer += f" and dropout {head['dropout']:g}"
    pooled = "" if task == "per_residue" else f", on {_POOLING[head['pooling']]} of the residue states"
    is_built = f"The head is {layer}{pooled}." if task != "structure" else _STRUCTURE_HEAD
    found = [_start(name, model["weights"]), is_built]
    if model["start_from"]:
        found.append(f"Training began from the weights of the run {model['start_from']}.")
    return [*found, _strategy(facts)]


_STRUCTURE_HEAD = (
    "The head updates the backbone frame and the torsion angles that the structure module found for each residue."
)
_POOLING = {
    "mean": "the mean", "cls": "the first (CLS)", "attention": "a learned weighting",
    "interface": "the mean, beside a learned weighting of the states of pairs of residues of two chains,",
}  # fmt: skip


def _start(name: str, weights: str) -> str:
    if weights == RANDOM:
        return (
            f"This is an untrained control: the architecture of {name} with random weights, without anything of its "
            "pretraining."
        )
    if weights == PRETRAINED:
        return f"The backbone is {name} with its pretrained weights."
    return f"The backbone is {name} with weights of a folder ({weights})."


def _strategy(facts: Mapping[str, Any]) -> str:
    strategy, model = facts["settings"]["strategy"], facts["model"]
    known = model["trainable"] is not None and model["total"] is not None
    share = f" ({model['trainable']:,} of {model['total']:,} parameters)" if known else ""
    match strategy["kind"]:
        case "head_only":
            return f"The trunk was frozen; the head alone was trained{share}."
        case "lora":
            dropout = f", dropout {strategy['dropout']:g}" if strategy["dropout"] else ""
            return (
                f"LoRA was trained (rank {strategy['rank']}, alpha {strategy['alpha']:g}{dropout}, "
                f"{_lora_layers(facts)}) together with the head{share}; the rest of the trunk was frozen."
            )
        case "partial":
            module = " and the structure module" if strategy["unfreeze_structure_module"] else ""
            return (
                f"Of the trunk, the last {counted(strategy['unfreeze_last_n'], 'block')}{module} trained together with "
                f"the head{share}; the rest was frozen."
            )
        case _:
            decay = strategy["layer_lr_decay"]
            rates = f", each earlier block with {decay:g} times the learning rate of the next one" if decay < 1 else ""
            return f"All weights were trained{share}{rates}."


def _lora_layers(facts: Mapping[str, Any]) -> str:
    told, lora = facts["settings"]["strategy"]["target_modules"], facts["model"].get("lora")
    where = f"layers {listed(told)}" if told else "the layers that the model proposes"
    return f"{where}: {lora['reached']} of {lora['layers']} linear layers" if lora else where


def optimiser_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how the weights were moved; nothing where no step was taken."""
    if not facts["training"]["steps"]:
        return []
    strategy = facts["settings"]["strategy"]
    decay = f" and weight decay {strategy['weight_decay']:g}" if strategy["weight_decay"] else ""
    found = [f"The optimiser was AdamW with {_rates(facts)}{decay}, {_schedule(strategy)}."]
    if strategy["grad_clip"]:
        found.append(f"Gradients were clipped to a norm of {strategy['grad_clip']:g}.")
    return [*found, _batches(facts), _loss(strategy, facts["data"]["task"])]


def _rates(facts: Mapping[str, Any]) -> str:
    groups = facts["model"]["groups"]
    known = [(group["name"], group["lr"]) for group in groups or [] if group.get("lr") is not None]
    if not known:
        return f"a learning rate of {facts['settings']['strategy']['lr']:g}"
    if len(known) > MAX_GROUPS:
        low, high = (choose(known, key=lambda pair: pair[1]) for choose in (min, max))
        return f"learning rates from {low[1]:.3g} ({low[0]}) to {high[1]:.3g} ({high[0]}) in {len(known)} groups"
    return f"learning rate {listed([f'{rate:.3g} ({name})' for name, rate in known])}"


def _schedule(strategy: Mapping[str, Any]) -> str:
    kind, steps = strategy["scheduler"], strategy["warmup_steps"]
    warm_up = f"a linear warm-up of {steps:,} steps, then " if steps else ""
    shape = "constant" if kind == "constant" else f"{kind} decay to {strategy['min_lr']:g} at the last planned step"
    return f"{warm_up}{shape}"


def _batches(facts: Mapping[str, Any]) -> str:
    training, strategy = facts["settings"]["training"], facts["settings"]["strategy"]
    size, windows = training["batch_size"], strategy["accumulation_steps"]
    processes = (facts["environment"] or {}).get("num_processes") or training["num_processes"]
    factors = [f"batches of {size} rows"]
    factors += [f"{windows} batches accumulated"] if windows > 1 else []
    factors += [f"{processes} processes"] if processes > 1 else []
    return f"A step used up to {size * windows * processes:,} rows ({', '.join(factors)})."


_LOSSES = {
    "mse": "the mean squared error", "mae": "the mean absolute error", "huber": "Huber's",
    "cross_entropy": "the cross-entropy", "bce": "the binary cross-entropy",
}  # fmt: skip


def _loss(strategy: Mapping[str, Any], task: str | None) -> str:
    name = strategy["loss_fn"]
    extra = f" (gamma {strategy['focal_gamma']:g})" if name == "focal" else ""
    extra += " with balanced class weights" if strategy["class_weights"] == "balanced" else ""
    unit = ", of targets in units of the training rows' standard deviation" if task == "regression" else ""
    return f"The loss was {_LOSSES.get(name, name.replace('_', ' '))}{extra}{unit}."


def course_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how far training came, what interrupted or changed it, and which weights were kept."""
    training, settings = facts["training"], facts["settings"]
    if not training["steps"]:
        return ["No optimiser step is recorded."]
    found = [_extent(training)]
    if training["ended_by_patience"]:
        strategy = settings["strategy"]
        found.append(
            f"Early stopping ended it: no better {_monitor(strategy['monitor'])} on the validation rows for "
            f"{counted(strategy['early_stopping_patience'], 'epoch')}."
        )
    found += _interruptions(training)
    found += [sentence for act in training["steered"] if (sentence := _act(act))]
    return [*found, *_weights(training["kept"], settings["strategy"])]


def _extent(training: Mapping[str, Any]) -> str:
    epochs, asked, planned = training["epochs"], training["asked_epochs"], training["planned_epochs"]
    if epochs is None:
        return f"{training['steps']:,} optimiser steps are recorded; how many epochs that is, is not."
    extended = f"{counted(asked, 'epoch')} (first planned: {planned})"
    plan = counted(asked, "planned epoch") if asked == planned else extended
    rows = f" on {training['num_train']:,} training rows" if training["num_train"] else ""
    return f"Training went through {epochs} of {plan}{rows}: {counted(training['steps'], 'optimiser step')}."


def _interruptions(training: Mapping[str, Any]) -> list[str]:
    resumes = [f"step {one['step']:,}" for one in training["resumes"]]
    found = [f"It was interrupted and resumed after {listed(resumes)}, from its checkpoints."] if resumes else []
    anew = training["starts"] - 1 - len(resumes)
    if anew > 0:
        found.append(f"It was started {counted(anew, 'more time')} from its beginning.")
    return found


def _act(act: Mapping[str, Any]) -> str:
    """Return in words what was asked of a run at work, where it changes what was trained; else nothing."""
    step = f"after step {act['step']:,}"
    if act["action"] == "lr" and "factor" in act:
        return f"All learning rates were multiplied by {act['factor']:g} by hand {step}."
    if act["action"] == "epochs" and "epochs" in act:
        before = f" instead of {act['before']}" if "before" in act else ""
        return f"The run was given {act['epochs']} epochs{before} by hand {step}."
    return {
        "pause": f"The run was paused {step} and went on later.",
        "stop_after_epoch": f"It was asked {step} to stop at the end of the epoch.",
    }.get(act["action"], "")


def _weights(kept: Mapping[str, Any] | None, strategy: Mapping[str, Any]) -> list[str]:
    if kept is None:
        return ["No weights of it are recorded."]
    if kept["is_chosen"]:
        better = f"its {_monitor(kept['monitor'])} on the validation rows was the best ({kept['value']:.4g})"
        found = [f"The weights of epoch {kept['epoch']} were kept, as {better}."]
    else:
        found = [f"The weights after epoch {kept['epoch']} were kept; no validation rows chose the epoch."]
    if not strategy["ema_decay"]:
        return found
    average = f"an exponential moving average (EMA, decay {strategy['ema_decay']:g})"
    if kept["weights"] == "ema":
        return [*found, f"The weights that were validated and kept are {average} of those that were trained."]
    return [*found, f"Of the weights {average} was validated; those that were kept are the raw ones."]


def _monitor(name: str) -> str:
    return metric_inline(name)


def score_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Return how the weights that were kept did on the test rows, and beside the baselines."""
    scores, rows = facts["scores"], (facts["data"] or {}).get("rows") or {}
    if scores["rows"] is None:
        return ["The split has no test rows, so there is no test score."] if rows.get("test") == 0 else [
            "No test score is recorded."
        ]  # fmt: skip
    primary, found = scores["primary"], []
    own = scores["metrics"].get(primary) or {}
    if own.get("value") is not None:
        found.append(
            f"On the {scores['rows']:,} test rows, which served neither training nor the choice of the epoch, "
            f"{metric_inline(primary)} was {own['value']:.3f}{_interval(own)}."
        )
    best = scores["baselines"].get(scores["best_baseline"])
    if best:
        title, reached = baseline_title(scores["best_baseline"]), best["metrics"][primary]
        found.append(f"The best simple baseline (“{title}”) reached {reached:.3f}{_interval(best)}.")
    if ahead := scores["ahead"]:
        sure = "" if ahead["low"] > 0 or ahead["high"] < 0 else ", which includes 0"
        found.append(
            f"The difference on the same rows was {ahead['value']:+.3f} (95 % interval {ahead['low']:+.3f} to "
            f"{ahead['high']:+.3f}{sure})."
        )
    if has_intervals(scores):
        found.append("Intervals are percentiles over resamples of the test rows (bootstrap).")
    if scores["agrees"] is False:
        found.append("Scores computed again from the predictions differ from those that the run wrote down.")
    return found


def has_intervals(scores: Mapping[str, Any]) -> bool:
    """Tell whether any score has an interval."""
    return any(one.get("low") is not None for one in (scores.get("metrics") or {}).values())


def _interval(value: Mapping[str, Any]) -> str:
    return "" if value.get("low") is None else f" (95 % interval {value['low']:.3f} to {value['high']:.3f})"

"""One training loop for every model: seeded, resumable after a kill, averaged weights, one cycle.

All state of a run is one file, `last.ckpt`, replaced in one step; the order of the examples and
each augmentation are functions of (seed, epoch, step), so a run that was killed and resumed gives
the weights of an unbroken one.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import nn

from model_export.nets.checkpoint import write_atomically
from model_export.train.tracking import Tracker, no_tracking

Precision = Literal["auto", "fp32", "bf16"]
Schedule = Literal["one_cycle", "cosine"]
Batch = dict[str, torch.Tensor]


class Task(Protocol):
    """What a recipe gives the loop."""

    net: nn.Module
    steps_per_epoch: int

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches of an epoch from `first_step` on; a function of its arguments only."""
        ...

    def loss(self, net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch and its parts for the log."""
        ...

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Numbers on the validation part, for the log."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """How to train. `ema_decay`: weight of the past in the averaged weights, per step (it grows
    from 0 with the first steps); `checkpoint_every_s`: beside the one at each epoch's end;
    `stop_after_steps`: end early as a kill would, for tests and for time slices.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.02
    warmup_share: float = 0.08
    schedule: Schedule = "one_cycle"
    ema_decay: float = 0.998
    clip_norm: float = 5.0
    seed: int = 2026
    precision: Precision = "auto"
    channels_last: bool = True
    threads: int = 2
    checkpoint_every_s: float = 60.0
    evaluate_every: int = 1
    stop_after_steps: int | None = None


@dataclass(frozen=True)
class FitReport:
    """`finished`: all epochs done; `steps` so far; `minutes` of training over all resumptions;
    `shortened_at_step`: from where on it hurried to an end nearer than the one it set out for.
    """

    finished: bool
    epochs: int
    steps: int
    minutes: float
    device: str
    precision: str
    metrics: dict[str, float]
    shortened_at_step: int | None = None


def pick_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_precision(wanted: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What "auto" means: bf16 where the processor computes in it.

    On a CPU with AVX512-BF16 a training step of the pose net takes 3.3 ms an image instead of 5.6
    (2 threads, 160 px); without those instructions bf16 is emulated and slower.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if supported() else "fp32"


def learning_rate_at(
    step: int, total: int, settings: LoopSettings, bend: tuple[int, float] | None = None
) -> float:
    """Rise over the warm-up (a straight line), then a half cosine to a hundredth of the peak.

    "cosine" starts at the peak; "one_cycle" rises from a tenth (Smith 2018). A run that was
    shortened has a `bend`: the step at which that was, and the rate from which it falls since.
    """
    peak, floor = settings.learning_rate, settings.learning_rate / 100
    if bend is not None:
        share = (step - bend[0]) / max(1, total - bend[0])
        return floor + (bend[1] - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    warmup = 0 if settings.schedule == "cosine" else max(1, int(total * settings.warmup_share))
    if step < warmup:
        return peak * (0.1 + 0.9 * step / warmup)
    share = (step - warmup) / max(1, total - warmup)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


class _Averaged:
    """The exponential moving average of a net's weights; running statistics are averaged too."""

    def __init__(self, net: nn.Module, decay: float):
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            mine = self.state[name]
            if mine.is_floating_point():
                mine.lerp_(value.detach(), 1 - keep)
            else:
                mine.copy_(value)


def _optimizer(net: nn.Module, settings: LoopSettings) -> torch.optim.AdamW:
    """AdamW; normalisation weights and biases are not decayed."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    kept = [p for p in net.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def fit(
    task: Task,
    settings: LoopSettings,
    out: Path,
    *,
    resume: bool = False,
    tracker: Tracker | None = None,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
    on_epoch: Callable[[int, nn.Module, dict[str, float]], None] | None = None,
) -> FitReport:
    """Train `task.net`; afterwards it holds the averaged weights.

    Writes `out/last.ckpt` (all state) and `out/log.jsonl` (a line per epoch). `on_step(step,
    total, parts)` is for a progress bar, `on_epoch(epoch, averaged net, metrics)` for intermediate
    models. With `resume` the run in `out` goes on where it was last saved (a fresh one begins when
    there is none); its settings must be the same, else ValueError. Only the epochs may be fewer
    than it set out for: then the rate falls from where it is to the new end.
    """
    torch.set_num_threads(settings.threads)
    # First weights are the recipe's; this one is for dropout. Nothing else draws globally.
    torch.manual_seed(settings.seed)
    device = pick_device()
    precision = pick_precision(settings.precision, device)
    tracker = tracker or no_tracking()
    out.mkdir(parents=True, exist_ok=True)
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    net = task.net.to(device=device).to(memory_format=layout)
    optimizer = _optimizer(net, settings)
    averaged = _Averaged(net, settings.ema_decay)
    total = settings.epochs * task.steps_per_epoch
    step, trained_s = 0, 0.0
    bend: tuple[int, float] | None = None
    identity = _identity(settings, total)
    last = out / "last.ckpt"
    if resume and last.exists():
        saved = torch.load(last, map_location=device, weights_only=True)
        bend = saved.get("bend")
        if saved["identity"] != identity:
            if not _shortened(saved["identity"], identity, saved["step"]):
                raise ValueError(f"{last} is of another run: {saved['identity']} is not {identity}")
            before = LoopSettings(**{**asdict(settings), "epochs": saved["identity"]["epochs"]})
            planned = saved["identity"]["total_steps"]
            bend = (saved["step"], learning_rate_at(saved["step"], planned, before, bend))
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        averaged.state = saved["averaged"]
        step, trained_s, precision = saved["step"], saved["trained_s"], saved["precision"]
        torch.set_rng_state(saved["rng"].cpu())
    else:
        (out / "log.jsonl").unlink(missing_ok=True)

    def save() -> None:
        state = {
            "identity": identity,
            "net": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "averaged": averaged.state,
            "step": step,
            "trained_s": trained_s + time.monotonic() - began,
            "precision": precision,
            "rng": torch.get_rng_state(),
            "bend": bend,
        }
        write_atomically(last, state)

    evaluated: dict[str, float] = {}
    began = saved_at = time.monotonic()
    stop_at = total if settings.stop_after_steps is None else settings.stop_after_steps
    tracker.start({**asdict(settings), "precision": precision, "device": device.type})
    while step < min(total, stop_at):
        epoch, first = divmod(step, task.steps_per_epoch)
        net.train()
        sums: dict[str, float] = {}
        for batch in task.batches(epoch, first):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, total, settings, bend)
            batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
            batch["image"] = batch["image"].contiguous(memory_format=layout)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss, parts = task.loss(net, batch)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} at step {step}: {parts}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), settings.clip_norm)
            optimizer.step()
            step += 1
            averaged.update(net, step)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            if on_step is not None:
                on_step(step, total, parts)
            if time.monotonic() - saved_at > settings.checkpoint_every_s:
                save()
                saved_at = time.monotonic()
            if step >= stop_at:
                break
        if step % task.steps_per_epoch:
            break
        save()
        seen = task.steps_per_epoch - first
        metrics = {f"train_{k}": v / seen for k, v in sums.items()}
        if (epoch + 1) % settings.evaluate_every == 0 or step >= total:
            judged = _with_weights(net, averaged.state)
            evaluated = task.evaluate(judged)
            if on_epoch is not None:
                on_epoch(epoch + 1, judged, evaluated)
            metrics.update(evaluated)
        metrics["minutes"] = (trained_s + time.monotonic() - began) / 60
        _log(out / "log.jsonl", epoch + 1, metrics)
        tracker.log(metrics, epoch + 1)
    tracker.finish()
    minutes = (trained_s + time.monotonic() - began) / 60
    if step >= total:
        net.load_state_dict(averaged.state)
        net.eval()
        if not evaluated:
            evaluated = task.evaluate(net)
    return FitReport(
        step >= total,
        step // task.steps_per_epoch,
        step,
        minutes,
        device.type,
        precision,
        evaluated,
        None if bend is None else bend[0],
    )


def _shortened(planned: dict[str, Any], wanted: dict[str, Any], step: int) -> bool:
    """Whether two runs differ in nothing but an end that is nearer, and not yet reached."""
    ends = {"epochs", "total_steps"}
    same = {k: v for k, v in planned.items() if k not in ends} == {
        k: v for k, v in wanted.items() if k not in ends
    }
    return same and step < wanted["total_steps"] < planned["total_steps"]


def _identity(settings: LoopSettings, total_steps: int) -> dict[str, Any]:
    """What must be the same for two parts of one run."""
    free = {"checkpoint_every_s", "stop_after_steps", "threads", "evaluate_every"}
    kept = {k: v for k, v in asdict(settings).items() if k not in free}
    return {**kept, "total_steps": total_steps}


def _with_weights(net: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    """A copy of the net with other weights, in evaluation mode."""
    twin = copy.deepcopy(net)
    twin.load_state_dict(state)
    return twin.eval()


def _log(path: Path, epoch: int, metrics: dict[str, float]) -> None:
    rounded = {k: round(float(v), 5) for k, v in metrics.items()}
    with path.open("a") as file:
        file.write(json.dumps({"epoch": epoch, **rounded}) + "\n")

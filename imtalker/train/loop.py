"""The training loop every stage shares: seeded, resumable at any step, with EMA and logs.

Everything random depends on ``(seed, step)`` only, so a run that was stopped and resumed equals one that was
not. Devices, mixed precision and several processes are `accelerate`'s business.
"""

import copy
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import tqdm
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from imtalker.errors import InputError

logger = logging.getLogger(__name__)

Batch = Any
Loss = Callable[[Mapping[str, nn.Module], Batch, int], dict[str, Tensor]]  # (modules, batch, step) -> "loss", ...
CHECKPOINT_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    steps: int = 10_000  # optimiser steps
    learning_rate: float = 1e-3
    final_rate: float = 0.02  # of learning_rate, reached by a cosine at the last step
    warmup_steps: int = 100
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0  # of the gradient; 0 switches clipping off
    gradient_accumulation: int = 1  # batches per optimiser step
    ema_decay: float = 0.999
    mixed_precision: str = "no"  # no | fp16 | bf16
    seed: int = 25
    workers: int = 0  # data processes; 0 makes batches in the training process
    log_every: int = 50
    save_every: int = 500
    validate_every: int = 500


@dataclass(frozen=True)
class Objective:
    """One optimiser: the modules it trains and the loss it lowers (a GAN has two)."""

    name: str
    modules: tuple[str, ...]  # names in the loop's module dictionary
    loss: Loss
    rate_scale: float = 1.0  # of the learning rate
    starts: int = 0  # first step at which it is taken
    # learning-rate factor of the weights that modules of a type own themselves: weights stored at unit variance
    # (equalised layers) need larger steps than weights of size 1/sqrt(fan_in)
    type_rates: Mapping[type[nn.Module], float] = field(default_factory=dict)


class _IndexedBatches(Dataset):
    """Batch ``i`` is a pure function of the seed and ``i``."""

    def __init__(self, make_batch: Callable[[int, np.random.Generator], Batch], seed: int, indices: range):
        self.make_batch, self.seed, self.indices = make_batch, seed, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Batch:
        index = self.indices[position]
        return self.make_batch(index, np.random.default_rng((self.seed, index)))


def learning_rate_at(config: LoopConfig, step: int) -> float:
    """Linear warm-up, then a cosine from ``learning_rate`` to ``final_rate * learning_rate``."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    span = max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / span)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


class TrainingLoop:
    """Runs objectives over batches and keeps everything needed to go on after an interruption.

    Parameters
    ----------
    config: lengths and rates.
    out: directory for ``checkpoint.pt`` and TensorBoard event files.
    modules: every trained network by name; they are moved to the accelerator's device.
    objectives: taken in this order at every step, on the same batches.
    make_batch: ``(index, rng) -> batch``; a pure function, may run in worker processes.
    validate: ``(EMA modules, step) -> numbers`` to log; runs on the main process only.
    ema: names of the modules whose exponential moving average is kept; default all.
    """

    def __init__(
        self,
        config: LoopConfig,
        out: Path | str,
        modules: Mapping[str, nn.Module],
        objectives: Sequence[Objective],
        make_batch: Callable[[int, np.random.Generator], Batch],
        validate: Callable[[Mapping[str, nn.Module], int], dict[str, float]] | None = None,
        ema: Sequence[str] | None = None,
        cpu: bool = False,
    ):
        self.config, self.out = config, Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.accelerator = Accelerator(
            cpu=cpu,
            mixed_precision=config.mixed_precision,
            log_with="tensorboard",
            project_dir=str(self.out),
        )
        self.objectives, self.make_batch, self.validate = list(objectives), make_batch, validate
        self.modules = {name: self.accelerator.prepare_model(module) for name, module in modules.items()}
        self.raw = {name: self.accelerator.unwrap_model(module) for name, module in self.modules.items()}
        names = list(modules) if ema is None else list(ema)
        self.ema = {name: copy.deepcopy(self.raw[name]).eval().requires_grad_(False) for name in names}
        self.optimizers = {o.name: self._optimizer(o) for o in self.objectives}
        # what the caller froze stays frozen when an objective hands its modules back
        self.trainable = {
            name: [p for p in module.parameters() if p.requires_grad] for name, module in self.raw.items()
        }
        self.step = 0

    def _optimizer(self, objective: Objective) -> Any:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for module in (m for name in objective.modules for m in self.raw[name].modules()):
            for parameter in module.parameters(recurse=False):
                if parameter.requires_grad:
                    is_matrix = parameter.ndim > 1
                    factor = objective.type_rates.get(type(module), 1.0) if is_matrix else 1.0
                    decay = self.config.weight_decay if is_matrix else 0.0
                    groups.setdefault((factor, decay), []).append(parameter)
        optimizer = torch.optim.AdamW(
            [{"params": p, "weight_decay": decay, "factor": factor} for (factor, decay), p in groups.items()],
            lr=self.config.learning_rate,
            betas=self.config.betas,
        )
        return self.accelerator.prepare_optimizer(optimizer)

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    @property
    def checkpoint_path(self) -> Path:
        return self.out / CHECKPOINT_NAME

    def save(self) -> None:
        """Write the checkpoint; an interrupted write leaves the previous one in place."""
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "step": self.step,
            "modules": {name: module.state_dict() for name, module in self.raw.items()},
            "ema": {name: module.state_dict() for name, module in self.ema.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "scaler": scaler.state_dict() if scaler is not None else None,
        }
        partial = self.checkpoint_path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint_path)

    def resume(self) -> None:
        """Continue from the checkpoint in ``out``.

        Raises
        ------
        InputError: there is no checkpoint.
        """
        if not self.checkpoint_path.is_file():
            raise InputError(f"{self.checkpoint_path} does not exist; start without resume")
        state = torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)
        for name, module in self.raw.items():
            module.load_state_dict(state["modules"][name])
        for name, module in self.ema.items():
            module.load_state_dict(state["ema"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]

    def _batches(self) -> DataLoader:
        per_step = self.config.gradient_accumulation
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        first, last = self.step * per_step, self.config.steps * per_step
        indices = range(first * world + rank, last * world, world)
        dataset = _IndexedBatches(self.make_batch, self.config.seed, indices)
        return DataLoader(dataset, batch_size=None, shuffle=False, num_workers=self.config.workers)

    def _optimise(self, objective: Objective, batches: list[Batch]) -> dict[str, Tensor]:
        optimizer = self.optimizers[objective.name]
        rate = learning_rate_at(self.config, self.step) * objective.rate_scale
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        others = [n for o in self.objectives for n in o.modules if n not in objective.modules]
        for parameter in (p for name in others for p in self.trainable[name]):
            parameter.requires_grad_(False)
        totals: dict[str, Tensor] = {}
        optimizer.zero_grad()
        for batch in batches:
            with self.accelerator.autocast():
                losses = objective.loss(self.modules, batch, self.step)
            self.accelerator.backward(losses["loss"] / len(batches))
            for name, value in losses.items():
                totals[name] = totals.get(name, torch.zeros(())) + value.detach().float().cpu() / len(batches)
        if self.config.clip_norm:
            parameters = [p for name in objective.modules for p in self.raw[name].parameters()]
            self.accelerator.clip_grad_norm_(parameters, self.config.clip_norm)
        optimizer.step()
        for parameter in (p for name in others for p in self.trainable[name]):
            parameter.requires_grad_(True)
        return {f"{objective.name}/{name}": value for name, value in totals.items()}

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A short memory at the start, so that early averages are not dominated by the initial weights.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, average in self.ema.items():
            for old, new in zip(average.parameters(), self.raw[name].parameters(), strict=True):
                old.lerp_(new.to(old.dtype), 1 - decay)
            for old, new in zip(average.buffers(), self.raw[name].buffers(), strict=True):
                old.copy_(new)

    def _to_device(self, batch: Batch) -> Batch:
        if isinstance(batch, Tensor):
            return batch.to(self.device, non_blocking=True)
        if isinstance(batch, Mapping):
            return {key: self._to_device(value) for key, value in batch.items()}
        if isinstance(batch, list | tuple):
            return type(batch)(self._to_device(value) for value in batch)
        return batch

    def run(self, until: int | None = None) -> dict[str, float]:
        """Train to ``until`` (default the configured last step), save, and return the last logged numbers."""
        config, accelerator = self.config, self.accelerator
        accelerator.init_trackers("logs", config={k: str(v) for k, v in asdict(config).items()})
        last = config.steps if until is None else min(until, config.steps)
        numbers: dict[str, float] = {}
        sums: dict[str, list[float]] = {}
        batches = iter(self._batches())
        progress = tqdm(total=config.steps, initial=self.step, disable=None)
        while self.step < last:
            group = [self._to_device(next(batches)) for _ in range(config.gradient_accumulation)]
            stream = self.step * accelerator.num_processes + accelerator.process_index
            torch.manual_seed(config.seed * 1_000_003 + stream)
            for objective in self.objectives:
                if self.step < objective.starts:
                    continue
                for name, value in self._optimise(objective, group).items():
                    sums.setdefault(name, []).append(float(value))
            self._update_ema()
            self.step += 1
            progress.update()
            done = self.step == last
            if self.step % config.log_every == 0 or done:
                numbers = {name: sum(values) / len(values) for name, values in sums.items()}
                sums = {}
                self._log(numbers)
            if self.validate is not None and (self.step % config.validate_every == 0 or done):
                if accelerator.is_main_process:
                    with torch.no_grad():
                        found = {f"validation/{k}": v for k, v in self.validate(self.ema, self.step).items()}
                    numbers = {**numbers, **found}
                    self._log(found)
                accelerator.wait_for_everyone()
            if self.step % config.save_every == 0 or done:
                self.save()
        progress.close()
        accelerator.end_training()
        return numbers

    def _log(self, numbers: dict[str, float]) -> None:
        self.accelerator.log(numbers, step=self.step)
        if self.accelerator.is_main_process:
            text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            logger.info("step %d  %s", self.step, text)


def run_stage(loop: TrainingLoop, resume: bool, export: Callable[[], None]) -> dict[str, float]:
    """Run a stage of training to its end, from its checkpoint if asked for, and write what it made.

    Raises:
        InputError: there is nothing to resume.
    """
    if resume:
        loop.resume()
    numbers = loop.run()
    export()
    return numbers

"""Lightning's loop: what it calls after each epoch, and what it keeps."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from PIL import Image

from train.module import TrainingModule
from train.settings import TrainConfig


def make_trainer(
    config: TrainConfig,
    out: Path,
    progress: Progress,
    *,
    precision: str,
    devices: int,
    nodes: int,
    strategy: str,
    accelerator: str,
) -> lightning.Trainer:
    """Lightning's loop as configured: it keeps the best and the last state in `out`."""
    t = config.trainer
    # A run shorter than the distance of two validations still needs one, or it keeps nothing.
    every_epochs = min(t.validate_every_epochs, t.epochs)
    callbacks: list[Callback] = [
        ModelCheckpoint(out, "best", t.monitor, mode=t.monitor_mode, enable_version_counter=False),
        ModelCheckpoint(
            out, "last", every_n_epochs=every_epochs, save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        progress,
        TQDMProgressBar(refresh_rate=10),
    ]  # fmt: skip
    if t.ema_decay > 0:
        callbacks.append(_moving_average(t.ema_decay))
    if t.patience:
        callbacks.append(EarlyStopping(t.monitor, mode=t.monitor_mode, patience=t.patience))
    loggers: list[Any] = [CSVLogger(out, name="logs")]
    with contextlib.suppress(ModuleNotFoundError):  # optional; logs/ holds the same numbers
        loggers.append(TensorBoardLogger(out, name="tensorboard"))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=t.epochs, precision=precision, check_val_every_n_epoch=every_epochs,
        callbacks=callbacks, logger=loggers, devices=devices, num_nodes=nodes, strategy=strategy,
        accelerator=accelerator, use_distributed_sampler=False, num_sanity_val_steps=0,
        enable_model_summary=False, log_every_n_steps=10,
    )  # fmt: skip


def _moving_average(decay: float) -> WeightAveraging:
    def average(kept: torch.Tensor, new: torch.Tensor, steps: int) -> torch.Tensor:
        if not kept.dtype.is_floating_point:
            return new
        # Young averages follow quickly, or they would remember the random start.
        weight = 1 - min(decay, float((1 + steps) / (10 + steps)))
        return torch.lerp(kept, new.to(kept.dtype), weight)

    return WeightAveraging(avg_fn=average)


class Progress(Callback):
    """Time spent, over all resumed parts of a run, and after each validation one answer to see."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.started = time.monotonic()
        self.earlier = 0.0

    def on_validation_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write ``progress/EPOCH.png``: the answer on the first image, where there is a picture."""
        assert isinstance(module, TrainingModule)
        if not trainer.is_global_zero or module.first_answer is None:
            return
        grey = module.task.shade(module.first_answer)
        if grey is not None:
            folder = self.out / "progress"
            folder.mkdir(exist_ok=True)
            Image.fromarray(grey).save(folder / f"{trainer.current_epoch + 1:05d}.png")

    def seconds(self) -> float:
        """Since the start of the run, without the time between a stop and its resumption."""
        return self.earlier + time.monotonic() - self.started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.earlier = state["seconds"]

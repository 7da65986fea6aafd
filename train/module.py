"""What one training step and one validation are, for Lightning's loop."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch

from train.data.normalization import Normalization
from train.data.store import Store
from train.models import build_network
from train.settings import TrainConfig
from train.systems import find_system

# Tensor cores read channels last; PyTorch's backward pass of a convolution on a CPU is slower in it,
# the more so the wider the layer.
_MEMORY_FORMAT = torch.channels_last if torch.cuda.is_available() else torch.contiguous_format


class TrainingModule(lightning.LightningModule):
    """Network, loss, optimiser and validation scores of one configuration.

    Parameters
    ----------
    config : TrainConfig
    store : Store
        Whole validation images are read from it.
    normalize : Normalization
    total_steps : int
        Length of the run, for the learning rate's schedule.
    """

    def __init__(
        self, config: TrainConfig, store: Store, normalize: Normalization, total_steps: int
    ) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config.network).to(memory_format=_MEMORY_FORMAT)
        self.store = store
        self.normalize = normalize
        self.total_steps = total_steps
        self.task = find_system(config.system).make_task()
        self._tally = self.task.tally()
        self.first_answer: np.ndarray | None = None  # probabilities of the first validation image

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainingModule:
        # The moving average needs a second network, not a second data set.
        twin = TrainingModule(self.config, self.store, self.normalize, self.total_steps)
        twin.load_state_dict(self.state_dict())
        return twin

    def on_train_epoch_start(self) -> None:
        """Batch norm can stay as it is in evaluation."""
        if self.config.trainer.freeze_norms:
            for module in self.network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()

    def training_step(self, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
        # Dropout starts from the step's own seed, so that a resumed run continues the same.
        torch.manual_seed(hash((self.config.seed, self.global_step, self.global_rank)) % 2**63)
        image = batch["image"].to(memory_format=_MEMORY_FORMAT)
        logits = self.network(image).float()
        value = self.task.loss(logits, batch, self.config)
        self.log("loss", value, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image))
        return value

    def validation_step(self, number: int, index: int) -> None:
        """One whole image of the validation part."""
        data, task = self.config.data, self.task
        widths = data.reference_widths
        at = (data, self.store, number, widths[index % len(widths)] if widths else None)
        image = torch.from_numpy(self.normalize(task.image(*at))).to(self.device)
        probability = task.by_network(self.network, self.config, image)
        if index == 0:
            self.first_answer = probability
        self._tally.add(probability, task.truth(*at))

    def on_validation_epoch_end(self) -> None:
        for name, value in self._tally.monitored().items():
            if not math.isnan(value):
                self.log(name, value, prog_bar=name == self.config.trainer.monitor)
        self._tally = self.task.tally()

    def configure_optimizers(self) -> Any:
        c = self.config.optimizer
        weights = [p for p in self.network.parameters() if p.requires_grad]
        optimizer: torch.optim.Optimizer
        if c.name == "sgd":
            optimizer = torch.optim.SGD(
                weights, c.learning_rate, momentum=c.momentum, weight_decay=c.weight_decay
            )
        else:
            kind = torch.optim.AdamW if c.name == "adamw" else torch.optim.Adam
            optimizer = kind(weights, c.learning_rate, weight_decay=c.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        c = self.config.optimizer
        warm = min(1.0, (step + 1) / c.warmup_steps) if c.warmup_steps else 1.0
        if c.schedule == "constant":
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(self.total_steps, 1))))

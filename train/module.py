"""What one training step and one validation are, for Lightning's loop."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from train.config import TrainConfig
from train.data.patches import Normalization
from train.data.resize import resized
from train.data.shown import shown_image, shown_map
from train.data.store import Store
from train.losses import segmentation_loss
from train.metrics import pixels
from train.metrics.membranes import best_v_rand
from train.models import UNetConfig, build_network
from train.systems import find_system
from train.whole_image import output_activation, probabilities

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
        self.system = find_system(config.system)
        self._answers: list[Any] = []
        self.first_probability: np.ndarray | None = None

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
        loss = self.config.loss
        if self.system.task == "segmentation":
            value = segmentation_loss(logits, batch["label"], batch["weight"], loss)
        else:
            value = F.cross_entropy(logits, batch["label"], label_smoothing=loss.label_smoothing)
        self.log("loss", value, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image))
        return value

    def validation_step(self, number: int, index: int) -> None:
        """One whole image of the validation part."""
        config = self.config
        if self.system.task == "classification":
            assert not isinstance(config.network, UNetConfig)
            label = self.store.array(number, "label")
            assert label is not None
            image = self.normalize(self.store.image(number, config.data.adjacent))
            x = torch.from_numpy(resized(image, config.network.size))[None].to(self.device)
            self._answers.append((self.network(x)[0].float().softmax(0).cpu().numpy(), int(label)))
            return
        widths = config.data.reference_widths
        at = (config.data, self.store, number)
        width_px = widths[index % len(widths)] if widths else None
        image = self.normalize(shown_image(*at, width_px=width_px))
        reference = shown_map(*at, "label", width_px)
        region = shown_map(*at, "region", width_px)
        assert reference is not None
        assert isinstance(config.network, UNetConfig)
        output = output_activation(config.network.classes, config.loss.name)
        x = torch.from_numpy(image).to(self.device)
        probability = probabilities(self.network, config.network, x, output)[1].numpy()
        if not self._answers:
            self.first_probability = probability
        self._answers.append((probability, reference, region))

    def on_validation_epoch_end(self) -> None:
        for name, value in self._scores().items():
            self.log(name, value, prog_bar=name == self.config.trainer.monitor)
        self._answers.clear()

    def _scores(self) -> dict[str, float]:
        if self.system.task == "classification":
            right = [int(p.argmax()) == label for p, label in self._answers]
            loss = [-math.log(max(float(p[label]), 1e-12)) for p, label in self._answers]
            return {"accuracy": sum(right) / len(right), "validation_loss": sum(loss) / len(loss)}
        counts = [pixels.count(p, reference, region) for p, reference, region in self._answers]
        scores = pixels.pooled(counts)
        if self.system.membranes:
            scores["v_rand"], _ = best_v_rand(
                [p for p, _, _ in self._answers], [~reference for _, reference, _ in self._answers]
            )
        return {k: v for k, v in scores.items() if not math.isnan(v)}

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

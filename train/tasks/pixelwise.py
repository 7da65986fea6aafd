"""What all segmentations share: a class for every pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from train.data.resize import resized
from train.data.shown import shown_image, shown_map
from train.data.store import Store
from train.losses import segmentation_loss
from train.predict import output_activation, probabilities
from train.settings import DataConfig, TrainConfig
from train.subject import Subject
from train.tasks.task import Task, Truth


class Pixelwise(Task):
    """A class for every pixel, by a U-Net, through the tiler."""

    engine_task = "segmentation"
    network_kind = "unet"
    any_size = True
    case_score = "dice"

    def patch(self, config: TrainConfig) -> tuple[int, int]:
        network = config.network
        return network.output_size(config.data.patch) + 2 * network.margin, network.margin

    def example(
        self, image: np.ndarray, label: np.ndarray, weight: np.ndarray | None, config: TrainConfig
    ) -> dict[str, np.ndarray]:
        weight = np.ones(label.shape, np.float32) if weight is None else weight
        maps = np.stack([label.astype(np.float32), weight])
        size = config.data.resize
        if size is not None:
            image, maps = resized(image, size), resized(maps, size, labels=True)
        return {"image": image, "maps": maps}

    def target(self, label: np.ndarray, maps: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"label": maps[0].round().long(), "weight": maps[1].contiguous()}

    def loss(
        self, logits: torch.Tensor, batch: dict[str, torch.Tensor], config: TrainConfig
    ) -> torch.Tensor:
        return segmentation_loss(logits, batch["label"], batch["weight"], config.loss)

    def image(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        return shown_image(data, store, number, width_px)

    def truth(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> Truth:
        maps = {
            k: shown_map(data, store, number, k, width_px) for k in ("label", "region", "second")
        }
        region = maps["region"]
        return Truth(maps["label"], None if region is None else region > 0, maps["second"])

    def by_network(
        self, network: nn.Module, config: TrainConfig, image: torch.Tensor
    ) -> np.ndarray:
        output = output_activation(config.network.classes, config.loss.name)
        return probabilities(network, config.network, image, output).numpy()

    def by_engine(
        self, subject: Subject, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        image = self.image(subject.data, store, number, width_px)
        return subject.engine.segment(image, output="probabilities", tta=subject.tta)

    def labels(self, probability: np.ndarray) -> np.ndarray:
        """Class of every pixel, uint8 (H, W)."""
        return probability.argmax(0).astype(np.uint8)

    def shade(self, probability: np.ndarray) -> np.ndarray:
        """Classes in equal steps from black to white."""
        return self._grey(self.labels(probability))

    def shade_reference(self, truth: Truth) -> np.ndarray:
        return self._grey(truth.label)

    def _grey(self, labels: np.ndarray) -> np.ndarray:
        return (255 / (len(self.classes) - 1) * labels).astype(np.uint8)

    def label_maps(self, subject: Subject, store: Store, number: int) -> dict[str, np.ndarray]:
        """``reference`` and ``answer``."""
        return {
            "reference": self.truth(subject.data, store, number).label,
            "answer": self.labels(self.by_engine(subject, store, number)),
        }

    def caption(self, case: dict[str, Any]) -> str:
        return f"Dice {case['dice']:.3f}"

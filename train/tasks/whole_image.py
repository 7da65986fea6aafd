"""One class for a whole image: a classifier."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from train.data.normalization import Normalization
from train.data.resize import resized
from train.data.sample import Sample
from train.data.store import Store
from train.metrics import classes
from train.metrics.titles import TITLES, Title
from train.settings import DataConfig, TrainConfig
from train.subject import Subject
from train.tasks.task import Calibrated, Scores, Tally, Task, Truth


class WholeImage(Task):
    """One class per image, resized to the network's input."""

    engine_task = "classification"
    network_kind = "classifier"
    any_size = False
    case_score = "probability"
    draws = 500
    recorded = ("scores", "intervals", "second_observer", "confusion")

    def packed(self, sample: Sample, data: DataConfig) -> Sample:
        """Tens of thousands of images: only what the network will see is kept."""
        if data.resize is None:
            return sample
        planes = resized(np.atleast_3d(sample.image).transpose(2, 0, 1), data.resize)
        image = planes.transpose(1, 2, 0).round().astype(np.uint8)
        return replace(sample, image=image[..., 0] if sample.image.ndim == 2 else image)

    def patch(self, config: TrainConfig) -> tuple[None, int]:
        return None, 0

    def example(
        self, image: np.ndarray, label: np.ndarray, weight: np.ndarray | None, config: TrainConfig
    ) -> dict[str, np.ndarray]:
        image = resized(image, config.network.size)
        return {"image": image, "maps": np.zeros_like(image[:1])}

    def target(self, label: np.ndarray, maps: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"label": torch.tensor(int(label))}

    def loss(
        self, logits: torch.Tensor, batch: dict[str, torch.Tensor], config: TrainConfig
    ) -> torch.Tensor:
        smoothing = config.loss.label_smoothing
        return F.cross_entropy(logits, batch["label"], label_smoothing=smoothing)

    def image(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        return store.image(number, data.adjacent)

    def truth(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> Truth:
        return Truth(store.array(number, "label"))

    def by_network(
        self, network: nn.Module, config: TrainConfig, image: torch.Tensor
    ) -> np.ndarray:
        x = torch.from_numpy(resized(image.cpu().numpy(), config.network.size))[None]
        return network(x.to(image.device))[0].float().softmax(0).cpu().numpy()

    def by_engine(
        self, subject: Subject, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        return subject.engine.classify(self.image(subject.data, store, number)).probabilities

    def tally(self) -> WholeImageTally:
        return WholeImageTally(self.classes)

    def calibrated(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> Calibrated:
        """As it is."""
        return Calibrated(network, config.network, {})

    def score_titles(self) -> dict[str, Title]:
        names = ("f1", "accuracy", "sensitivity", "specificity", "precision", "roc_auc", "brier")
        return {k: TITLES[k] for k in names}

    def caption(self, case: dict[str, Any]) -> str:
        return (
            f"reference {case['reference']}, answer {case['answer']} "
            f"({case['probability']:.3f} for the reference)"
        )


class WholeImageTally(Tally):
    """Reference and probabilities of each image."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._reference: list[int] = []
        self._probability: list[np.ndarray] = []

    def add(self, probability: np.ndarray, truth: Truth) -> dict[str, Any]:
        label = int(truth.label)
        self._reference.append(label)
        self._probability.append(probability)
        return {
            "reference": self._names[label],
            "answer": self._names[int(probability.argmax())],
            "probability": float(probability[label]),
        }

    def scores(self) -> Scores:
        return self.resampled(list(range(len(self._reference))))

    def monitored(self) -> Scores:
        reference, probability = self._arrays()
        right = [int(p.argmax()) == label for p, label in zip(probability, reference, strict=True)]
        loss = [
            -math.log(max(float(p[label]), 1e-12))
            for p, label in zip(probability, reference, strict=True)
        ]
        return {"accuracy": sum(right) / len(right), "validation_loss": sum(loss) / len(loss)}

    def resampled(self, chosen: list[int]) -> Scores:
        reference, probability = self._arrays()
        return classes.scores(reference[chosen], probability[chosen])

    def confusion(self) -> list[list[int]]:
        return classes.confusion(*self._arrays()).tolist()

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self._reference), np.array(self._probability)

"""A structure against its background: a segmentation of two classes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from train.data.normalization import Normalization
from train.data.store import Store
from train.metrics import pixels
from train.metrics.titles import TITLES, Title
from train.models import UNetConfig, build_network
from train.settings import TrainConfig
from train.tasks.pixelwise import Pixelwise
from train.tasks.task import Calibrated, Line, Scores, Tally, Truth

# An observer's labels have one operating point: no curve, no area.
_OF_LABELS = ("accuracy", "sensitivity", "specificity", "precision", "dice", "iou")


class TwoClass(Pixelwise):
    """Class 1, which is called positive, against class 0; networks have two outputs or one."""

    calibration = "the foreground's bias was moved"

    def outputs(self) -> tuple[int, ...]:
        return (2, 1)

    def check(self, config: TrainConfig) -> None:
        super().check(config)
        loss = config.loss.name
        if config.network.classes == 1 and "cross_entropy" in loss:
            raise ValueError(f"loss.name {loss!r} needs two outputs, network.classes is 1")

    def tally(self) -> TwoClassTally:
        return TwoClassTally()

    def labels(self, probability: np.ndarray) -> np.ndarray:
        return (structure(probability) > 0.5).astype(np.uint8)

    def shade(self, probability: np.ndarray) -> np.ndarray:
        """Probability of the structure, white = 1."""
        return (255 * structure(probability)).astype(np.uint8)

    def score_titles(self) -> dict[str, Title]:
        return {k: TITLES[k] for k in TITLES if k not in ("f1", "v_rand", "v_info")}

    def lines(self, result: dict[str, Any]) -> list[Line]:
        scores, second = result["scores"], result.get("second_observer")
        return [Line("engine", result["curves"], scores["roc_auc"], scores["pr_auc"], second)]

    def calibrated(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> Calibrated:
        """Shift the positive logit so that labels score highest on training images.

        Weighted losses call more, or less, foreground than there is. A constant added to one logit
        moves the point where labels change and nothing else. Networks trained to answer 0 or 1
        themselves get the logit that gives the same labels.
        """
        shape, goal = config.network, config.trainer.calibrate
        if config.loss.name == "mse":
            return Calibrated(*_as_logits(network, shape), {})
        if not goal:
            return Calibrated(network, shape, {})
        negative, positive = self._histograms(network, config, store, normalize)
        threshold = best_threshold(negative, positive, goal)
        with torch.no_grad():
            network.head.bias[-1] -= math.log(threshold / (1 - threshold))
        return Calibrated(network, shape, {"calibrated_threshold": threshold})

    @torch.inference_mode()
    def _histograms(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of training images by probability, in 200 bins: negative and positive ones."""
        edges = np.linspace(0, 1, 201)
        negatives, positives = np.zeros(200), np.zeros(200)
        numbers = store.part("train")
        for number in numbers[:: max(1, len(numbers) // 100)]:
            image = torch.from_numpy(normalize(self.image(config.data, store, number)))
            probability = structure(self.by_network(network, config, image))
            truth = self.truth(config.data, store, number)
            inside = np.ones(probability.shape, bool) if truth.region is None else truth.region
            there = truth.label[inside] > 0
            positives += np.histogram(probability[inside][there], edges)[0]
            negatives += np.histogram(probability[inside][~there], edges)[0]
        return negatives, positives


def structure(probability: np.ndarray) -> np.ndarray:
    """Probability of the structure, (H, W), from (K, H, W); K = 2, or 1 for networks of one output."""
    return probability[-1]


def best_threshold(negative: np.ndarray, positive: np.ndarray, goal: str) -> float:
    """Probability at which labels should change, by counts of pixels in equal bins from 0 to 1.

    Parameters
    ----------
    negative, positive : ndarray, shape (N,)
    goal : {"accuracy", "dice"}

    Returns
    -------
    float
        In (0, 1).
    """
    edges = np.linspace(0, 1, len(negative) + 1)
    # With threshold edges[k], pixels from bin k on are positive.
    true_positive = (positive.sum() - np.cumsum(positive))[:-1]
    false_positive = (negative.sum() - np.cumsum(negative))[:-1]
    if goal == "accuracy":
        score = true_positive + negative.sum() - false_positive
    else:
        score = 2 * true_positive / (true_positive + false_positive + positive.sum())
    return float(edges[1 + int(np.argmax(score))])


def _as_logits(network: nn.Module, shape: UNetConfig) -> tuple[nn.Module, UNetConfig]:
    """The same labels from a logit, for a network that was trained to answer 0 or 1 itself.

    relu(x) > 0.5 where x > 0.5, so the ReLU can go; sigmoid(4 (x - 0.5)) is 0.5 there, with the
    slope of x.
    """
    linear = replace(shape, output="linear")
    twin = build_network(linear)
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        twin.head.weight.mul_(4)
        twin.head.bias.sub_(0.5).mul_(4)
    return twin.eval(), linear


class TwoClassTally(Tally):
    """Histograms and counts of the positive class, pooled over images."""

    def __init__(self) -> None:
        self.counts: list[pixels.ImageCounts] = []
        self.second: list[pixels.ImageCounts] = []

    def add(self, probability: np.ndarray, truth: Truth) -> dict[str, Any]:
        reference = truth.label > 0
        self.counts.append(pixels.count(structure(probability), reference, truth.region))
        if truth.second is not None:
            other = (truth.second > 0).astype(np.float32)
            self.second.append(pixels.count(other, reference, truth.region))
        return {"dice": self.counts[-1].dice, "foreground_px": int(reference.sum())}

    def scores(self) -> Scores:
        return pixels.pooled(self.counts)

    def resampled(self, chosen: list[int]) -> Scores:
        return pixels.pooled([self.counts[i] for i in chosen])

    def confusion(self) -> list[list[int]]:
        return pixels.confusion(self.counts)

    def curves(self) -> dict[str, list[float]]:
        return pixels.thinned(pixels.curves(self.counts))

    def second_observer(self) -> Scores:
        if len(self.second) < len(self.counts):
            return {}
        return {k: v for k, v in pixels.pooled(self.second).items() if k in _OF_LABELS}

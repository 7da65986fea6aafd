"""Several structures in one picture: a segmentation of any number of classes, scored class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from train.data.normalization import Normalization
from train.data.store import Store
from train.metrics import pixels
from train.metrics.shifts import best_shifts
from train.metrics.titles import TITLES, Title
from train.settings import TrainConfig
from train.tasks.pixelwise import Pixelwise
from train.tasks.task import Calibrated, Line, Scores, Tally, Truth

# Of each class against all others; their means over classes are scores as well.
_PER_CLASS = ("dice", "sensitivity", "precision", "iou", "roc_auc", "pr_auc")
_AREAS = ("roc_auc", "pr_auc")
_PIXELS_PER_IMAGE = 10_000  # of a training image, for calibration


class MultiClass(Pixelwise):
    """Classes 1 to K - 1 are structures, class 0 is what is left over; K outputs by softmax.

    A score of a class carries its name, such as ``dice/fluid``; one without a name is the mean over
    the structures.
    """

    calibration = "the structures' biases were moved"
    recorded = ("scores", "intervals", "second_observer", "confusion")

    def check(self, config: TrainConfig) -> None:
        super().check(config)
        if config.loss.name in ("bce", "mse"):
            raise ValueError(
                f"loss.name {config.loss.name!r} is for two classes, {config.system} has "
                f"{len(self.classes)}; cross_entropy, dice or both do"
            )

    def tally(self) -> MultiClassTally:
        return MultiClassTally(self.classes)

    def score_titles(self) -> dict[str, Title]:
        mean = {
            "dice": Title("Dice (F1), mean over classes", "Dice"),
            "dice_per_image": Title("Dice, mean over classes and images", "Dice per image"),
            "accuracy": Title("Accuracy, all pixels", "accuracy"),
        }
        of_class = {
            f"{score}/{name}": Title(
                f"{TITLES[score].full.split(',')[0]}, {name}", f"{TITLES[score].short} {name}"
            )
            for score in ("dice", "sensitivity", "precision")
            for name in self.classes[1:]
        }
        others = {
            k: Title(f"{TITLES[k].full}, mean over classes", TITLES[k].short)
            for k in ("sensitivity", "precision", "iou", "roc_auc", "pr_auc")
        }
        return mean | others | {"brier": TITLES["brier"]} | of_class

    def lines(self, result: dict[str, Any]) -> list[Line]:
        scores = result["scores"]
        return [
            Line(name, curves, scores[f"roc_auc/{name}"], scores[f"pr_auc/{name}"])
            for name, curves in result["curves"].items()
        ]

    def calibrated(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> Calibrated:
        """Shift each structure's logit so that labels score highest on training images."""
        goal = config.trainer.calibrate
        if not goal:
            return Calibrated(network, config.network, {})
        logits, label = self._sampled_pixels(network, config, store, normalize)
        shifts = best_shifts(logits, label, goal)
        with torch.no_grad():
            network.head.bias += network.head.bias.new_tensor(shifts)
        provenance = {"calibrated_shifts": [round(float(s), 4) for s in shifts]}
        return Calibrated(network, config.network, provenance)

    @torch.inference_mode()
    def _sampled_pixels(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, K), up to a constant per pixel, and labels (N,) of training images."""
        logits, labels = [], []
        numbers = store.part("train")
        for number in numbers[:: max(1, len(numbers) // 100)]:
            image = torch.from_numpy(normalize(self.image(config.data, store, number)))
            probability = self.by_network(network, config, image)
            truth = self.truth(config.data, store, number)
            inside = np.flatnonzero(
                np.ones(truth.label.shape, bool) if truth.region is None else truth.region
            )
            inside = inside[:: max(1, len(inside) // _PIXELS_PER_IMAGE)]
            flat = probability.reshape(len(probability), -1)[:, inside]
            logits.append(np.log(np.maximum(flat, 1e-12)).T)
            labels.append(truth.label.reshape(-1)[inside])
        return np.concatenate(logits), np.concatenate(labels)


class MultiClassTally(Tally):
    """Per image and class the counts of this class against all others, and one confusion matrix."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._counts: list[list[pixels.ImageCounts]] = []  # [image][class]
        self._second: list[list[pixels.ImageCounts]] = []
        self._confusion = np.zeros((len(names), len(names)), np.int64)

    def add(self, probability: np.ndarray, truth: Truth) -> dict[str, Any]:
        counts = self._against_all(probability, truth)
        self._counts.append(counts)
        answer = probability.argmax(0)
        inside = ... if truth.region is None else truth.region
        size = len(self._names)
        pairs = truth.label[inside].astype(np.int64) * size + answer[inside]
        self._confusion += np.bincount(pairs.ravel(), minlength=size**2).reshape(size, size)
        if truth.second is not None:
            other = np.eye(size, dtype=np.float32)[truth.second].transpose(2, 0, 1)
            self._second.append(self._against_all(other, truth))
        return {"dice": _dice_of(counts), "foreground_px": int((truth.label > 0).sum())}

    def _against_all(self, probability: np.ndarray, truth: Truth) -> list[pixels.ImageCounts]:
        answer = probability.argmax(0)
        return [
            pixels.count(probability[k], truth.label == k, truth.region, answer == k)
            for k in range(len(self._names))
        ]

    def scores(self) -> Scores:
        return self._scores(self._counts, pixels.pooled)

    def resampled(self, chosen: list[int]) -> Scores:
        # Areas below the curves of each class, a thousand times, would take longer than training.
        return self._scores([self._counts[i] for i in chosen], pixels.rates)

    def _scores(self, counts: list[list[pixels.ImageCounts]], score: Any) -> Scores:
        classes = list(zip(*counts, strict=True))
        per_class = {
            name: _undefined_if_absent(score(list(images)), images)
            for name, images in zip(self._names[1:], classes[1:], strict=True)
        }
        kept = [k for k in _PER_CLASS if all(k in scores for scores in per_class.values())]
        # Every pixel is counted once per class: right where it is a true positive of one of them.
        right = sum(i.true_positive for images in classes for i in images)
        pixel_count = sum(i.pixels for i in classes[0])
        result = {k: _mean([scores[k] for scores in per_class.values()]) for k in kept}
        result["dice_per_image"] = float(np.mean([_dice_of(image) for image in counts]))
        result["accuracy"] = right / pixel_count
        result["brier"] = sum(i.squared_error for images in classes for i in images) / pixel_count
        return result | {
            f"{k}/{name}": scores[k] for k in kept for name, scores in per_class.items()
        }

    def confusion(self) -> list[list[int]]:
        return self._confusion.tolist()

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """By class; those without a pixel in the reference have none."""
        classes = zip(self._names, zip(*self._counts, strict=True), strict=True)
        return {
            name: pixels.thinned(pixels.curves(list(images)))
            for name, images in list(classes)[1:]
            if any(i.positive.any() for i in images) and any(i.negative.any() for i in images)
        }

    def second_observer(self) -> Scores:
        if len(self._second) < len(self._counts):
            return {}
        scores = self._scores(self._second, pixels.rates)
        return {k: v for k, v in scores.items() if k != "brier"}


def _dice_of(counts: list[pixels.ImageCounts]) -> float:
    """Mean Dice of the structures in reference or answer of one image; 1 if there are none."""
    found = [c.dice for c in counts[1:] if c.true_positive + c.false_positive + c.false_negative]
    return float(np.mean(found)) if found else 1.0


def _undefined_if_absent(scores: Scores, images: tuple[pixels.ImageCounts, ...]) -> Scores:
    """A class that neither reference nor answer holds is no perfect result."""
    if any(i.true_positive + i.false_positive + i.false_negative for i in images):
        return scores
    return dict.fromkeys(scores, float("nan"))


def _mean(values: list[float]) -> float:
    defined = [v for v in values if not np.isnan(v)]
    return float(np.mean(defined)) if defined else float("nan")

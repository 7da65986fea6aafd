"""Scores of a foreground against its background, pooled over images.

Every score is a function of two histograms over probability (reference background and reference
foreground), which are sums over images: resampling images is adding other histograms. Curves come
from scikit-learn with the histograms as sample weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import auc, precision_recall_curve, roc_curve

BINS = 4096


@dataclass(frozen=True)
class ImageCounts:
    """What one image contributes.

    Attributes
    ----------
    negative, positive : ndarray of int64, shape (BINS,)
        Pixels of the reference's background and foreground by the probability given to them.
    squared_error : float
        Sum of (probability - reference)^2.
    true_positive, false_positive, false_negative, true_negative : int
        Pixels of the labels against the reference.
    """

    negative: np.ndarray
    positive: np.ndarray
    squared_error: float
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def pixels(self) -> int:
        """All pixels that count."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def dice(self) -> float:
        """Dice of this image; 1 where neither labels nor reference hold any foreground."""
        return dice(self.true_positive, self.false_positive, self.false_negative)


def count(
    probability: np.ndarray, reference: np.ndarray, region: np.ndarray | None = None,
    label: np.ndarray | None = None,
) -> ImageCounts:  # fmt: skip
    """Compare one image with its reference.

    Parameters
    ----------
    probability : ndarray of float, shape (H, W), in [0, 1]
        Of the foreground.
    reference : ndarray of bool, shape (H, W)
    region : ndarray of bool, shape (H, W), optional
        Where pixels count; default everywhere.
    label : ndarray of bool, shape (H, W), optional
        Default: probability > 0.5.
    """
    inside = np.ones(reference.shape, bool) if region is None else region.astype(bool)
    p, r = probability[inside].astype(np.float64), reference[inside].astype(bool)
    found = p > 0.5 if label is None else label[inside].astype(bool)
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    return ImageCounts(
        negative=np.bincount(bins[~r], minlength=BINS),
        positive=np.bincount(bins[r], minlength=BINS),
        squared_error=float(((p - r) ** 2).sum()),
        true_positive=int((found & r).sum()),
        false_positive=int((found & ~r).sum()),
        false_negative=int((~found & r).sum()),
        true_negative=int((~found & ~r).sum()),
    )


def dice(true_positive: float, false_positive: float, false_negative: float) -> float:
    """2 TP / (2 TP + FP + FN); 1 where nothing is there and nothing was found."""
    total = 2 * true_positive + false_positive + false_negative
    return 2 * true_positive / total if total else 1.0


def curves(images: list[ImageCounts]) -> dict[str, np.ndarray]:
    """ROC and precision-recall curves of the pooled pixels.

    Returns
    -------
    dict of ndarray
        ``fpr``, ``tpr``; ``recall``, ``precision``.
    """
    y, score, weight = _weighted(images)
    fpr, tpr, _ = roc_curve(y, score, sample_weight=weight)
    precision, recall, _ = precision_recall_curve(y, score, sample_weight=weight)
    return {"fpr": fpr, "tpr": tpr, "recall": recall, "precision": precision}


def _weighted(images: list[ImageCounts]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score = (np.arange(BINS) + 0.5) / BINS
    negative = np.sum([i.negative for i in images], axis=0)
    positive = np.sum([i.positive for i in images], axis=0)
    y = np.repeat([0, 1], BINS)
    weight = np.concatenate([negative, positive]).astype(np.float64)
    kept = weight > 0
    return y[kept], np.tile(score, 2)[kept], weight[kept]


def rates(images: list[ImageCounts]) -> dict[str, float]:
    """Scores of the labels over the pixels of all images together, and the Brier score.

    Returns
    -------
    dict of float
        ``accuracy``, ``sensitivity``, ``specificity``, ``precision``, ``dice`` (= F1), ``iou``,
        ``dice_per_image`` (mean), ``brier``. NaN where a score is not defined, for example the
        sensitivity without any foreground.
    """
    tp, fp, fn, tn = (
        float(sum(getattr(i, name) for i in images))
        for name in ("true_positive", "false_positive", "false_negative", "true_negative")
    )
    pixels = tp + fp + fn + tn
    return {
        "accuracy": _ratio(tp + tn, pixels),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "precision": _ratio(tp, tp + fp),
        "dice": dice(tp, fp, fn),
        "iou": _ratio(tp, tp + fp + fn),
        "dice_per_image": float(np.mean([i.dice for i in images])),
        "brier": _ratio(sum(i.squared_error for i in images), pixels),
    }


def pooled(images: list[ImageCounts]) -> dict[str, float]:
    """`rates`, and the areas ``roc_auc`` and ``pr_auc`` below the curves; NaN where not defined."""
    result = rates(images)
    brier = result.pop("brier")  # last, as in the records
    result["roc_auc"] = result["pr_auc"] = float("nan")
    if any(i.positive.any() for i in images) and any(i.negative.any() for i in images):
        c = curves(images)
        result["roc_auc"] = float(auc(c["fpr"], c["tpr"]))
        result["pr_auc"] = float(auc(c["recall"], c["precision"]))
    return result | {"brier": brier}


def thinned(curves: dict[str, np.ndarray], points: int = 200) -> dict[str, list[float]]:
    """Curves in few points, for the report: a plot needs no more."""

    def few(curve: np.ndarray) -> list[float]:
        kept = np.unique(np.linspace(0, len(curve) - 1, points).round().astype(int))
        return [round(float(v), 5) for v in curve[kept]]

    return {name: few(curve) for name, curve in curves.items()}


def confusion(images: list[ImageCounts]) -> list[list[int]]:
    """Pixels of all images, rows = reference (background, foreground), columns = labels."""
    tn, fp, fn, tp = (
        sum(getattr(i, name) for i in images)
        for name in ("true_negative", "false_positive", "false_negative", "true_positive")
    )
    return [[tn, fp], [fn, tp]]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")

"""Scores of a classifier of whole images, by scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn import metrics


def confusion(reference: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Confusion matrix, rows = reference, columns = answer.

    Parameters
    ----------
    reference : ndarray of int, shape (N,)
    probability : ndarray of float, shape (N, K)

    Returns
    -------
    ndarray of int64, shape (K, K)
    """
    answer = probability.argmax(1)
    return metrics.confusion_matrix(reference, answer, labels=range(probability.shape[1]))


def scores(reference: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Scores over all images, means over classes where a score is of one class.

    Parameters
    ----------
    reference : ndarray of int, shape (N,)
    probability : ndarray of float, shape (N, K)

    Returns
    -------
    dict of float
        ``accuracy``; ``sensitivity``, ``specificity``, ``precision``, ``f1``: means over the
        classes that occur; ``roc_auc``: mean of one class against the rest; ``brier``: mean
        squared distance to the reference (0 to 2). NaN where not defined.
    """
    table = confusion(reference, probability)
    right = np.diag(table).astype(float)
    rows, columns, total = table.sum(1), table.sum(0), table.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = right / rows
        specificity = (total - rows - columns + right) / (total - rows)
        precision = right / columns
        f1 = 2 * right / (rows + columns)
    occurs = rows > 0
    onehot = np.eye(probability.shape[1])[reference]
    areas = [
        metrics.roc_auc_score(reference == k, probability[:, k])
        for k in range(probability.shape[1])
        if 0 < rows[k] < total
    ]
    return {
        "accuracy": float(right.sum() / total),
        "sensitivity": float(np.mean(sensitivity[occurs])),
        "specificity": float(np.nanmean(specificity[occurs])) if occurs.sum() > 1 else float("nan"),
        "precision": float(np.nanmean(precision[occurs]))
        if columns[occurs].any()
        else float("nan"),
        "f1": float(np.mean(f1[occurs])),
        "roc_auc": float(np.mean(areas)) if areas else float("nan"),
        "brier": float(((probability - onehot) ** 2).sum(1).mean()),
    }

"""Constants added to logits, by class, so that the labels score highest."""

from __future__ import annotations

import numpy as np

_CANDIDATES = np.linspace(-5, 5, 201)


def best_shifts(logits: np.ndarray, label: np.ndarray, goal: str, sweeps: int = 2) -> np.ndarray:
    """Best shift of each class but class 0, one class after the other.

    Parameters
    ----------
    logits : ndarray of float, shape (N, K)
    label : ndarray of int, shape (N,)
    goal : {"accuracy", "dice"}
        Share of right pixels, or the mean Dice of classes 1 to K - 1 where they occur.
    sweeps : int
        How often each class has its turn.

    Returns
    -------
    ndarray of float64, shape (K,)
        0 for class 0: only differences matter. Where a shift gains nothing it is 0.
    """
    classes = logits.shape[1]
    shifts = np.zeros(classes)
    for _ in range(sweeps):
        for k in range(1, classes):
            scores = _scores(logits + shifts, label, k, goal)
            best = np.flatnonzero(scores == scores.max())
            nearest = best[np.abs(_CANDIDATES[best]).argmin()]
            shifts[k] += _CANDIDATES[nearest]
    return shifts


def _scores(logits: np.ndarray, label: np.ndarray, k: int, goal: str) -> np.ndarray:
    """Score of the labels for each candidate that could be added to the logit of class `k`."""
    classes = logits.shape[1]
    rivals = logits.copy()
    rivals[:, k] = -np.inf
    rival = rivals.argmax(1)
    # From this candidate on, a pixel is of class k; before, of its rival.
    turn = np.searchsorted(_CANDIDATES, rivals.max(1) - logits[:, k], side="right")

    def turned(pixels: np.ndarray) -> np.ndarray:
        return np.bincount(turn[pixels], minlength=len(_CANDIDATES) + 1).cumsum()[:-1]

    right, answered = np.zeros((2, classes, len(_CANDIDATES)))
    for j in range(classes):
        own = rival == j if j != k else np.ones(len(label), bool)
        hits = own & (label == j)
        right[j] = turned(hits) if j == k else hits.sum() - turned(hits)
        answered[j] = turned(own) if j == k else own.sum() - turned(own)
    if goal == "accuracy":
        return right.sum(0)
    there = np.bincount(label, minlength=classes)
    scored = [j for j in range(1, classes) if there[j]]
    return np.mean([2 * right[j] / (answered[j] + there[j]) for j in scored], axis=0)

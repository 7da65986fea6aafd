"""How undecided a network is: the entropy of its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def uncertainty(probabilities: Array, activation: str = "softmax") -> npt.NDArray[np.float32]:
    """Entropy of each pixel's probabilities, as a share of the largest possible one.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (K, H, W)
        In [0, 1], as from `Engine.segment`.
    activation : {"softmax", "sigmoid"}
        ``engine.info.activation``. Softmax: one distribution over K >= 2 classes. Sigmoid: K
        decisions between yes and no, of whose entropies the mean is taken.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 where one class is certain; 1 where all are equally likely.

    Raises
    ------
    ValueError
        Another activation: such results are no probabilities.

    Notes
    -----
    Shannon 1948: ``-sum(p log p)``, here over ``log K`` (softmax) or ``log 2`` (sigmoid).
    """
    if activation not in ("softmax", "sigmoid"):
        raise ValueError(
            f"uncertainty is the entropy of probabilities; this network's results (activation "
            f"{activation!r}) are none"
        )
    classes = len(probabilities)
    if activation == "softmax":
        total = sum(_weighed(p) for p in probabilities) / np.log(max(classes, 2))
    else:
        total = sum(_weighed(p) + _weighed(1 - p) for p in probabilities) / (classes * np.log(2))
    return np.asarray(np.clip(total, 0, 1), np.float32)


def _weighed(p: Array) -> npt.NDArray[np.float64]:
    """``-p log p`` in double; 0 at 0."""
    wide = p.astype(np.float64)
    return np.asarray(-wide * np.log(np.where(wide > 0, wide, 1)))

"""Intervals of scores by drawing the images again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def bootstrap(
    score: Callable[[list[int]], dict[str, float]], images: int, seed: int = 0, draws: int = 1000
) -> dict[str, tuple[float, float]]:
    """95 % intervals of scores when other images of the same kind had been drawn.

    Percentile bootstrap over images (Efron and Tibshirani 1993, section 13.3).

    Parameters
    ----------
    score : callable
        Indices of images, with repetitions, to scores.
    images : int
        Number of images.
    seed, draws : int

    Returns
    -------
    dict of (float, float)
        2.5 and 97.5 % per score; empty for a single image, which says nothing about others.
    """
    if images < 2:
        return {}
    rng = np.random.default_rng(seed)
    values: dict[str, list[float]] = {}
    for _ in range(draws):
        for name, value in score(rng.integers(images, size=images).tolist()).items():
            values.setdefault(name, []).append(value)
    return {
        name: (float(np.nanpercentile(v, 2.5)), float(np.nanpercentile(v, 97.5)))
        for name, v in values.items()
        if not np.isnan(v).all()
    }

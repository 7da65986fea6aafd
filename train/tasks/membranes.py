"""Membranes between cells: two classes, and scores of the cells that they cut out."""

from __future__ import annotations

from typing import Any

import numpy as np

from train.metrics import membranes
from train.metrics.titles import TITLES, Title
from train.tasks.task import Scores, Truth
from train.tasks.two_class import TwoClass, TwoClassTally, structure


class Membranes(TwoClass):
    """Class 1 is membrane, class 0 the interior of cells; V-Rand and V-Info are scores, too."""

    def tally(self) -> MembraneTally:
        return MembraneTally()

    def score_titles(self) -> dict[str, Title]:
        return super().score_titles() | {k: TITLES[k] for k in ("v_rand", "v_info")}


class MembraneTally(TwoClassTally):
    """Whole maps are kept: the best threshold is sought over all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._probabilities: list[np.ndarray] = []
        self._interiors: list[np.ndarray] = []
        self._cells: dict[str, np.ndarray] = {}  # per image, at the best threshold

    def add(self, probability: np.ndarray, truth: Truth) -> dict[str, Any]:
        self._probabilities.append(structure(probability))
        self._interiors.append(truth.label == 0)
        self._cells.clear()
        return super().add(probability, truth)

    def monitored(self) -> Scores:
        rand, _ = membranes.best_v_rand(self._probabilities, self._interiors)
        return super().scores() | {"v_rand": rand}

    def scores(self) -> Scores:
        rand, threshold = membranes.best_v_rand(self._probabilities, self._interiors)
        pairs = list(zip(self._probabilities, self._interiors, strict=True))
        self._cells = {
            "v_rand": np.array([membranes.v_rand(p, i, threshold) for p, i in pairs]),
            "v_info": np.array([membranes.v_info(p, i, threshold) for p, i in pairs]),
        }
        info = float(self._cells["v_info"].mean())
        return super().scores() | {"v_rand": rand, "v_info": info, "v_rand_threshold": threshold}

    def resampled(self, chosen: list[int]) -> Scores:
        if not self._cells:
            self.scores()
        cells = {name: float(values[chosen].mean()) for name, values in self._cells.items()}
        return super().resampled(chosen) | cells

"""Score an engine file on the validation sections of its system, whole images at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pyengine
from train.config import TrainConfig
from train.data import data_root, isbi2012
from train.metrics import best_v_rand


def evaluate_engine(engine: str | Path, config: TrainConfig) -> dict[str, float]:
    """Pixel accuracy and best V-Rand of an engine on ISBI 2012.

    Parameters
    ----------
    engine : str or Path
        A ``*.pyengine`` file or the name of one that ships.
    config : TrainConfig
        Names the validation sections.

    Returns
    -------
    dict of float
        ``accuracy`` of the labels, ``v_rand`` after the best threshold on the membrane's
        probability, ``v_rand_threshold``.
    """
    volume = isbi2012.load(data_root() / "isbi2012")
    opened = pyengine.Engine(engine)
    sections = list(config.validation_sections)
    images, truth = volume.images[sections], volume.membranes[sections]
    labels = np.stack(list(opened.segment_batch(images)))
    probabilities = np.stack(list(opened.segment_batch(images, output="probabilities")))[:, 1]
    rand, threshold = best_v_rand(probabilities, truth == 0)
    return {
        "accuracy": float((labels == truth).mean()),
        "v_rand": rand,
        "v_rand_threshold": threshold,
    }

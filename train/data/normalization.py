"""Grey values to what a network gets, by the training images of a data set."""

from __future__ import annotations

import numpy as np

from train.data.store import Store
from train.settings import TrainConfig


class Normalization:
    """Grey values to network input: subtract `mean`, divide by `std`, one number per channel."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean = mean
        self.std = std

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W) or (H, W, C) to float32 (C, H, W)."""
        channels = np.moveaxis(np.atleast_3d(image), 2, 0).astype(np.float32)
        mean, std = (np.array(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        return (channels - mean) / std

    def preprocessing(self) -> list[dict]:
        """The same as a step of the engine's manifest."""
        return [{"name": "fixed_zero_mean_unit_variance", "mean": self.mean, "std": self.std}]


def normalization(store: Store, config: TrainConfig) -> Normalization:
    """Of the training part, as `config.data.preprocessing` says."""
    if not store.part("train"):
        raise ValueError(f"{store.path}: holds no training image")
    first = store.image(store.part("train")[0], config.data.adjacent)
    channels = 1 if first.ndim == 2 else first.shape[2]
    if config.data.preprocessing == "rescale":
        return Normalization([0.0] * channels, [255.0] * channels)
    total = np.zeros((3, channels))
    for number in store.part("train"):
        pixels = np.atleast_3d(store.image(number, config.data.adjacent)).reshape(-1, channels)
        pixels = pixels.astype(np.float64)
        total += np.stack([np.full(channels, len(pixels)), pixels.sum(0), (pixels**2).sum(0)])
    mean = total[1] / total[0]
    std = np.sqrt(np.maximum(total[2] / total[0] - mean**2, 1e-12))
    return Normalization([float(m) for m in mean], [float(s) for s in std])

"""Training pairs drawn from a packed data set, the same in every run with the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from monai.transforms import Compose
from torch.utils.data import Dataset, Sampler

from train.augment import augmentation
from train.config import TrainConfig
from train.data.resize import resized
from train.data.store import Store
from train.losses import border_weights
from train.models import UNetConfig


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


class TrainingPairs(Dataset):
    """Augmented pairs by a running number, which alone (with the seed) decides what they are.

    Items are dicts of tensors: "image" float32 (C, H, W); for segmentation "label" int64 (h, w)
    and "weight" float32 (h, w); for classification "label" int64 ().

    Parameters
    ----------
    store : Store
    config : TrainConfig
    normalize : Normalization
    """

    def __init__(self, store: Store, config: TrainConfig, normalize: Normalization) -> None:
        self.store = store
        self.config = config
        self.normalize = normalize
        self.numbers = store.part("train")
        self.length = config.data.patches_per_epoch or len(self.numbers)
        self.segmentation = isinstance(config.network, UNetConfig)
        network = config.network
        side = None
        if isinstance(network, UNetConfig):
            side = network.output_size(config.data.patch) + 2 * network.margin
        self.margin = network.margin if isinstance(network, UNetConfig) else 0
        self.side = side
        self._pipelines: dict[float, Compose] = {}
        self._weights: dict[int, np.ndarray] = {}
        self._lap: tuple[int, int] | None = None
        self._order = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, running: int) -> dict[str, torch.Tensor]:
        # An epoch is a shuffle of the images, repeated or cut to its length.
        epoch, place = divmod(running, self.length)
        seed = self.config.seed
        lap, within = divmod(place, len(self.numbers))
        if self._lap != (epoch, lap):
            self._lap = (epoch, lap)
            self._order = np.random.default_rng([seed, epoch, lap]).permutation(self.numbers)
        number = int(self._order[within])
        data = self._load(number)
        generator = np.random.default_rng([seed, running, 1])
        state = int(generator.integers(2**31))
        augment = self._pipeline(data["image"].shape[2], generator)
        augment.set_random_state(state)
        data = augment(data)
        # Transforms of MONAI hand back views of larger memory with their history attached.
        pair = {
            k: torch.as_tensor(data[k]).as_subclass(torch.Tensor).float().contiguous().clone()
            for k in ("image", "maps")
        }
        if not self.segmentation:
            label = self.store.array(number, "label")
            assert label is not None
            return {"image": pair["image"], "label": torch.tensor(int(label))}
        maps = pair["maps"]
        m = self.margin
        if m:
            maps = maps[:, m:-m, m:-m]
        return {
            "image": pair["image"],
            "label": maps[0].round().long(),
            "weight": maps[1].contiguous(),
        }

    def _pipeline(self, width: int, generator: np.random.Generator) -> Compose:
        """Augmentation for images of this width: zoom is relative to a reference width."""
        references = self.config.data.reference_widths or (width,)
        scale = references[int(generator.integers(len(references)))] / width
        if scale not in self._pipelines:
            changes = self.config.augmentation
            zoom = (changes.zoom[0] * scale, changes.zoom[1] * scale)
            self._pipelines[scale] = augmentation(
                replace(changes, zoom=zoom), self.side, self.config.data.foreground_fraction
            )
        return self._pipelines[scale]

    def _load(self, number: int) -> dict[str, np.ndarray]:
        """Normalised image, and labels and weights as maps that move with it."""
        image = self.normalize(self.store.image(number, self.config.data.adjacent))
        size = self.config.data.resize
        if not self.segmentation:
            assert not isinstance(self.config.network, UNetConfig)
            image = resized(image, self.config.network.size)
            return {"image": image, "maps": np.zeros_like(image[:1])}
        label = self.store.array(number, "label")
        assert label is not None
        maps = np.stack([label.astype(np.float32), self._weight(number, label)])
        if size is not None:
            image, maps = resized(image, size), resized(maps, size, labels=True)
        return {"image": image, "maps": maps}

    def _weight(self, number: int, label: np.ndarray) -> np.ndarray:
        if number not in self._weights:
            loss = self.config.loss
            if loss.border_w0 == 0:
                return np.ones(label.shape, np.float32)
            self._weights[number] = border_weights(label == 0, loss.border_w0, loss.border_sigma_px)
        return self._weights[number]


class EpochSampler(Sampler):
    """Running numbers of one epoch, dealt to the processes of a distributed run in turn.

    Parameters
    ----------
    length : int
        Items per epoch.
    rank, processes : int
        Which of how many.
    """

    def __init__(self, length: int, rank: int = 0, processes: int = 1) -> None:
        self.length = length
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.processes

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.length
        for i in range(len(self)):
            yield start + i * self.processes + self.rank

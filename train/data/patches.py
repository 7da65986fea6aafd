"""Training pairs drawn from a packed data set, the same in every run with the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from monai.transforms import Compose
from torch.utils.data import Dataset, Sampler

from train.augment import augmentation
from train.data.normalization import Normalization
from train.data.store import Store
from train.losses import border_weights
from train.settings import TrainConfig
from train.systems import find_system


class TrainingPairs(Dataset):
    """Augmented pairs by a running number, which alone (with the seed) decides what they are.

    Items are dicts of tensors: "image" float32 (C, H, W), and what the task's loss compares with.

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
        self.task = find_system(config.system).make_task()
        self.side, self.margin = self.task.patch(config)
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
        label = self.store.array(number, "label")
        assert label is not None
        image = self.normalize(self.store.image(number, self.config.data.adjacent))
        data = self.task.example(image, label, self._weight(number, label), self.config)
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
        maps, m = pair["maps"], self.margin
        if m:
            maps = maps[:, m:-m, m:-m]
        return {"image": pair["image"], **self.task.target(label, maps)}

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

    def _weight(self, number: int, label: np.ndarray) -> np.ndarray | None:
        """Border weights of a sample, computed once; None where the loss has none."""
        loss = self.config.loss
        if loss.border_w0 == 0:
            return None
        if number not in self._weights:
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

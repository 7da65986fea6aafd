"""What a network is asked, and everything that follows from it; one subclass per kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from train.data.normalization import Normalization
from train.data.sample import Sample
from train.data.store import Store
from train.metrics.titles import Title
from train.models import NetworkConfig
from train.settings import DataConfig, TrainConfig
from train.subject import Subject

Scores = dict[str, float]


@dataclass(frozen=True)
class Truth:
    """What is known of one image.

    Attributes
    ----------
    label : ndarray of uint8, shape (H, W) or ()
        Class of every pixel, or of the image.
    region : ndarray of bool, shape (H, W), optional
        Where pixels count; None = everywhere.
    second : ndarray of uint8, shape (H, W), optional
        Label by a second observer.
    """

    label: np.ndarray
    region: np.ndarray | None = None
    second: np.ndarray | None = None


@dataclass(frozen=True)
class Line:
    """One class's curves for the report: against all others, with the areas below them.

    Attributes
    ----------
    title : str
    curves : dict
        As from `train.metrics.pixels.curves`.
    roc_auc, pr_auc : float
    second : dict of float, optional
        Scores of a second observer, who is a point beside the curve.
    """

    title: str
    curves: dict[str, list[float]]
    roc_auc: float
    pr_auc: float
    second: Scores | None = None


@dataclass(frozen=True)
class Calibrated:
    """A trained network whose labels are those that the engine shall give.

    Attributes
    ----------
    network : nn.Module
        In evaluation mode; its outputs are logits.
    shape : UNetConfig or ClassifierConfig
    provenance : dict
        What the engine says about the change; empty if there was none.
    """

    network: nn.Module
    shape: NetworkConfig
    provenance: dict[str, Any]


class Tally(ABC):
    """What a task counts, image by image, and the scores that follow from it."""

    @abstractmethod
    def add(self, probability: np.ndarray, truth: Truth) -> dict[str, Any]:
        """Count one image; what the report says about it alone."""

    @abstractmethod
    def scores(self) -> Scores:
        """Over all images together; NaN where a score is not defined."""

    @abstractmethod
    def resampled(self, chosen: list[int]) -> Scores:
        """Those scores that get an interval, over the images of these numbers."""

    @abstractmethod
    def confusion(self) -> list[list[int]]:
        """Pixels or images, rows = reference, columns = answer."""

    def monitored(self) -> Scores:
        """Scores that may choose a checkpoint, in validation."""
        return self.scores()

    def curves(self) -> dict[str, Any]:
        """Curves in few points, as `Task.lines` reads them; empty if there are none."""
        return {}

    def second_observer(self) -> Scores:
        """Scores of the second observer; empty unless every image has one."""
        return {}


class Task(ABC):
    """What a network is asked about images, for given classes.

    Loss target, scores, calibration, curves and rows of the report follow from it. It holds no
    state: what runs and networks have of their own is passed in.

    Parameters
    ----------
    classes : tuple of str
        Names; class 0 of a segmentation is what is left over.
    """

    engine_task: ClassVar[str]  # the word in the engine's manifest
    network_kind: ClassVar[str]  # `kind` of the networks that can do it
    any_size: ClassVar[bool]  # of images; only then several sizes and a mean over views make sense
    calibration: ClassVar[str] = ""  # what the model card says was moved
    case_score: ClassVar[str]  # by which the report ranks images
    draws: ClassVar[int] = 1000  # of the bootstrap
    # Parts of an evaluation that the record of a shipped engine keeps.
    recorded: ClassVar[tuple[str, ...]] = ("scores", "intervals", "second_observer")

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes

    def check(self, config: TrainConfig) -> None:
        """Refuse a network or a loss that does not do this task.

        Raises
        ------
        ValueError
            Says what is configured and what would do.
        """
        network = config.network
        if network.kind != self.network_kind:
            raise ValueError(
                f"network.kind {network.kind!r} does not do the task of {config.system}; "
                f"{self.network_kind!r} does"
            )
        if network.classes not in self.outputs():
            raise ValueError(
                f"network.classes is {network.classes}, the system has {len(self.classes)}"
            )

    def outputs(self) -> tuple[int, ...]:
        """Numbers of outputs that a network for this task may have."""
        return (len(self.classes),)

    # What is trained on.

    def packed(self, sample: Sample, data: DataConfig) -> Sample:
        """What of a sample goes into the packed file."""
        return sample

    @abstractmethod
    def patch(self, config: TrainConfig) -> tuple[int | None, int]:
        """Side of a training image in pixels (None = all of it), and margin without a label."""

    @abstractmethod
    def example(
        self, image: np.ndarray, label: np.ndarray, weight: np.ndarray | None, config: TrainConfig
    ) -> dict[str, np.ndarray]:
        """Image (C, H, W), and maps (M, H, W) which augmentation moves with it.

        `weight` is that of each pixel, (H, W); None = all 1.
        """

    @abstractmethod
    def target(self, label: np.ndarray, maps: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `loss` compares with, from the label and the augmented maps."""

    @abstractmethod
    def loss(
        self, logits: torch.Tensor, batch: dict[str, torch.Tensor], config: TrainConfig
    ) -> torch.Tensor:
        """Of one batch of images with their targets."""

    # What is asked and answered.

    @abstractmethod
    def image(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        """A whole image as the network is asked about it, before normalisation."""

    @abstractmethod
    def truth(
        self, data: DataConfig, store: Store, number: int, width_px: int | None = None
    ) -> Truth:
        """What is known of that image."""

    @abstractmethod
    def by_network(
        self, network: nn.Module, config: TrainConfig, image: torch.Tensor
    ) -> np.ndarray:
        """Probabilities from a PyTorch network: (K, H, W) or (K,).

        `image` is normalised, (C, H, W), on the network's device.
        """

    @abstractmethod
    def by_engine(
        self, subject: Subject, store: Store, number: int, width_px: int | None = None
    ) -> np.ndarray:
        """Probabilities of an image from an engine: (K, H, W) or (K,)."""

    @abstractmethod
    def tally(self) -> Tally:
        """An empty count."""

    # What becomes of it.

    @abstractmethod
    def calibrated(
        self, network: nn.Module, config: TrainConfig, store: Store, normalize: Normalization
    ) -> Calibrated:
        """The network for the engine; ``trainer.calibrate`` names the score to calibrate for.

        Only training images are looked at, so that the validation subjects stay untouched.
        """

    @abstractmethod
    def score_titles(self) -> dict[str, Title]:
        """Scores in the order of report and card, and what they are called there."""

    def lines(self, result: dict[str, Any]) -> list[Line]:
        """Curves of an evaluation, class by class."""
        return []

    def shade(self, probability: np.ndarray) -> np.ndarray | None:
        """An answer as a grey picture, uint8 (H, W), for the film of the training's progress."""
        return None

    def shade_reference(self, truth: Truth) -> np.ndarray | None:
        """The reference in the grey values of `shade`."""
        return None

    def label_maps(self, subject: Subject, store: Store, number: int) -> dict[str, np.ndarray]:
        """Maps of classes, uint8 (H, W), which the report lays over an image: by their names."""
        return {}

    @abstractmethod
    def caption(self, case: dict[str, Any]) -> str:
        """What the report writes below an image."""

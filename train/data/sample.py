"""What a loader yields: one image with everything its data set says about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Attributes
    ----------
    name : str
        Unique in the data set.
    subject : str
        Whom it shows; splits never part a subject.
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
    label : ndarray of uint8, shape (H, W) or (), optional
        Class of every pixel, or of the image. None: not annotated, only a neighbour in a volume.
    region : ndarray of bool, shape (H, W), optional
        Where scores count (a field of view); None = everywhere.
    second : ndarray of uint8, shape (H, W), optional
        Label by a second observer.
    split : {"train", "validation", "test"} or None
        Where the owners of the data set say so.
    volume : str
        Volume that the slice belongs to; "" = none.
    position : int
        Index of the slice in its volume.
    """

    name: str
    subject: str
    image: np.ndarray
    label: np.ndarray | None = None
    region: np.ndarray | None = None
    second: np.ndarray | None = None
    split: str | None = None
    volume: str = ""
    position: int = 0


def check_sample(sample: Sample, classes: int, where: str) -> None:
    """Refuse what no network should be trained on.

    Raises
    ------
    ValueError
        Another dtype or shape than `Sample` says, maps of other sizes than the image, labels
        outside the classes.
    """
    image = sample.image
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"{where}: {sample.name}: image must be uint8 (H, W) or (H, W, 3), got {image.dtype} "
            f"{image.shape}"
        )
    for name in ("label", "region", "second"):
        array = getattr(sample, name)
        if array is None or array.ndim == 0:
            continue
        if array.shape != image.shape[:2]:
            raise ValueError(
                f"{where}: {sample.name}: {name} is {array.shape} px, its image {image.shape[:2]}"
            )
    for name in ("label", "second"):
        array = getattr(sample, name)
        if array is not None and array.size and int(array.max()) >= classes:
            raise ValueError(
                f"{where}: {sample.name}: {name} holds class {int(array.max())}, "
                f"classes are 0 to {classes - 1}"
            )

"""Areas, objects and volumes of labels; see `measure`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.measured import Measurements
from pyengine.measurements.parts import measure_parts
from pyengine.measurements.settings import MOST_CLASSES, Settings
from pyengine.measurements.spacing import Spacing, as_spacing

Array = npt.NDArray[Any]


def measure(
    labels: Array,
    image: Array | None = None,
    *,
    spacing: float | Sequence[float] | Spacing | None = None,
    classes: Sequence[str] | None = None,
    object_classes: Sequence[int] | None = None,
    connectivity: str = "corners",
    volume: bool = False,
    properties: Sequence[str] = (),
    instances: str = "components",
    min_distance: int = 10,
) -> Measurements:
    """Area of each class, its connected components, and volumes.

    Needs ``pip install "pyengine[measure]"``.

    Parameters
    ----------
    labels : ndarray of integers, shape (H, W) or (N, H, W)
        As from `Engine.segment`; at most 65,536 classes.
    image : ndarray, optional
        What was segmented, shape of `labels`, or with channels last; gives mean intensities.
    spacing : float, (y, x) or (z, y, x), optional
        Between neighbouring pixels [mm]. Without it areas are in pixels alone.
    classes : sequence of str, optional
        Names, as ``engine.info.classes``. Default: numbers up to the largest label.
    object_classes : sequence of int, optional
        Classes whose components are told apart. Default: all but 0, the background.
    connectivity : {"corners", "sides"}
        Whether pixels that touch at a corner only belong together.
    volume : bool
        The N pages are slices of one volume: objects reach across them. Default: each page is an
        image of its own.
    properties : sequence of str
        Names of scikit-image's `regionprops_table` ("eccentricity", "solidity", ...), added to
        `objects` in pixels.
    instances : {"components", "watershed"}
        What an object is; see `pyengine.instances`.
    min_distance : int
        Of a watershed: least distance between the centres of two objects [px].

    Returns
    -------
    Measurements

    Raises
    ------
    TypeError, ValueError
        Labels that are no integers or no class, or shapes that do not fit.
    ImportError
        scikit-image is missing.

    Examples
    --------
    >>> import pyengine
    >>> labels = np.array([[0, 1, 1], [0, 0, 0], [2, 0, 1]], np.uint8)
    >>> found = pyengine.measure(labels, spacing=0.5)
    >>> found.classes["area_px"].tolist(), found.classes["area_mm2"].tolist()
    ([5, 3, 1], [1.25, 0.75, 0.25])
    >>> found.objects["area_px"].tolist()
    [2, 1, 1]
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iub" or labels.ndim not in (2, 3) or labels.size == 0:
        raise TypeError(
            f"labels must be integers of shape (H, W) or (N, H, W), got {labels.dtype} "
            f"{labels.shape}"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= MOST_CLASSES:
        raise ValueError(
            f"labels must be classes from 0 to {MOST_CLASSES - 1}, got {labels.min()} to "
            f"{labels.max()}"
        )
    if volume and labels.ndim != 3:
        raise ValueError(f"a volume has the shape (N, H, W), the labels have {labels.shape}")
    channels = _channels(labels.shape, None if image is None else image.shape)
    names = [str(k) for k in range(int(labels.max()) + 1)] if classes is None else list(classes)
    if int(labels.max()) >= len(names):
        raise ValueError(f"label {labels.max()} is beyond the {len(names)} classes")
    chosen = range(1, len(names)) if object_classes is None else object_classes
    settings = Settings(
        names, as_spacing(spacing), tuple(chosen), connectivity, volume, tuple(properties),
        instances, min_distance,
    )  # fmt: skip
    pages = labels if labels.ndim == 3 else labels[None]
    images = None if image is None else np.asarray(image).reshape(*pages.shape, -1)
    return measure_parts(
        pages.shape,
        lambda n, begin, end: pages[n, begin:end],
        channels,
        None if images is None else lambda n, begin, end: images[n, begin:end],
        settings,
    )


def _channels(labels: tuple[int, ...], image: tuple[int, ...] | None) -> int:
    if image is None:
        return 0
    if image[: len(labels)] != labels or len(image) - len(labels) > 1:
        raise ValueError(
            f"the image must have the shape of the labels, {labels}, or channels behind it, got "
            f"{image}"
        )
    return image[-1] if len(image) > len(labels) else 1

"""Layers of labels as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.format import Band, Location, Result
from pyengine.formats.registry import check_holds, save_result
from pyengine.measurements.contours import features, save_features
from pyengine.measurements.instances import instances
from pyengine.napari.layers import Array

_PALETTE = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write labels (H, W) or (N, H, W), complete or not at all.

    Raises
    ------
    ValueError
        Another shape, or numbers that the format does not hold.
    """
    labels = _checked(data)
    pages = labels if labels.ndim == 3 else labels[None]
    dtype = np.min_scalar_type(int(labels.max(initial=0)))
    target = Path(path)
    check_holds(target, "labels", stacked=labels.ndim == 3)
    if target.suffix.lower() == ".png" and dtype != np.uint8:
        raise ValueError(f"{path}: PNG holds labels up to 255, these reach {labels.max()}")
    result = Result(pages.shape[1:], dtype, len(pages), labels.ndim == 3)
    bands = (Band(number, 0, page.astype(dtype)) for number, page in enumerate(pages))
    save_result(Location(target), result, bands)
    return [path]


def write_contours(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the objects of each label as polygons, for QuPath.

    Raises
    ------
    ValueError
        Another shape.
    ImportError
        scikit-image is missing.
    """
    labels = _checked(data)
    pages = labels if labels.ndim == 3 else labels[None]
    given = (attributes.get("metadata") or {}).get("classes")
    count = int(labels.max(initial=0)) + 1
    names = given if given is not None and len(given) >= count else [str(k) for k in range(count)]
    colors = [_PALETTE[k % len(_PALETTE)] for k in range(len(names))]

    def found() -> Iterator[dict[str, Any]]:
        for number, page in enumerate(pages):
            objects = instances(page)
            classes = np.zeros(int(objects.max(initial=0)), np.int64)
            inside = objects > 0
            classes[objects[inside] - 1] = page[inside]
            yield from features(objects, classes, names, colors, number)

    save_features(Path(path), found())
    return [path]


def _checked(data: Any) -> Array:
    labels = np.asarray(data)
    if labels.dtype.kind not in "iub" or labels.ndim not in (2, 3) or labels.size == 0:
        raise ValueError(
            f"labels must be integers of shape (H, W) or (N, H, W), got {labels.dtype} "
            f"{labels.shape}"
        )
    if int(labels.min()) < 0:
        raise ValueError(f"labels must not be negative, got {labels.min()}")
    return labels

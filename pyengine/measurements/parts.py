"""Labels measured part by part, as they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.class_sums import ClassSums
from pyengine.measurements.extra import scikit_image
from pyengine.measurements.measured import (
    Measurements,
    class_table,
    object_table,
    volume_table,
)
from pyengine.measurements.object_sums import ObjectSums
from pyengine.measurements.settings import Settings
from pyengine.measurements.table import Table, joined

Array = npt.NDArray[Any]
_BAND_PX = 1 << 24

Rows = Callable[[int, int, int], Array]


def measure_parts(
    shape: tuple[int, ...],
    labels: Rows,
    channels: int,
    image: Rows | None,
    settings: Settings,
) -> Measurements:
    """`measure` of what is read by rows.

    Memory holds 16 million pixels at a time (a page of a volume at least), and the objects. With
    `properties` each page is held whole; of a volume, all pages.

    Parameters
    ----------
    shape : tuple of int
        (N, H, W)
    labels : callable
        ``labels(page, begin, end)`` gives the rows, shape (end - begin, W).
    channels : int
        Of the image; 0 without one.
    image : callable or None
        The same of the image, shape (end - begin, W) or (end - begin, W, C).
    settings : Settings
    """
    pages, height, width = shape
    classes = [ClassSums(len(settings.names), channels) for _ in range(pages)]
    chosen = np.zeros(len(settings.names), np.uint32)
    chosen[list(settings.object_classes)] = np.asarray(list(settings.object_classes)) + 1
    band = max(1, _BAND_PX // width)
    if settings.properties or settings.volume:
        band = height
    sums = _object_sums(settings, channels) if settings.volume else None
    objects: list[Table] = []
    whole: list[tuple[Array, Array | None]] = []
    for page in range(pages):
        own = sums or _object_sums(settings, channels)
        for begin in range(0, height, band):
            end = min(begin + band, height)
            part = _checked(labels(page, begin, end), len(settings.names))
            pixels = None if image is None else image(page, begin, end)
            classes[page].add(part, pixels)
            taken = chosen[part]
            if settings.properties:
                whole.append((taken, pixels))
            if settings.volume:
                taken, pixels = taken[None], None if pixels is None else pixels[None]
            own.add(taken, pixels)
        if not settings.volume:
            objects.append(_page_objects(own, settings, channels, page, whole))
            whole.clear()
    if sums is not None:
        objects.append(_page_objects(sums, settings, channels, None, whole))
    return Measurements(
        class_table(classes, objects, settings, channels),
        joined(objects),
        volume_table(classes, objects[-1], settings, channels),
    )


def _checked(labels: Array, classes: int) -> Array:
    if labels.dtype.kind == "f":  # files of wide integers are read so
        labels = labels.astype(np.int64)
    highest = int(labels.max(initial=0))
    if highest >= classes:
        raise ValueError(f"label {highest} is beyond the {classes} classes")
    return labels


def _object_sums(settings: Settings, channels: int) -> ObjectSums:
    ndim = 3 if settings.volume else 2
    return ObjectSums(ndim, channels, 1 if settings.connectivity == "sides" else ndim)


def _page_objects(
    sums: ObjectSums,
    settings: Settings,
    channels: int,
    page: int | None,
    whole: list[tuple[Array, Array | None]],
) -> Table:
    table = object_table(sums.result(), settings, channels, page)
    return Table({**table.columns, **_more(whole, settings, page)})


def _more(
    whole: list[tuple[Array, Array | None]], settings: Settings, page: int | None
) -> dict[str, Array]:
    """Further properties by scikit-image, of objects numbered as ours."""
    if not settings.properties:
        return {}
    skimage = scikit_image()
    labels = np.stack([part for part, _ in whole])
    images = [part for _, part in whole if part is not None]
    image = np.stack(images) if images else None
    if image is not None and image.ndim == labels.ndim + 1 and image.shape[-1] == 1:
        image = image[..., 0]  # so that its columns have no number
    if page is not None:
        labels, image = labels[0], None if image is None else image[0]
    connectivity = 1 if settings.connectivity == "sides" else labels.ndim
    numbered = skimage.measure.label(labels, background=0, connectivity=connectivity)
    try:
        found = skimage.measure.regionprops_table(numbered, image, properties=settings.properties)
    except (AttributeError, KeyError, NotImplementedError) as error:
        listed = ", ".join(settings.properties)
        raise ValueError(f"properties {listed}: scikit-image says {error}") from error
    return {name.replace("-", "_"): np.asarray(values) for name, values in found.items()}

"""Labels measured part by part, as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.class_sums import ClassSums
from pyengine.measurements.extra import scikit_image
from pyengine.measurements.instances import split
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
_BAND_PX = 1 << 22

Rows = Callable[[int, int, int], Array]
Slab = tuple[Array, Array | None]  # classes + 1 of objects, else 0; pixels


def measure_parts(
    shape: tuple[int, ...],
    labels: Rows,
    channels: int,
    image: Rows | None,
    settings: Settings,
) -> Measurements:
    """`measure` of what is read by rows.

    Memory holds 4 million pixels at a time (a page of a volume at least), and a few numbers for
    each object. What scikit-image computes, `properties` and watersheds, needs the page or the
    volume whole.

    Parameters
    ----------
    shape : tuple of int
        (N, H, W)
    labels : callable
        ``labels(page, begin, end)`` gives the rows, shape (end - begin, W).
    channels : int
        Of the image; 0 without one.
    image : callable or None
        The same of the image, shape (end - begin, W) or (end - begin, W, C). None: intensities
        are not known.
    settings : Settings
    """
    pages, height, width = shape
    classes = [ClassSums(len(settings.names), channels) for _ in range(pages)]
    chosen = np.zeros(len(settings.names), np.int64)
    chosen[list(settings.object_classes)] = np.asarray(list(settings.object_classes)) + 1
    band = height if settings.volume else max(1, _BAND_PX // width)

    def slabs(of: range) -> Iterator[Slab]:
        for page in of:
            for begin in range(0, height, band):
                end = min(begin + band, height)
                part = _checked(labels(page, begin, end), len(settings.names))
                pixels = None if image is None else image(page, begin, end)
                classes[page].add(part, pixels)
                if settings.volume:
                    part, pixels = part[None], None if pixels is None else pixels[None]
                yield chosen[part], pixels

    scenes = [range(pages)] if settings.volume else [range(page, page + 1) for page in range(pages)]
    objects = [
        _objects(slabs(scene), channels, settings, None if settings.volume else scene.start)
        for scene in scenes
    ]
    return Measurements(
        class_table(classes, objects, settings, channels),
        joined(objects),
        volume_table(classes, objects[-1], settings, channels),
    )


def _objects(slabs: Iterable[Slab], channels: int, settings: Settings, page: int | None) -> Table:
    """The objects of a page, or of a volume (`page` None)."""
    ndim = 3 if settings.volume else 2
    reach = 1 if settings.connectivity == "sides" else ndim
    sums = ObjectSums(ndim, channels, reach)
    if settings.properties or settings.is_split:
        values, image = _whole(slabs)
        if settings.is_split:
            values = split(values, settings.connectivity, settings.min_distance, settings.step)
        sums.add(values, image)
        more = _properties(values, image, reach, settings.properties)
    else:
        more = {}
        for slab in slabs:
            sums.add(*slab)
    table = object_table(sums.result(), settings, channels, page)
    return Table({**table.columns, **more})


def _whole(slabs: Iterable[Slab]) -> Slab:
    listed = list(slabs)
    images = [image for _, image in listed if image is not None]
    return np.concatenate([part for part, _ in listed]), np.concatenate(images) if images else None


def _checked(labels: Array, classes: int) -> Array:
    if labels.dtype.kind == "f":  # files of wide integers are read so
        labels = labels.astype(np.int64)
    highest = int(labels.max(initial=0))
    if highest >= classes:
        raise ValueError(f"label {highest} is beyond the {classes} classes")
    return labels


def _properties(
    values: Array, image: Array | None, reach: int, names: Sequence[str]
) -> dict[str, Array]:
    """Further properties by scikit-image, of objects numbered as ours."""
    if not names:
        return {}
    measure = scikit_image().measure
    if image is not None and image.ndim == values.ndim + 1 and image.shape[-1] == 1:
        image = image[..., 0]  # so that its columns have no number
    numbered = measure.label(values, background=0, connectivity=reach)
    try:
        found = measure.regionprops_table(numbered, image, properties=names)
    except (AttributeError, KeyError, NotImplementedError) as error:
        raise ValueError(f"properties {', '.join(names)}: scikit-image says {error}") from error
    return {name.replace("-", "_"): np.asarray(values) for name, values in found.items()}

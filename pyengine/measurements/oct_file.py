"""Maps and tables of an OCT volume in files, read B-scan by B-scan."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.formats.format import Reader
from pyengine.measurements.etdrs import etdrs
from pyengine.measurements.labelled_file import LabelledFile
from pyengine.measurements.spacing import Spacing
from pyengine.measurements.table import Table, from_rows, joined
from pyengine.measurements.thickness import en_face, thickness_map

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class OctMaps:
    """What is seen of a volume from above.

    Attributes
    ----------
    names : tuple of str
        Classes, without the background.
    thickness : ndarray of float32, shape (K - 1, N, W)
        Of each class, in `unit`.
    unit : str
        "um", or "px" where the spacing is not known.
    en_face : ndarray of float32, shape (N, W)
        Mean intensity of each A-scan, all channels together; NaN where the image is not found.
    spacing : Spacing or None
        Of the labels.
    """

    names: tuple[str, ...]
    thickness: Array
    unit: str
    en_face: Array
    spacing: Spacing | None

    def a_scans(self) -> Table:
        """Thickness of each class under each A-scan."""
        classes, pages, columns = self.thickness.shape
        place = np.indices((classes, pages, columns)).reshape(3, -1)
        values = self.thickness.ravel().astype(np.float64)
        unknown = np.full(values.size, math.nan)
        height_um = 0 if self.spacing is None else self.spacing.height * 1000
        return Table({
            "page": place[1], "a_scan": place[2], "class": place[0] + 1,
            "name": np.array(self.names, np.str_)[place[0]],
            "thickness_px": np.rint(values / height_um).astype(int) if height_um
            else values.astype(int),
            "thickness_um": values if height_um else unknown,
        })  # fmt: skip

    def fields(self, laterality: str | None, superior: str = "last") -> Table:
        """The ETDRS grid of each class; empty where the distance of B-scans is not known."""
        empty = from_rows({"class": "i", "name": "U"}, [])
        if self.spacing is None or self.spacing.depth is None or not self.names:
            return empty
        tables = []
        for k, name in enumerate(self.names):
            table = etdrs(self.thickness[k], self.spacing, laterality, superior=superior)
            first = {"class": np.full(len(table), k + 1), "name": np.full(len(table), name)}
            tables.append(Table({**first, **table.columns}))
        return joined(tables)


def oct_maps(file: LabelledFile) -> OctMaps:
    """The maps of a volume, or of one B-scan (N = 1)."""
    classes = range(1, len(file.names))
    with ExitStack() as stack:
        labels = stack.enter_context(file.open_labels())
        image = stack.enter_context(file.open_image()) if file.source is not None else None
        spacing = file.label_spacing(image, labels)
        thickness = np.empty((len(classes), labels.pages, labels.shape[1]), np.float32)
        for page in range(labels.pages):
            scan = labels.rows(page, 0, labels.shape[0])
            for k in classes:
                thickness[k - 1, page] = thickness_map(scan, k, spacing)
        seen = np.full(thickness.shape[1:], np.nan, np.float32) if image is None else _seen(image)
    unit = "px" if spacing is None else "um"
    return OctMaps(tuple(file.names[1:]), thickness, unit, seen, spacing)


def _seen(image: Reader) -> Array:
    seen = np.empty((image.pages, image.shape[1]), np.float32)
    for page in range(image.pages):
        pixels = image.rows(page, 0, image.shape[0])
        seen[page] = en_face(pixels if pixels.ndim == 2 else pixels.mean(-1))
    return seen

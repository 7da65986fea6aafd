"""An image and its labels in files, read by rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.formats.format import Reader, ReadKeywords
from pyengine.formats.registry import open_image
from pyengine.measurements.measured import Measurements
from pyengine.measurements.parts import measure_parts
from pyengine.measurements.settings import Settings
from pyengine.measurements.spacing import Spacing, spacing_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LabelledFile:
    """Where an image and its labels lie, and what the labels mean.

    Attributes
    ----------
    source : str or None
        The image; see `Engine.segment_file`. None where it is not found any more.
    labels : str
        Likewise.
    channels : int
        Of the network.
    names : sequence of str
        Of the classes.
    colors : tuple of RGB
    spacing : Spacing or None
        Of the image; None: what the file says.
    how : ReadKeywords
        How the image is read.
    """

    source: str | None
    labels: str
    channels: int
    names: Sequence[str]
    colors: tuple[tuple[int, int, int], ...]
    spacing: Spacing | None = None
    how: ReadKeywords = field(default_factory=ReadKeywords)

    def open_image(self) -> Reader:
        """The image, for reading."""
        if self.source is None:
            raise FileNotFoundError(f"{self.labels}: its image is not found")
        return open_image(self.source, self.channels, **self.how)

    def open_labels(self) -> Reader:
        """The labels, for reading."""
        return open_image(self.labels, 1, indices=True)

    def page_labels(self, page: int) -> Array:
        """The labels of a page, whole."""
        with self.open_labels() as reader:
            return reader.rows(page, 0, reader.shape[0]).astype(np.int64)

    def label_spacing(self, image: Reader | None, labels: Reader) -> Spacing | None:
        """Between pixels of the labels, which may be fewer or more than those of the image."""
        spacing = self.spacing or (None if image is None else spacing_of(image))
        if spacing is None or image is None:
            return spacing
        return spacing.scaled(image.shape[0] / labels.shape[0], image.shape[1] / labels.shape[1])


def channels_of(reader: Reader) -> int:
    """Of each page."""
    return reader.shape[2] if len(reader.shape) == 3 else 1


def measure_file(
    file: LabelledFile,
    object_classes: Sequence[int] | None = None,
    **settings: Any,
) -> Measurements:
    """`measure` of files, by bands of rows; `settings` are those of `Settings`.

    Labels of another size than the image have no intensities.
    """
    with ExitStack() as stack:
        labels = stack.enter_context(file.open_labels())
        image = stack.enter_context(file.open_image()) if file.source is not None else None
        shape = (labels.pages, *labels.shape[:2])
        rows = None
        if image is not None and (image.pages, *image.shape[:2]) == shape:
            rows = image.rows
        chosen = range(1, len(file.names)) if object_classes is None else object_classes
        return measure_parts(
            shape,
            labels.rows,
            0 if image is None else channels_of(image),
            rows,
            Settings(file.names, file.label_spacing(image, labels), tuple(chosen), **settings),
        )

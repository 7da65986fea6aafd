"""What is written beside the result of each image, on request: one class for each kind of file."""

from __future__ import annotations

import abc
import argparse
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.arguments import SegmentKeywords
from pyengine.atomic_file import write_atomically
from pyengine.cli.measure_options import MeasureOptions, measure_options
from pyengine.engine import Engine
from pyengine.formats import Array
from pyengine.formats.format import Band, Location, Result
from pyengine.formats.registry import locate, read_image, replace_suffix, save_result
from pyengine.input_range import InputRangeWarning
from pyengine.measurements.contours import features, save_features
from pyengine.measurements.instances import instances
from pyengine.measurements.labelled_file import LabelledFile, measure_file
from pyengine.measurements.oct_file import OctMaps, oct_maps
from pyengine.measurements.records import record_path
from pyengine.overlay import overlay, save_image

# Pixels of an overlay, which people look at.
MAX_SHOWN = 1 << 26


@dataclass(frozen=True)
class Segmented:
    """An image whose result is there.

    Attributes
    ----------
    source : str
        The image.
    file : LabelledFile
        Where `has_labels` is False, its labels are other results.
    has_labels : bool
    engine : Engine
    options : SegmentKeywords
    values : mapping
        ``threshold``, ``input_range`` and ``mask`` of the result.
    """

    source: str
    file: LabelledFile
    has_labels: bool
    engine: Engine
    options: SegmentKeywords
    values: Mapping[str, Any]

    @cached_property
    def oct_maps(self) -> OctMaps:
        """Of its labels and image, which are read once for all that show them."""
        return oct_maps(self.file)


class Companion(abc.ABC):
    """A kind of file beside a result.

    Attributes
    ----------
    suffix : str
        In place of the result's.
    computes : bool
        Whether it needs the network.
    made : mapping
        What such files follow from, besides image, engine and the options of the result.
    """

    suffix: str
    computes: bool = False
    made: Mapping[str, Any]

    def __init__(self, made: Mapping[str, Any] | None = None) -> None:
        self.made = made or {}

    def path(self, target: str) -> Path:
        """Where it lies for a result at `target`."""
        return replace_suffix(locate(target).path, self.suffix)

    @abc.abstractmethod
    def write(self, path: Path, segmented: Segmented) -> None:
        """Write the file, complete or not at all."""


class Overlay(Companion):
    """Labels in colour over the image."""

    suffix = ".overlay.png"

    def write(self, path: Path, segmented: Segmented) -> None:
        file, engine = segmented.file, segmented.engine
        # Of slides every n-th pixel is shown; labels are computed of whole images.
        shown = MAX_SHOWN if segmented.has_labels else None
        image = read_image(segmented.source, file.channels, max_shown=shown, **file.how)
        with _range_was_told():
            labels = (
                read_image(file.labels, 1, indices=True, max_shown=shown)
                if segmented.has_labels
                else engine.segment(image, **segmented.values, **segmented.options)
            )
        save_image(path, overlay(image, labels, file.colors))


class Scores(Companion):
    """Another kind of result of the same network."""

    computes = True

    def __init__(self, output: str) -> None:
        super().__init__()
        self._output, self.suffix = output, f".{output}.tif"

    def write(self, path: Path, segmented: Segmented) -> None:
        with _range_was_told():
            segmented.engine.segment_file(
                segmented.source,
                path,
                output=self._output,
                input_range=segmented.values["input_range"],
                mask=segmented.values["mask"],
                **segmented.file.how,
                **segmented.options,
            )


class Measured(Companion):
    """Tables of one image, as a hidden file, of which `--measure` makes one table of all."""

    def __init__(self, options: MeasureOptions, is_oct: bool) -> None:
        super().__init__({**options.made, "oct": is_oct})
        self._options, self._is_oct = options, is_oct

    def path(self, target: str) -> Path:
        return record_path(locate(target).path)

    def write(self, path: Path, segmented: Segmented) -> None:
        file = segmented.file
        chosen = self._options.classes_of(segmented.engine.info)
        found = measure_file(file, chosen, **self._options.settings)
        tables = {"classes": found.classes, "objects": found.objects, "volumes": found.volumes}
        if self._is_oct:
            maps = segmented.oct_maps
            tables |= {"ascans": maps.a_scans(), "etdrs": maps.fields(self._options.laterality)}
        record = {"image": segmented.source, "tables": {n: t.packed() for n, t in tables.items()}}
        text = json.dumps(record)
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


class Objects(Companion):
    """What numbers objects: labels page by page, or the volume whole."""

    def __init__(self, options: MeasureOptions) -> None:
        super().__init__(options.made)
        self._options = options

    def numbered(self, segmented: Segmented) -> Iterator[tuple[int, Array, Array]]:
        """(page, labels, numbers of objects) of all pages."""
        file, settings = segmented.file, self._options.settings
        with file.open_labels() as reader:
            pages = reader.pages
        given = {
            "method": settings["instances"], "connectivity": settings["connectivity"],
            "min_distance": settings["min_distance"],
            "object_classes": self._options.classes_of(segmented.engine.info),
        }  # fmt: skip
        if settings["volume"]:
            volume = np.stack([file.page_labels(page) for page in range(pages)])
            numbers = instances(volume, **given)
            yield from zip(range(pages), volume, numbers, strict=True)
            return
        for page in range(pages):
            labels = file.page_labels(page)
            yield page, labels, instances(labels, **given)


class Instances(Objects):
    """Objects as numbers."""

    suffix = ".instances.tif"

    def write(self, path: Path, segmented: Segmented) -> None:
        with segmented.file.open_labels() as reader:
            result = Result(
                reader.shape[:2],
                np.dtype(np.uint32),
                reader.pages,
                reader.stacked,
                reader.stack,
                reader.calibration,
            )
        bands = (Band(page, 0, numbers) for page, _, numbers in self.numbered(segmented))
        save_result(Location(path), result, bands)


class Contours(Objects):
    """Objects as polygons."""

    suffix = ".geojson"

    def write(self, path: Path, segmented: Segmented) -> None:
        save_features(path, self._features(segmented))

    def _features(self, segmented: Segmented) -> Iterator[dict[str, Any]]:
        file = segmented.file
        for page, labels, numbers in self.numbered(segmented):
            classes = np.zeros(int(numbers.max(initial=0)), np.int64)
            inside = numbers > 0
            classes[numbers[inside] - 1] = labels[inside]
            yield from features(numbers, classes, file.names, file.colors, page)


class OctMap(Companion):
    """A map of an OCT volume as seen from above: thickness, one page for each class, or en face."""

    def __init__(self, options: MeasureOptions, name: str, suffix: str) -> None:
        super().__init__(options.made)
        self._name, self.suffix = name, suffix

    def write(self, path: Path, segmented: Segmented) -> None:
        seen: Array = getattr(segmented.oct_maps, self._name)
        result = Result(seen.shape, seen.dtype, 1, stacked=False)
        save_result(Location(path), result, iter([Band(0, 0, seen)]))


def companions(args: argparse.Namespace) -> list[Companion]:
    """What is asked for, in the order in which it is written.

    Raises
    ------
    ValueError, ImportError
        As `measure_options`.
    """
    options = measure_options(args)
    asked: list[tuple[Any, Companion]] = [
        (args.overlay, Overlay()),
        (args.measure, Measured(options, args.oct)),
        (args.instances, Instances(options)),
        (args.contours, Contours(options)),
        (args.probabilities, Scores("probabilities")),
        (args.uncertainty, Scores("uncertainty")),
        (args.oct, OctMap(options, "thickness", ".thickness.tif")),
        (args.oct, OctMap(options, "en_face", ".enface.tif")),
    ]
    return [companion for wanted, companion in asked if wanted]


class _range_was_told(warnings.catch_warnings):  # noqa: N801
    """Within it the range of the image is no news: it was said of the result."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore", InputRangeWarning)
        return entered

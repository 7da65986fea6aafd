"""A file segmented into a file, by row bands; see `Engine.segment_file`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from pyengine import _core
from pyengine.arguments import (
    KINDS,
    Output,
    SegmentKeywords,
    has_scale,
    segment_options,
    tile_sides,
)
from pyengine.checks import check_image
from pyengine.distinct_files import check_distinct
from pyengine.file_part import FilePart
from pyengine.foreground import Mask, Report, foreground_cells
from pyengine.formats.format import Array, Band, Calibration, Reader, ReadKeywords, Result
from pyengine.formats.geometry import Geometry
from pyengine.formats.held_reader import HELD_BYTES, HeldReader, held
from pyengine.formats.registry import (
    check_holds,
    files_of,
    locate,
    locate_result,
    open_image,
    save_result,
    written_format,
)
from pyengine.formats.remote import url_of
from pyengine.info import EngineInfo
from pyengine.input_range import InputRange, InputRangeOption, scaled
from pyengine.outputs import NamedOutput, find, wanted
from pyengine.progress import Progress, progress_callback


@dataclass
class FileWork:
    """A file segmented into a file, in three stages; see `Engine.segment_file` for the fields.

    Attributes
    ----------
    ahead : bool
        Whether an image that is small is read whole before it is computed, and its result written
        after, so that the stages of several files may overlap (`pipeline`).
    """

    core: _core.Engine
    info: EngineInfo
    src: str
    dst: str
    output: Output | str
    options: SegmentKeywords
    how: ReadKeywords
    threshold: float | None = None
    input_range: InputRangeOption | None = None
    mask: Mask | None = None
    report: Report | None = None
    progress: Progress = False
    ahead: bool = False

    def read(self) -> None:
        """Look at source and target, and open the source."""
        self._result, kind = _result_of(self.info, self.output), _kind_of(self.output)
        self._target = locate_result(self.dst, kind)
        if url_of(self._target.path) is None and not self._target.path.parent.is_dir():
            raise FileNotFoundError(f"{self._target.path.parent}: no such folder")
        source = [*files_of(self.src), Path(self.info.path)]
        check_distinct(source, replaced_files(self.src, self.dst))
        check_target(self.dst, kind)
        self.reader: Reader = open_image(self.src, self.info.input["channels"], **self.how)
        try:
            check_holds(self._target.path, kind, self.reader.stacked)
            if self.ahead:
                self.reader = held(self.reader)
        except BaseException:
            self.reader.close()
            raise

    def compute(self) -> None:
        """All that needs the engine; what is not held in memory is written meanwhile."""
        with self.reader:
            given = self.input_range
            options = scaled(self.info, self.reader.dtype, given, self.options)
            value_range = InputRange(
                self.info, self.reader.dtype, self.src, scaled=has_scale(options), input_range=given
            )
            job = _Job(
                self.core, self.info, self.reader, value_range, self.output, self._result, options,
                self.threshold, self.mask,
            )  # fmt: skip
            self.shape, self.bands = replace(job.result, source=locate(self.src)), None
            with progress_callback(self.progress) as callback:
                job.callback = callback
                if isinstance(self.reader, HeldReader) and job.result.size_bytes <= HELD_BYTES:
                    self.bands = list(job.bands())
                else:
                    save_result(self._target, self.shape, job.bands())
        if self.report is not None:
            self.report(*job.pixels)

    def write(self) -> None:
        """What is not written yet."""
        if self.bands is not None:
            save_result(self._target, self.shape, iter(self.bands))

    def close(self) -> None:
        """Release the file, where `compute` is not reached."""
        self.reader.close()


def segment_file(work: FileWork) -> None:
    """All stages, one after the other."""
    work.read()
    work.compute()
    work.write()


def replaced_files(src: str, dst: str) -> list[tuple[Path, str]]:
    """What a result from `src` replaces at `dst`, for `check_distinct`."""
    target = locate(dst)
    return [] if written_format(target.path).joins(target) else [(target.path, src)]


def check_target(dst: str, output: Output) -> None:
    """Refuse a target whose format cannot hold the result, or that holds what is not replaced.

    Raises
    ------
    OSError, ValueError
        As `Format.refuse_taken` and `check_holds`.
    """
    target = locate_result(dst, output)
    check_holds(target.path, output, stacked=False)
    written_format(target.path).refuse_taken(target)
    unasked = locate(dst).name is None and target.name is not None
    if unasked and target.path.is_file() and target.path.stat().st_size > 0:
        # An image that is added unasked makes a file of one image ambiguous for its readers.
        raise FileExistsError(
            f"{target.path}: exists, and holds images by name; to add one, say {dst}:/NAME"
        )


def is_done(dst: str, output: Output) -> bool:
    """Whether a result is there already."""
    target = locate_result(dst, output)
    return written_format(target.path).holds(target)


def _result_of(info: EngineInfo, output: str) -> NamedOutput | None:
    """Which of the network's results goes into the file; None where there is one without a name."""
    if output not in KINDS:
        return find(info.results, output)
    if len(info.results) > 1:
        names = ", ".join(repr(one.name) for one in info.results)
        raise ValueError(f"output {output!r}: a file takes one result of this network's: {names}")
    return info.results[0] if info.results else None


def _kind_of(output: str) -> Output:
    """What formats are asked to hold."""
    return cast(Output, output) if output in KINDS else "probabilities"


# Windows that overlap two bands are computed for both: bands are several windows high.
_WINDOWS_A_BAND = 4
_WINDOW_PX = 512


class _Job:
    """One file's segmentation: bands of results, page by page."""

    def __init__(
        self,
        core: _core.Engine,
        info: EngineInfo,
        reader: Reader,
        value_range: InputRange,
        output: Output | str,
        result: NamedOutput | None,
        options: SegmentKeywords,
        threshold: float | None,
        mask: Mask | None,
    ) -> None:
        self.core, self.reader = core, reader
        self.range = value_range
        self.kind, self.pick = wanted(info.results, output, info.manifest["head"], threshold)
        self.named = result
        segment_options(**options)  # refused here where they are refused at all
        self.mask = mask
        self.pixels = (0, 0, 0)  # computed, copied, left out
        self.callback: Callable[[int, int], bool | None] | None = None
        self.height, self.width = reader.shape[:2]
        # The checks of `segment`, on an empty stand-in of the same shape and dtype.
        stand_in = np.broadcast_to(np.zeros((), reader.dtype), reader.shape)
        check_image(stand_in, info.input["channels"])
        # Networks of the whole image have no tiles: their band is the whole page; likewise where
        # the page is turned.
        self.band_height, self.tiles = self.height, 1
        self.exact = options.get("mode", "exact") == "exact"
        on_gpu = info.device != "cpu"
        self.banded = options.get("tta", "none") == "none" and (
            info.tileable if self.exact else not on_gpu
        )
        by_core = self.banded and self.exact and not on_gpu
        region = options.get("region")
        self.part = FilePart.of(region, (self.height, self.width), by_core)
        self.options: SegmentKeywords = {**options, "region": region if by_core else None}
        origin = 0
        if self.banded and self.exact:
            plan = core.plan(self.height, self.width, segment_options(**self.options))
            self.band_height, self.tiles = plan["tile"][0], plan["grid"][0] * plan["grid"][1]
            origin = plan["origin"][0]
        elif self.banded:
            windows_px = tile_sides(options.get("tile"))[1] or _WINDOW_PX
            shrink = result.shrink if result is not None else 1
            self.band_height = _WINDOWS_A_BAND * windows_px * shrink
        self.part = replace(self.part, origin=origin, band_height=self.band_height)
        if region is not None and self._scaled(1) != 1:
            raise _core.UnsupportedError(
                "region: this result has another resolution; crop the file's result"
            )
        labels, flat = output == "labels", output in ("labels", "uncertainty")
        size = self._scaled(self.part.rows), self._scaled(self.part.columns)
        channels = info.outputs if result is None else result.channels
        self.result = Result(
            size if flat else (channels, *size),
            np.dtype(np.uint8 if labels else np.float32),
            reader.pages,
            reader.stacked,
            reader.stack,
            self._calibration(),
            info.colors if labels else (),
            self._geometry(),
            reader.notes,
            info.classes if labels else (),
        )

    def _scaled(self, px: int) -> int:
        """Of the image, in pixels of the result; bands begin where both have a pixel."""
        if self.named is None:
            return px
        return -(-px // self.named.shrink) * self.named.enlarge

    def _calibration(self) -> Calibration | None:
        """Of the result's pixels."""
        size, named = self.reader.calibration, self.named
        if size is None or named is None:
            return size
        times = named.shrink / named.enlarge
        return replace(size, height=size.height * times, width=size.width * times)

    def _geometry(self) -> Geometry | None:
        """Of the result's voxels."""
        geometry, named = self.reader.geometry, self.named
        if geometry is None or named is None or named.shrink == named.enlarge:
            return geometry
        return geometry.scaled(named.shrink / named.enlarge)

    def bands(self) -> Iterator[Band]:
        """The result in order."""
        size = self.height, self.width
        cells: list[int] = []
        for page in range(self.reader.pages):
            statistics = self._statistics(page)
            if self.mask is not None and (page == 0 or callable(self.mask)):
                cells = foreground_cells(self.mask, self.reader.shape, partial(self._rows, page))
            for index, band in enumerate(self.part.bands()):
                given = segment_options(
                    self._progress(page, index), cells, self._count, **self.options
                )
                first, last = 0, self.height
                if self.banded:
                    first, last = self.core.band_rows(size, band, given)
                rows = self._rows(page, first, last)
                self.range.see(rows)
                if page == self.reader.pages - 1 and band[1] >= self.part.bottom:
                    self.range.finish()
                image = _core.BorrowedImage(rows, first, self.height)
                result = self.core.segment_band(image, self.kind, band, given, statistics)
                begin = self._scaled(self.part.first_row(band))
                yield Band(page, begin, self.part.cut(self.pick(result), band))

    def _rows(self, page: int, begin: int, end: int) -> Array:
        return np.ascontiguousarray(self.reader.rows(page, begin, end))

    def _count(self, computed: int, repeated: int, background: int) -> None:
        so_far = self.pixels
        self.pixels = so_far[0] + computed, so_far[1] + repeated, so_far[2] + background

    def _statistics(self, page: int) -> _core.ImageStatistics | None:
        """What preprocessing must know of a page that is read by bands."""
        if not self.banded:
            return None
        statistics = self.core.statistics(self.height)
        while statistics.needs_image():
            for begin in range(0, self.height, self.band_height):
                end = min(begin + self.band_height, self.height)
                rows = self._rows(page, begin, end)
                statistics.see(_core.BorrowedImage(rows, begin, self.height))
        return statistics

    def _progress(self, page: int, band: int) -> Callable[[int, int], bool | None] | None:
        callback = self.callback
        if callback is None:
            return None
        pages = self.reader.pages
        if self.banded and not self.exact:  # of bands, which differ in windows
            bands = sum(1 for _ in self.part.bands())
            return lambda done, of: callback(page * bands + band + int(done == of), pages * bands)
        if not self.banded:  # only the core knows how many tiles the passes over a page take
            return lambda done, of: callback(page * of + done, pages * of)
        return lambda done, _: callback(page * self.tiles + done, pages * self.tiles)

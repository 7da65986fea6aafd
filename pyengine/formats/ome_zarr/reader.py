"""Images of a Zarr store, chunk by chunk."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pyengine.formats.array_reader import ArrayReader
from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array, Location, ReadOptions
from pyengine.formats.ome_zarr.store import find_image

_KEPT_BYTES = 256 << 20


class ZarrReader(ArrayReader):
    """One level of an image; chunks are decoded as they are needed.

    An axis of channels is that of the network if it has as many; else channels are images.
    """

    def __init__(self, source: Location, options: ReadOptions) -> None:
        image = find_image(source)
        if not 0 <= options.level < len(image.levels):
            raise ImageRefusedError(
                f"level {options.level}: it has levels 0 to {len(image.levels) - 1}"
            )
        array = image.levels[options.level]
        said = None
        if image.axes is not None and {"y", "x"} <= set(image.axes):
            said = image.axes.upper()
            at = image.axes.find("c")
            if at >= 0 and array.shape[at] not in (1, options.channels):
                said = said.replace("C", "c")
        super().__init__(_Chunks(array), options, said=said)
        self.calibration = image.calibration(options.level)
        self.notes = image.notes or {}
        if len(image.levels) > 1:
            letters = self._letters.upper()
            y, x = letters.index("Y"), letters.index("X")
            self.levels = tuple((one.shape[y], one.shape[x]) for one in image.levels)


class _Chunks:
    """An array whose chunks are kept for a while: pages and bands share them."""

    def __init__(self, array: Any) -> None:
        self._stored = array
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self._kept: OrderedDict[tuple[tuple[int, int], ...], Array] = OrderedDict()

    def __getitem__(self, key: tuple[Any, ...]) -> Array:
        sizes = zip(self._stored.chunks, self.shape, strict=True)
        spans = [_span(one, chunk, length) for one, (chunk, length) in zip(key, sizes, strict=True)]
        # Of the axis that is cut into bands, one row of chunks at a time.
        banded = next((a for a, one in enumerate(key) if one != slice(None)
                       and isinstance(one, slice)), None)  # fmt: skip
        if banded is None:
            return np.asarray(self._block(tuple(spans))[_within(key, spans)])
        begin, end, _ = key[banded].indices(self.shape[banded])
        step, parts = self._stored.chunks[banded], []
        for top in range(begin - begin % step, end, step):
            spans[banded] = top, min(top + step, self.shape[banded])
            low, high = max(begin, spans[banded][0]), min(end, spans[banded][1])
            inner = [*key[:banded], slice(low, high), *key[banded + 1 :]]
            parts.append(self._block(tuple(spans))[_within(inner, spans)])
        axis = sum(isinstance(one, slice) for one in key[:banded])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)

    def _block(self, spans: tuple[tuple[int, int], ...]) -> Array:
        """Whole chunks."""
        if spans in self._kept:
            self._kept.move_to_end(spans)
            return self._kept[spans]
        block = np.asarray(self._stored[tuple(slice(*span) for span in spans)])
        self._kept[spans] = block
        while len(self._kept) > 1 and sum(b.nbytes for b in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return block


def _span(key: Any, chunk: int, length: int) -> tuple[int, int]:
    """The chunks that hold an index; all along an axis that is not indexed."""
    if isinstance(key, slice):
        return 0, length
    begin = key - key % chunk
    return begin, min(begin + chunk, length)


def _within(key: Any, spans: list[tuple[int, int]]) -> tuple[Any, ...]:
    """The same key, of a block that begins later."""
    return tuple(
        one if one == slice(None)
        else slice(one.start - begin, one.stop - begin) if isinstance(one, slice)
        else one - begin
        for one, (begin, _) in zip(key, spans, strict=True)
    )  # fmt: skip

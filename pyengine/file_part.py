"""Which part of each page of a file is segmented, and in which bands of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyengine.arguments import Region
from pyengine.formats.format import Array


@dataclass(frozen=True)
class FilePart:
    """Rows [top, bottom), columns [left, right) of a page of `height` rows.

    Attributes
    ----------
    by_core : bool
        Whether what the core gives of a band is the part's, else it is cut here.
    origin, band_height : int
        Bands of the page begin at `origin` and every `band_height` rows after it.
    """

    height: int
    top: int
    left: int
    bottom: int
    right: int
    by_core: bool
    origin: int = 0
    band_height: int = 0

    @classmethod
    def of(cls, region: Region | None, size: tuple[int, int], by_core: bool) -> FilePart:
        """The region, or all, of a page of that size.

        Raises
        ------
        ValueError
            The region is not within the page.
        """
        height, width = size
        if region is None:
            return cls(height, 0, 0, height, width, by_core=True)
        top, left, rows, columns = region
        if top + rows > height or left + columns > width:
            raise ValueError(
                f"region of {rows} x {columns} px from row {top}, column {left} on is not within "
                f"the image of {height} x {width} px"
            )
        return cls(height, top, left, top + rows, left + columns, by_core)

    @property
    def rows(self) -> int:
        """How many."""
        return self.bottom - self.top

    @property
    def columns(self) -> int:
        """How many."""
        return self.right - self.left

    def bands(self) -> Iterator[tuple[int, int]]:
        """Rows to ask the core for, which together hold the part."""
        skipped = max(0, self.top - self.origin) // self.band_height
        begin = self.origin + skipped * self.band_height
        while begin < self.bottom:
            end = min(begin + self.band_height, self.height)
            if self.by_core:
                yield max(begin, self.top), min(end, self.bottom)
            else:
                yield begin, end
            begin += self.band_height

    def first_row(self, band: tuple[int, int]) -> int:
        """Of a band, counted from the part's."""
        return max(band[0], self.top) - self.top

    def cut(self, result: Array, band: tuple[int, int]) -> Array:
        """What of a band's result (..., rows, columns) is the part's."""
        if self.by_core:
            return result
        rows = slice(max(band[0], self.top) - band[0], min(band[1], self.bottom) - band[0])
        return result[..., rows, self.left : self.right]

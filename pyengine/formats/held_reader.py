"""The pixels of a small file, read at once."""

from __future__ import annotations

import math

from pyengine.formats.format import Array, Reader

HELD_BYTES = 64 << 20


class HeldReader(Reader):
    """All pages of another reader, which is closed.

    Parameters
    ----------
    reader : Reader
    """

    def __init__(self, reader: Reader) -> None:
        for name in Reader.__annotations__:
            setattr(self, name, getattr(reader, name))
        self._pages = [reader.rows(page, 0, reader.shape[0]) for page in range(reader.pages)]
        reader.close()

    def rows(self, page: int, begin: int, end: int) -> Array:
        return self._pages[page][begin:end]

    def close(self) -> None:
        self._pages = []


def held(reader: Reader) -> Reader:
    """A reader of the same that holds its pixels, unless they are many."""
    size = reader.pages * math.prod(reader.shape) * reader.dtype.itemsize
    return HeldReader(reader) if size <= HELD_BYTES else reader

"""A format's reader as the engine sees it: its pixels and channels, its errors by name."""

from __future__ import annotations

from pyengine.formats.boundary import reading
from pyengine.formats.channels import fit_channels, fitted_shape
from pyengine.formats.format import Array, Location, Reader
from pyengine.formats.pixels import pixel_dtype, to_pixels


class FittedReader(Reader):
    """Pixels of uint8, uint16 or float32 with the network's channels, where no value changes.

    Parameters
    ----------
    reader : Reader
        Of the format.
    source : Location
    noun : str
        What the file is; for messages.
    channels : int
        Channels the network needs. An image that has others for good keeps them.

    Attributes
    ----------
    stored_shape, stored_dtype
        As the format's reader gives them.
    """

    def __init__(self, reader: Reader, source: Location, noun: str, channels: int) -> None:
        self._reader, self._source, self._noun, self._channels = reader, source, noun, channels
        self.pages, self.stacked, self.stack = reader.pages, reader.stacked, reader.stack
        self.axes, self.axes_by = reader.axes, reader.axes_by
        self.calibration, self.levels = reader.calibration, reader.levels
        self.geometry, self.notes = reader.geometry, reader.notes
        self.stored_shape, self.stored_dtype = reader.shape, reader.dtype
        self.dtype = pixel_dtype(reader.dtype)
        self.shape = fitted_shape(reader.shape, channels)

    def rows(self, page: int, begin: int, end: int) -> Array:
        with reading(self._source, self._noun):
            return to_pixels(fit_channels(self._reader.rows(page, begin, end), self._channels))

    def close(self) -> None:
        self._reader.close()

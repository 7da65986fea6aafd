"""What the stored samples of a TIFF's page mean: photometric interpretation, orientation, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Array

# Values of tags, as in the TIFF 6.0 specification.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
# Compressions whose decoder gives RGB for YCbCr.
JPEG = (6, 7, 33007, 34892)
# Aperio's two kinds of JPEG 2000 say by themselves what their samples are.
_APERIO_YCBCR, _APERIO_RGB = 33003, 33005
_GIVES_RGB = (*JPEG, _APERIO_YCBCR, _APERIO_RGB)
# From Y, Cb - 128, Cr - 128 to RGB, as in JPEG.
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)


class Look:
    """What the stored samples of a page mean, as far as they are taken.

    Parameters
    ----------
    page : tifffile.TiffPage
    indices : bool
        Of palettes the numbers, not the colours.

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (H, W, C)
    dtype : numpy.dtype
        Of what `apply` returns.
    planar : bool
        Whether each channel is stored by itself.
    """

    def __init__(self, page: Any, indices: bool = False) -> None:
        if page.axes not in ("YX", "YXS", "SYX"):
            raise ImageRefusedError(
                f"pages of shape {tuple(page.shape)} are not (H, W) or (H, W, C)"
            )
        self.planar = page.axes == "SYX"
        stored = tuple(page.shape)
        self.shape = (*stored[1:], stored[0]) if self.planar else stored
        self.dtype = np.dtype(page.dtype)
        self._bits = int(page.bitspersample)
        self._is_ycbcr = page.compression == _APERIO_YCBCR
        self._white_is_zero = page.photometric == _WHITE_IS_ZERO
        self._colors: Array | None = None
        _refuse_photometric(page)
        _refuse_orientation(page)
        if self._white_is_zero and self.dtype.kind not in "bu":
            raise ImageRefusedError(f"WhiteIsZero of {self.dtype} values is not taken")
        if page.photometric == _PALETTE and not indices:
            if page.colormap is None:
                raise ImageRefusedError("a palette image without a colour map")
            self._colors = np.ascontiguousarray((page.colormap >> 8).T.astype(np.uint8))
            self.shape = (*self.shape[:2], 3)
        if self._colors is not None or self.dtype.kind == "b":
            self.dtype = np.dtype(np.uint8)

    def apply(self, samples: Array) -> Array:
        """Stored rows as pixels, black 0 and white the largest value."""
        if self._colors is not None:
            return np.asarray(self._colors[samples])
        if self._is_ycbcr:
            centred = samples.astype(np.float32) - np.array([0, 128, 128], np.float32)
            return (centred @ _TO_RGB.T).round().clip(0, 255).astype(np.uint8)
        if samples.dtype.kind == "b":
            return np.where(samples != self._white_is_zero, np.uint8(255), np.uint8(0))
        if self._white_is_zero:
            return np.subtract((1 << self._bits) - 1, samples, dtype=samples.dtype)
        return samples


def _refuse_photometric(page: Any) -> None:
    photometric, compression = page.photometric, page.compression
    taken = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE)
    if photometric in taken or (photometric == _YCBCR and compression in _GIVES_RGB):
        return
    name = getattr(photometric, "name", photometric)
    without = " without JPEG compression" if photometric == _YCBCR else ""
    raise ImageRefusedError(
        f"its pixels are {name}{without}, which is not taken; convert it to grey or RGB"
    )


def _refuse_orientation(page: Any) -> None:
    orientation = page.tags.valueof(274, 1)
    if orientation != 1:
        raise ImageRefusedError(
            f"its Orientation tag is {int(orientation)}, and only upright images (1) are taken; "
            "write it upright"
        )

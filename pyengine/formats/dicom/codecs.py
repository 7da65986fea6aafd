"""Decoders of compressed frames that pydicom lacks, by imagecodecs; as a plug-in of pydicom.

pydicom brings RLE, and JPEG of 8 bits by Pillow.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

_PLUGIN = "imagecodecs"
_LOSSLESS = ("JPEGLosslessDecoder", "JPEGLosslessSV1Decoder")
_LS = ("JPEGLSLosslessDecoder", "JPEGLSNearLosslessDecoder")
_J2K = (
    "JPEG2000LosslessDecoder", "JPEG2000Decoder", "HTJ2KLosslessDecoder",
    "HTJ2KLosslessRPCLDecoder", "HTJ2KDecoder",
)  # fmt: skip
_NAMES = ("JPEGExtended12BitDecoder", *_LOSSLESS, *_LS, *_J2K)

# pydicom asks for these two by name.
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}


def is_available(_: str) -> bool:
    """Whether the plug-in can decode a transfer syntax that it was added to."""
    return True


@functools.cache
def add_codecs() -> None:
    """Tell pydicom of them."""
    from pydicom.pixels import decoders

    for name in _NAMES:
        decoder = getattr(decoders, name)
        DECODER_DEPENDENCIES[decoder.UID] = ("imagecodecs",)
        decoder.add_plugin(_PLUGIN, (__name__, "decode_frame"))


def plugin_of(decoder: Any) -> str:
    """Which plug-in decodes; empty for pydicom's own choice."""
    return _PLUGIN if _PLUGIN in decoder.available_plugins else ""


def decode_frame(source: bytes, runner: Any) -> bytearray:
    """The samples of one frame, colours by pixel; called by pydicom."""
    import imagecodecs
    from pydicom import uid

    syntax = runner.transfer_syntax
    if syntax in (uid.JPEG2000Lossless, uid.JPEG2000, *_uids(*_J2K)):
        array = imagecodecs.jpeg2k_decode(source)
        # The colour transform is undone by the decoder.
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    elif syntax in _uids(*_LS):
        array = imagecodecs.jpegls_decode(source)
    elif syntax in _uids(*_LOSSLESS):
        array = imagecodecs.jpegsof3_decode(source)
    else:
        array = imagecodecs.jpeg8_decode(source)
    array = np.asarray(array)
    runner.set_option("bits_allocated", 8 * array.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytearray(array.tobytes())


def _uids(*names: str) -> tuple[str, ...]:
    from pydicom.pixels import decoders

    return tuple(getattr(decoders, name).UID for name in names)

"""What users hold as images, as NumPy arrays without a copy where that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np

# Modes of Pillow whose numbers are the pixels.
_PLAIN_MODES = ("L", "RGB", "RGBA", "LA", "F", "I;16", "I")


def as_image(value: Any) -> Any:
    """NumPy arrays as they are; what becomes one by NumPy's protocols, as one; others unchanged.

    Tensors in host memory, dask and xarray arrays (computed whole), images of Pillow, and all with
    ``__array_interface__``, ``__array__`` or the buffer protocol.

    Raises
    ------
    TypeError
        It says that it is an array and cannot be made one.
    ValueError
        A masked array that hides pixels, or an image of Pillow whose numbers are no pixels.
    """
    if isinstance(value, np.ma.MaskedArray):
        hidden = int(np.ma.getmaskarray(value).sum())
        if hidden:
            raise ValueError(
                f"image is a masked array that hides {hidden} px, for which a network needs values "
                "too; pass image.filled(VALUE)"
            )
        return np.asarray(value.data)
    if isinstance(value, np.ndarray) or not _is_array(value):
        return value
    mode = getattr(value, "mode", None)
    if type(value).__module__.startswith("PIL.") and mode not in _PLAIN_MODES:
        raise ValueError(
            f"image is one of Pillow's in mode {mode!r}, whose numbers are no pixels; pass "
            "image.convert('L') or image.convert('RGB')"
        )
    try:
        return np.asarray(value)
    except Exception as error:
        words = " ".join(str(error).split())
        raise TypeError(f"image: a {type(value).__name__} gives no array ({words})") from error


def _is_array(value: Any) -> bool:
    protocols = ("__array_interface__", "__array__")
    return isinstance(value, memoryview) or any(hasattr(value, name) for name in protocols)

"""The library that finds objects, where it is installed."""

from __future__ import annotations

from typing import Any

HOW = 'pip install "pyengine[measure]"'


def scikit_image() -> Any:
    """The module ``skimage`` with the parts that are used here.

    Raises
    ------
    ImportError
        It is missing; the message says how it comes here.
    """
    try:
        import skimage.feature
        import skimage.measure
        import skimage.segmentation
    except ImportError as error:
        raise ImportError(f"objects are found by scikit-image: {HOW} ({error})") from error
    return skimage

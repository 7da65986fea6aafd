"""A sheet of thumbnails, each over its name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Array = npt.NDArray[Any]
_GAP_PX = 8
_LINE_PX = 16


def montage(
    named: Iterable[tuple[str, Array]], side_px: int = 200, columns: int | None = None
) -> Array:
    """One picture of many.

    Parameters
    ----------
    named : iterable of (str, ndarray of uint8, shape (h, w, 3))
        At most `side_px` wide.
    side_px : int
        Width of the column for each.
    columns : int, optional
        Default: about as many as rows, and half as many again.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Raises
    ------
    ValueError
        No picture.
    """
    listed = list(named)
    if not listed:
        raise ValueError("a montage needs at least one picture")
    across = columns or max(1, round(math.sqrt(1.5 * len(listed))))
    across = min(across, len(listed))
    down = -(-len(listed) // across)
    tallest = max(picture.shape[0] for _, picture in listed)
    pitch_x, pitch_y = side_px + _GAP_PX, tallest + _LINE_PX + _GAP_PX
    sheet = Image.new("RGB", (across * pitch_x + _GAP_PX, down * pitch_y + _GAP_PX), "#ffffff")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (name, picture) in enumerate(listed):
        left = _GAP_PX + number % across * pitch_x
        top = _GAP_PX + number // across * pitch_y
        height, width = picture.shape[:2]
        sheet.paste(
            Image.fromarray(picture), (left + (side_px - width) // 2, top + (tallest - height) // 2)
        )
        draw.text((left, top + tallest + 1), _fitting(name, side_px, font), "#222222", font)
    return np.asarray(sheet)


def _fitting(name: str, width_px: int, font: Any) -> str:
    """The name, or its end behind dots: ends are what tells files apart."""
    plain = name.encode("utf-8", "replace").decode()  # names need not be text
    text = plain
    while font.getlength(text) > width_px and len(plain) > 1:
        plain = plain[1:]
        text = f"...{plain}"
    return text

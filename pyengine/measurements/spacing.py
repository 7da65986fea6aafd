"""How far pixels lie apart, in millimetres."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.formats.format import Reader

_MM = {
    "nm": 1e-6, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "mm": 1.0, "cm": 10.0,
    "m": 1e3, "in": 25.4, "inch": 25.4,
}  # fmt: skip


@dataclass(frozen=True)
class Spacing:
    """Distances between the centres of neighbouring pixels [mm].

    Attributes
    ----------
    height, width : float
        From row to row, and from column to column.
    depth : float or None
        From one image of a stack to the next.
    """

    height: float
    width: float
    depth: float | None = None

    @property
    def area_mm2(self) -> float:
        """Of a pixel."""
        return self.height * self.width

    @property
    def volume_mm3(self) -> float | None:
        """Of a voxel."""
        return None if self.depth is None else self.depth * self.height * self.width

    def scaled(self, down: float, across: float) -> Spacing:
        """Of an image that has so many times fewer pixels."""
        return Spacing(self.height * down, self.width * across, self.depth)


def as_spacing(given: float | Sequence[float] | Spacing | None) -> Spacing | None:
    """`Spacing` from what a caller gives.

    Parameters
    ----------
    given : float, (y, x), (z, y, x), Spacing or None
        In mm; one number stands for both sides of a square pixel.

    Raises
    ------
    ValueError
        Not one to three positive numbers.
    """
    if given is None or isinstance(given, Spacing):
        return given
    numbers = [float(given)] if isinstance(given, (int, float)) else [float(n) for n in given]
    if not 1 <= len(numbers) <= 3 or not all(math.isfinite(n) and n > 0 for n in numbers):
        raise ValueError(
            f"spacing must be one positive number, (y, x) or (z, y, x) in mm, got {given!r}"
        )
    if len(numbers) == 1:
        numbers *= 2
    depth = numbers[0] if len(numbers) == 3 else None
    return Spacing(numbers[-2], numbers[-1], depth)


def parse_spacing(text: str) -> Spacing:
    """`Spacing` from words such as "0.5um", "3.9x11.3um" or "0.24x0.0039x0.0113mm" (Z, Y, X).

    Raises
    ------
    ValueError
        Other words.
    """
    units = "|".join(sorted(_MM, key=len, reverse=True))
    match = re.fullmatch(rf"\s*([0-9.eE+\-]+(?:\s*x\s*[0-9.eE+\-]+){{0,2}})\s*({units})\s*", text)
    if match is None:
        raise ValueError(
            f"spacing must be like 0.5um, 3.9x11.3um (Y x X) or 0.24x0.0039x0.0113mm (Z x Y x X) "
            f"in nm, um, mm, cm or in, got {text!r}"
        )
    try:
        numbers = [float(part) * _MM[match[2]] for part in match[1].split("x")]
    except ValueError:
        raise ValueError(f"spacing {text!r}: {match[1]!r} are no numbers") from None
    spacing = as_spacing(numbers)
    assert spacing is not None
    return spacing


def spacing_of(reader: Reader) -> Spacing | None:
    """What a file says of its pixels; None where it says nothing, or in no unit of length."""
    mm = None if reader.calibration is None else reader.calibration.in_unit("mm")
    return None if mm is None else Spacing(mm.height, mm.width, mm.depth)

"""How large the pixels of a TIFF are: as OME, ImageJ, Aperio, or its resolution tags say."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from pyengine.formats.format import Calibration

_INCH, _CENTIMETRE = 2, 3
# Words of ImageJ.
_IMAGEJ_UNITS = {"micron": "µm", "um": "µm", "\\u00B5m": "µm", "inch": "in", "microns": "µm"}


def calibration_of(
    tiff: Any, page: Any, levels: tuple[tuple[int, int], ...], level: int
) -> Calibration | None:
    """Of the pixels of a level; None where the file does not say."""
    said = _ome(tiff) or _imagej(tiff, page) or _aperio(tiff)
    if said is not None:
        (height, width), (own_height, own_width) = levels[0], levels[level]
        return Calibration(
            said.height * height / own_height, said.width * width / own_width, said.unit, said.depth
        )
    resolution = _per_unit(page)
    unit = {_INCH: "in", _CENTIMETRE: "cm"}.get(int(page.resolutionunit or 0))
    if resolution is None or unit is None:
        return None
    return Calibration(1 / resolution[1], 1 / resolution[0], unit)


def _per_unit(page: Any) -> tuple[float, float] | None:
    """Pixels per unit along X and Y."""
    values = [page.tags.valueof(code) for code in (282, 283)]
    if not all(isinstance(v, tuple) and len(v) == 2 and v[0] > 0 and v[1] > 0 for v in values):
        return None
    (x, x_over), (y, y_over) = values
    return x / x_over, y / y_over


def _ome(tiff: Any) -> Calibration | None:
    if not tiff.is_ome:
        return None
    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
    except ElementTree.ParseError:
        return None
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None
    size = {axis: _number(pixels.get(f"PhysicalSize{axis}")) for axis in "XYZ"}
    units = {axis: pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XYZ"}
    if size["X"] is None or size["Y"] is None or units["X"] != units["Y"]:
        return None
    depth = size["Z"] if units["Z"] == units["X"] else None
    return Calibration(size["Y"], size["X"], units["X"], depth)


def _imagej(tiff: Any, page: Any) -> Calibration | None:
    if not tiff.is_imagej:
        return None
    notes = tiff.imagej_metadata or {}
    unit = str(notes.get("unit", ""))
    unit = _IMAGEJ_UNITS.get(unit, unit)
    resolution = _per_unit(page)
    if resolution is None or unit in ("", "pixel", "pixels"):
        return None
    return Calibration(1 / resolution[1], 1 / resolution[0], unit, _number(notes.get("spacing")))


def _aperio(tiff: Any) -> Calibration | None:
    if not tiff.is_svs:
        return None
    found = re.search(r"MPP\s*=\s*([0-9.]+)", str(tiff.pages[0].description))
    value = _number(found[1]) if found else None
    return None if value is None else Calibration(value, value, "µm")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None

"""The nine fields of the ETDRS grid, over a map of the macula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.measurements.spacing import Spacing
from pyengine.measurements.table import Table, from_rows

Array = npt.NDArray[Any]

# Early Treatment Diabetic Retinopathy Study, report 10 (1991): circles of 1, 3 and 6 mm.
RADII_MM = (0.5, 1.5, 3.0)
FIELDS = (
    "center", "inner superior", "inner right", "inner inferior", "inner left", "outer superior",
    "outer right", "outer inferior", "outer left",
)  # fmt: skip
_QUARTERS = ("superior", "right", "inferior", "left")
_KINDS = {
    "field": "U", "mean_um": "f", "min_um": "f", "max_um": "f", "volume_mm3": "f",
    "a_scans": "i", "covered": "f",
}  # fmt: skip


def etdrs(
    thickness_um: Array,
    spacing: Spacing,
    laterality: str | None = None,
    center: tuple[float, float] | None = None,
    superior: str = "last",
) -> Table:
    """Mean thickness in each field of the ETDRS grid.

    Parameters
    ----------
    thickness_um : ndarray, shape (N, W)
        As from `thickness_map`; NaN is left out.
    spacing : Spacing
        `depth` is the distance of B-scans, `width` that of A-scans.
    laterality : {"OD", "OS"}, optional
        Of a right or left eye, whose fields are then called nasal and temporal; else they are
        "right" and "left", as on the map.
    center : (row, column), optional
        The fovea, in pixels of the map. Default: the middle of the map.
    superior : {"last", "first"}
        Which B-scan lies highest: "last" for scans that begin below, as Heidelberg's do.

    Returns
    -------
    Table
        One row for each field: mean, least and largest thickness [um], volume [mm3], how many
        A-scans lie in it, and which share of its area these cover.

    Raises
    ------
    ValueError
        No distance of B-scans, another shape, or another word.
    """
    if np.ndim(thickness_um) != 2:
        raise ValueError(f"a map has the shape (N, W), got {np.shape(thickness_um)}")
    if spacing.depth is None:
        raise ValueError("the grid needs the distance of B-scans: spacing (z, y, x)")
    if laterality not in (None, "OD", "OS"):
        raise ValueError(f"laterality must be OD or OS, got {laterality!r}")
    fields = field_numbers(thickness_um.shape, spacing, center, superior)
    pixel_mm2 = spacing.depth * spacing.width
    rows = []
    for number, name in enumerate(FIELDS):
        inside = (fields == number) & ~np.isnan(thickness_um)
        values = thickness_um[inside].astype(np.float64)
        known = values.size > 0
        rows.append({
            "field": _named(name, laterality),
            "mean_um": float(values.mean()) if known else math.nan,
            "min_um": float(values.min()) if known else math.nan,
            "max_um": float(values.max()) if known else math.nan,
            "volume_mm3": float(values.sum() / 1000 * pixel_mm2) if known else math.nan,
            "a_scans": values.size,
            "covered": min(1.0, values.size * pixel_mm2 / _area_mm2(number)),
        })  # fmt: skip
    return from_rows(_KINDS, rows)


def field_numbers(
    shape: tuple[int, ...],
    spacing: Spacing,
    center: tuple[float, float] | None = None,
    superior: str = "last",
) -> npt.NDArray[np.int8]:
    """Which field of `FIELDS` each pixel of a map lies in; -1 outside. See `etdrs`."""
    if superior not in ("first", "last"):
        raise ValueError(f"superior must be first or last, got {superior!r}")
    rows, columns = shape
    row, column = center if center is not None else ((rows - 1) / 2, (columns - 1) / 2)
    assert spacing.depth is not None
    upward = 1 if superior == "last" else -1
    y = (np.arange(rows)[:, None] - row) * spacing.depth * upward
    x = (np.arange(columns)[None] - column) * spacing.width
    radius = np.hypot(y, x)
    ring = np.searchsorted(RADII_MM, radius, side="right")  # 0 center, 1 inner, 2 outer, 3 outside
    # Quarters of 90 degrees around up, right, down and left.
    quarter = np.floor((np.degrees(np.arctan2(x, y)) + 45) / 90).astype(int) % 4
    number = np.where(ring == 0, 0, 1 + 4 * (ring - 1) + quarter)
    return np.asarray(np.where(ring == 3, -1, number), np.int8)


def _named(field: str, laterality: str | None) -> str:
    if laterality is None:
        return field
    # A right eye's nose is on the right of its picture.
    sides = {"OD": ("nasal", "temporal"), "OS": ("temporal", "nasal")}[laterality]
    return field.replace("right", sides[0]).replace("left", sides[1])


def _area_mm2(field: int) -> float:
    ring = 0 if field == 0 else 1 + (field - 1) // 4
    inner = RADII_MM[ring - 1] if ring else 0.0
    return math.pi * (RADII_MM[ring] ** 2 - inner**2) / (1 if ring == 0 else 4)

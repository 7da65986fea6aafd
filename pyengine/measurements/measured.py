"""What labels say, as tables; docs/measurements.md defines each column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.html import html_table
from pyengine.measurements.class_sums import ClassSums
from pyengine.measurements.object_sums import Objects
from pyengine.measurements.settings import Settings
from pyengine.measurements.table import Table, from_rows

Array = npt.NDArray[Any]

_SIDES = {
    "yx": (("top", "bottom"), ("left", "right")),
    "zyx": (("front", "back"), ("top", "bottom"), ("left", "right")),
}


@dataclass(frozen=True)
class Measurements:
    """What labels say, as tables; `docs/measurements.md` defines each column.

    Attributes
    ----------
    classes : Table
        One row for each page and class.
    objects : Table
        One row for each connected component of a class.
    volumes : Table
        One row for each class of a volume; empty for images and stacks that are none.
    """

    classes: Table
    objects: Table
    volumes: Table

    def _repr_html_(self) -> str:
        parts = {"classes": self.classes, "objects": self.objects, "volumes": self.volumes}
        return "".join(
            f"<p><b>{name}</b></p>{table._repr_html_()}"
            for name, table in parts.items()
            if len(table)
        ) or html_table(["nothing"], [])


def intensity_names(channels: int) -> list[str]:
    """Columns of mean intensities."""
    return ["mean_intensity"] if channels == 1 else [f"mean_intensity_{k}" for k in range(channels)]


def class_table(
    sums: list[ClassSums], objects: list[Table], settings: Settings, channels: int
) -> Table:
    area = math.nan if settings.spacing is None else settings.spacing.area_mm2
    means = intensity_names(channels)
    rows = []
    for page, one in enumerate(sums):
        total = int(one.pixels.sum())
        counted = np.zeros(0) if settings.volume else objects[page]["class"]
        for k, name in enumerate(settings.names):
            known = not settings.volume and k in settings.object_classes
            rows.append({
                "page": page, "class": k, "name": name, "area_px": int(one.pixels[k]),
                "area_mm2": float(one.pixels[k] * area), "fraction": float(one.pixels[k] / total),
                "objects": int((counted == k).sum()) if known else None,
                **dict(zip(means, one.means()[k].tolist(), strict=True)),
            })  # fmt: skip
    kinds = {
        "page": "i", "class": "i", "name": "U", "area_px": "i", "area_mm2": "f", "fraction": "f",
        "objects": "O", **dict.fromkeys(means, "f"),
    }  # fmt: skip
    return from_rows(kinds, rows)


def volume_table(sums: list[ClassSums], objects: Table, settings: Settings, channels: int) -> Table:
    means = intensity_names(channels)
    kinds = {
        "class": "i", "name": "U", "voxels": "i", "volume_mm3": "f", "fraction": "f",
        "objects": "O", **dict.fromkeys(means, "f"),
    }  # fmt: skip
    if not settings.volume:
        return from_rows(kinds, [])
    unit = None if settings.spacing is None else settings.spacing.volume_mm3
    all_pages = ClassSums(len(settings.names), channels)
    for one in sums:
        all_pages.merge(one)
    rows = []
    for k, name in enumerate(settings.names):
        voxels = int(all_pages.pixels[k])
        rows.append({
            "class": k, "name": name, "voxels": voxels,
            "volume_mm3": math.nan if unit is None else voxels * unit,
            "fraction": voxels / int(all_pages.pixels.sum()),
            "objects": int((objects["class"] == k).sum())
            if k in settings.object_classes else None,
            **dict(zip(means, all_pages.means()[k].tolist(), strict=True)),
        })  # fmt: skip
    return from_rows(kinds, rows)


def object_table(
    found: Objects,
    settings: Settings,
    channels: int,
    page: int | None,
) -> Table:
    n = len(found.label)
    spacing = settings.spacing
    label = found.label % settings.step - 1
    names = np.array(list(settings.names), np.str_)[label]
    columns: dict[str, Array] = {"object": np.arange(1, n + 1), "class": label, "name": names}
    if page is None:
        unit = None if spacing is None else spacing.volume_mm3
        columns |= {"voxels": found.pixels, "volume_mm3": found.pixels * (unit or math.nan)}
    else:
        columns = {"page": np.full(n, page), **columns}
        area = math.nan if spacing is None else spacing.area_mm2
        columns |= {"area_px": found.pixels, "area_mm2": found.pixels * area}
    axes = "yx" if page is not None else "zyx"
    for k, axis in enumerate(axes):
        columns[f"centroid_{axis}_px"] = found.centroid[:, k]
    for k, (begin, _) in enumerate(_SIDES[axes]):
        columns[f"bbox_{begin}_px"] = found.low[:, k]
    for k, (_, end) in enumerate(_SIDES[axes]):
        columns[f"bbox_{end}_px"] = found.high[:, k]
    for k, name in enumerate(intensity_names(channels)):
        columns[name] = found.mean[:, k]
    return Table(columns)

"""What people do with labels: areas, objects, volumes, contours, maps of thickness, pictures.

`docs/measurements.md` defines every number, with its unit.
"""

from __future__ import annotations

from pyengine.measurements.etdrs import etdrs
from pyengine.measurements.instances import instances
from pyengine.measurements.measure import measure
from pyengine.measurements.measured import Measurements
from pyengine.measurements.spacing import Spacing
from pyengine.measurements.table import Table
from pyengine.measurements.thickness import en_face, thickness_map

__all__ = [
    "Measurements", "Spacing", "Table", "en_face", "etdrs", "instances", "measure", "thickness_map",
]  # fmt: skip

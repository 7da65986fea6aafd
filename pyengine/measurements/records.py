"""What was measured of each image, kept beside its labels until the table of all is written."""

from __future__ import annotations

from pathlib import Path

RECORDS = ".pyengine-measured"


def record_path(labels: Path) -> Path:
    """Where the tables of an image lie whose labels are in this file."""
    return labels.parent / RECORDS / f"{labels.name}.json"

"""One loader per data set, each reading it as its owners distribute it."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path:
    """Folder of all data sets: ``$PYENGINE_DATA``, else ``../shared/data`` beside the project."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get("PYENGINE_DATA", default))

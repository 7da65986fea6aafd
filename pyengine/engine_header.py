"""What an engine file says before the core has verified it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 64 << 20


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an engine file, not verified; ValueError or KeyError if there is none."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER_BYTES:
            raise ValueError(f"{path}: no engine file")
        header = json.loads(file.read(size))
    manifest: dict[str, Any] = json.loads(header["__metadata__"]["manifest"])
    return manifest

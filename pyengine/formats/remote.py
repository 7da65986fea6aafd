"""Places that are no paths: URLs of stores that fsspec reaches, as ``s3://bucket/image.zarr``."""

from __future__ import annotations

import re
from pathlib import Path

# What `pathlib` leaves of a URL: one slash of two. A drive of Windows has one letter.
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)(?:::[a-z]+)*:/+(.+)", re.DOTALL)


def url_of(path: Path) -> str | None:
    """The URL that was made a path; None of a file's path."""
    match = _URL.fullmatch(str(path))
    if match is None or path.is_absolute():
        return None
    return f"{match[1]}://{'/' if match[1] == 'file' else ''}{match[2]}"

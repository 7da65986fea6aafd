"""OME-Zarr 0.4 and 0.5, and plain Zarr: folders, or stores that fsspec reaches."""

from __future__ import annotations

from pyengine.formats.ome_zarr.format import OmeZarr

__all__ = ["OmeZarr"]

"""Results as OME-Zarr: what makes a store an image is written last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Band, Calibration, Result
from pyengine.formats.ome_zarr.store import UNITS, open_store
from pyengine.formats.remote import url_of

_CHUNK_PX = 512
_ORDER = "TCZYX"  # in which OME-Zarr has its axes
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


def axes_of(result: Result) -> str:
    """The axes of a result, in OME-Zarr's order.

    Raises
    ------
    ImageRefusedError
        OME-Zarr has no such axes.
    """
    stack = "".join(axis for axis, _ in _stack_of(result))
    classes = "C" if len(result.page_shape) > 2 else ""
    letters = stack + classes + "YX"
    if len(set(letters)) < len(letters) or not set(letters) <= set(_ORDER):
        raise ImageRefusedError(
            f"OME-Zarr has axes T, C and Z, each once; this result has {letters}"
        )
    return "".join(axis for axis in _ORDER if axis in letters)


def write_image(path: Path, result: Result, bands: Iterator[Band], version: str) -> None:
    """Write a result into an empty store.

    Parameters
    ----------
    path : Path
        A folder's, or a URL.
    result, bands
        See `Format.save`.
    version : {"0.4", "0.5"}
        Of OME-Zarr.
    """
    import zarr

    axes = axes_of(result)
    stack = _stack_of(result)
    *classes, height, width = result.page_shape
    sizes = dict(stack) | {"Y": height, "X": width}
    if classes:
        sizes["C"] = classes[0]
    shape = tuple(sizes[axis] for axis in axes)
    sides = {"Y": min(height, _CHUNK_PX), "X": min(width, _CHUNK_PX)}
    store = open_store(path, read_only=False)
    own = 3 if version == "0.5" else 2
    more: dict[str, Any] = (
        {"dimension_names": [axis.lower() for axis in axes]} if own == 3
        else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )  # fmt: skip
    array = zarr.create_array(
        store, name="0", shape=shape, dtype=result.dtype, zarr_format=own,
        chunks=tuple(sides.get(axis, 1) for axis in axes), **more,
    )  # fmt: skip
    if url_of(path) is not None:
        _unmark(path, "zarr.json" if own == 3 else ".zgroup")
    for band in _by_chunks(bands, sides["Y"], height):
        places = np.unravel_index(band.page, [n for _, n in stack]) if stack else ()
        at: dict[str, Any] = {a: int(p) for (a, _), p in zip(stack, places, strict=True)}
        at["Y"] = slice(band.begin, band.end)
        array[tuple(at.get(axis, slice(None)) for axis in axes)] = band.values
    root = zarr.open_group(store, mode="a", zarr_format=own)
    root.update_attributes(_attributes(result, axes, version))


def _unmark(path: Path, mark: str) -> None:
    """Remove the group around a new array, of a store that cannot be renamed when it is done."""
    import fsspec

    files, root = fsspec.core.url_to_fs(url_of(path))
    files.rm(f"{root}/{mark}")


def _stack_of(result: Result) -> list[tuple[str, int]]:
    """Axes and lengths of a result's stack; one of images of which nobody says more is Z."""
    if not result.stacked:
        return []
    stack = list(result.stack) or [("Z", result.pages)]
    return [("Z", result.pages)] if len(stack) == 1 and stack[0][0] not in "TCZ" else stack


def _by_chunks(bands: Iterator[Band], rows: int, height: int) -> Iterator[Band]:
    """Bands cut anew, so that each chunk is written once."""
    pending: Band | None = None
    for band in bands:
        if pending is not None:
            band = Band(
                band.page, pending.begin, np.concatenate([pending.values, band.values], axis=-2)
            )
            pending = None
        for begin in range(band.begin, band.end, rows):
            part = Band(band.page, begin, band.values[..., begin - band.begin :, :][..., :rows, :])
            if part.end == height or part.values.shape[-2] == rows:
                yield part
            else:
                pending = part


def _attributes(result: Result, axes: str, version: str) -> dict[str, Any]:
    size = result.calibration
    described = []
    for axis in axes:
        one = {"name": axis.lower(), "type": _TYPES[axis]}
        unit = _unit(size)
        if unit is not None and (axis in "YX" or (axis == "Z" and size and size.depth)):
            one["unit"] = unit
        described.append(one)
    lengths = {"Y": size.height, "X": size.width, "Z": size.depth or 1.0} if size else {}
    scale = [float(lengths.get(axis, 1.0)) for axis in axes]
    image: dict[str, Any] = {
        "multiscales": [
            {
                "axes": described,
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": scale}],
                    }
                ],
            }
        ]
    }
    if len(result.page_shape) == 2:
        image["image-label"] = {
            "colors": [{"label-value": n, "rgba": [*c, 0 if n == 0 else 255]}
                       for n, c in enumerate(result.colors)],
            "properties": [{"label-value": n, "class": name}
                           for n, name in enumerate(result.classes)],
        }  # fmt: skip
        image["image-label"] = {k: v for k, v in image["image-label"].items() if v}
    notes = {"pyengine": dict(result.notes)} if result.notes else {}
    if version == "0.5":
        return {"ome": {"version": version, **image}, **notes}
    image["multiscales"][0]["version"] = version
    if "image-label" in image:
        image["image-label"]["version"] = version
    return {**image, **notes}


def _unit(size: Calibration | None) -> str | None:
    names = {unit: name for name, unit in UNITS.items()}
    return None if size is None else names.get(size.unit)

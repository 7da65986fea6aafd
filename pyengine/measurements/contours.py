"""Objects as polygons along the edges of their pixels, and GeoJSON that QuPath opens."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.atomic_file import write_atomically
from pyengine.measurements.extra import scikit_image

Array = npt.NDArray[Any]
Ring = list[list[int]]
Polygon = list[Ring]

# Directions of edges, with the object on the right hand as seen on a screen.
_EAST, _SOUTH, _WEST, _NORTH = range(4)


def polygons(numbered: Array) -> dict[int, list[Polygon]]:
    """The outlines of numbered objects.

    Parameters
    ----------
    numbered : ndarray of integers, shape (H, W)
        0 is no object.

    Returns
    -------
    dict of int to list of polygons
        Of each object as many polygons as it has parts that touch by sides. A polygon is its outer
        ring and those of its holes; a ring closes with its first point. Points are (x, y), in
        pixels from the image's upper left corner, so that areas are counts of pixels. Outer rings
        run as RFC 7946 asks, holes the other way round; no ring meets itself.
    """
    parts = scikit_image().measure.label(numbered, background=0, connectivity=1).astype(np.int64)
    found: dict[int, list[Polygon]] = {}
    of_part: dict[int, Polygon] = {}
    owners: dict[int, int] = {}
    for part, ring in _rings(parts):
        polygon = of_part.setdefault(part, [])
        if _doubled_area(ring) > 0:
            polygon.insert(0, ring)
            # The first edge runs along the top of a pixel of the object, or down its right side.
            x, y = min(ring, key=lambda point: (point[1], point[0]))
            owners[part] = int(numbered[y, x])
        else:
            polygon.append(ring)
    for part, polygon in of_part.items():
        found.setdefault(owners[part], []).append(polygon)
    return found


def _rings(parts: Array) -> Iterator[tuple[int, Ring]]:
    """(part, closed ring) of all outlines; parts are connected by sides."""
    first, last, direction, owner = _runs(parts)
    following = _following(first, last, direction, owner, parts.shape[1] + 1)
    corners, left, part_of = first.tolist(), following.tolist(), owner.tolist()
    seen = bytearray(len(corners))
    for start in range(len(corners)):
        if seen[start]:
            continue
        ring, run = [], start
        while not seen[run]:
            seen[run] = 1
            ring.append(corners[run])
            run = left[run]
        yield part_of[start], [*ring, ring[0]]


def _runs(parts: Array) -> tuple[Array, Array, Array, Array]:
    """Straight pieces of outlines: first and last corner as (x, y), direction, part."""
    padded = np.pad(parts, 1)
    inside = padded[1:-1, 1:-1]
    begins, ends, directions, owners = [], [], [], []
    for direction, beyond in (
        (_EAST, padded[:-2, 1:-1]), (_SOUTH, padded[1:-1, 2:]), (_WEST, padded[2:, 1:-1]),
        (_NORTH, padded[1:-1, :-2]),
    ):  # fmt: skip
        along_rows = direction in (_EAST, _WEST)
        edge = np.where(inside != beyond, inside, 0)
        lines = edge if along_rows else edge.T
        changes = np.diff(lines, axis=1, prepend=0, append=0) != 0
        line, place = np.nonzero(changes)
        # Of neighbouring changes in a line, the stretch between them is a run of one part.
        same = (line[:-1] == line[1:]) if len(line) else np.zeros(0, bool)
        line, low, high = line[:-1][same], place[:-1][same], place[1:][same]
        part = lines[line, low]
        line, low, high, part = (values[part > 0] for values in (line, low, high, part))
        line = line + (direction in (_SOUTH, _WEST))
        low, high = (low, high) if direction in (_EAST, _SOUTH) else (high, low)
        axes = 1 if along_rows else -1  # (x, y) from place and line, or line and place
        begins.append(np.stack([low, line][::axes], 1))
        ends.append(np.stack([high, line][::axes], 1))
        directions.append(np.full(len(line), direction))
        owners.append(part)
    return (
        np.concatenate(begins), np.concatenate(ends), np.concatenate(directions),
        np.concatenate(owners),
    )  # fmt: skip


def _following(first: Array, last: Array, direction: Array, owner: Array, width: int) -> Array:
    """The run that each run is followed by."""
    height = int(first[:, 1].max(initial=0)) + 1

    def key(corner: Array, heading: Array) -> Array:
        return np.asarray(
            ((owner * height + corner[:, 1]) * width + corner[:, 0]) * 4 + heading, np.int64
        )

    starts = key(first, direction)
    order = np.argsort(starts)
    ranked = starts[order]
    # Where four outlines meet, the turn to the left joins what touches at the corner. Within one
    # part this keeps each ring from meeting itself.
    turn_left = key(last, (direction + 3) % 4)
    at = np.minimum(np.searchsorted(ranked, turn_left), max(len(ranked) - 1, 0))
    has_left = ranked[at] == turn_left if len(ranked) else np.zeros(0, bool)
    right = np.searchsorted(ranked, key(last, (direction + 1) % 4))
    return np.asarray(order[np.where(has_left, at, np.minimum(right, max(len(order) - 1, 0)))])


def _doubled_area(ring: Ring) -> int:
    pairs = itertools.pairwise(ring)
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairs)


def features(
    numbered: Array,
    classes: Array,
    names: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
    page: int = 0,
) -> Iterator[dict[str, Any]]:
    """GeoJSON features of the objects of a page, as QuPath reads them.

    Parameters
    ----------
    numbered : ndarray of integers, shape (H, W)
        0 is no object.
    classes : ndarray of integers, shape (objects,)
        Of object 1, 2, ...
    names, colors : sequence
        Of the classes.
    page : int
        Of a stack: QuPath's z.
    """
    areas = np.bincount(numbered.ravel())
    for number, found in sorted(polygons(numbered).items()):
        label = int(classes[number - 1])
        single = len(found) == 1
        geometry: dict[str, Any] = {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": found[0] if single else found,
        }
        if page:
            geometry["plane"] = {"c": -1, "z": page, "t": 0}
        yield {
            "type": "Feature",
            "geometry": geometry,
            "properties": {
                "objectType": "detection",
                "classification": {"name": names[label], "color": list(colors[label])},
                "measurements": {"object": number, "page": page, "area_px": int(areas[number])},
            },
        }


def save_features(path: Path, found: Iterator[dict[str, Any]]) -> None:
    """Write a GeoJSON collection, one feature a line; complete or absent."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            for number, feature in enumerate(found):
                file.write(("\n" if number == 0 else ",\n") + json.dumps(feature))
            file.write("\n]}\n")

    write_atomically(path, write)

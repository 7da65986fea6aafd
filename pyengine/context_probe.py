"""Does a network need no more context than it is said to need? By its own response.

What lies outside the window of one tile is changed: the tile must stay. The image is moved by the
alignment: the output must move with it. A few runs on an input that is no larger than it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

# Inputs of up to so many pixels a side have room for a tile in the middle.
_MIDDLE_PX = 512
_SEED = 2015
_RELATIVE = 1e-5


def probe(
    network: Callable[[Array], Array],
    geometry: Mapping[str, Any],
    channels: int,
    size: tuple[int, int] | None = None,
) -> str:
    """Compare a network's response with its geometry.

    Parameters
    ----------
    network : callable
        (1, C, H, W) to (1, P, H', W').
    geometry : mapping
        ``before``, ``after``, ``alignment`` and ``margin`` [px], as of the core's ``analyze``.
    channels : int
        Of the input.
    size : (int, int), optional
        Height and width of the input, which the network must take. Default: the smallest with room
        for a tile and its context, on one side at least.

    Returns
    -------
    str
        Empty, or what the network does otherwise. Empty, too, where `size` has no room for a tile
        beyond the context: then nothing can be seen.
    """
    align, margin = geometry["alignment"], geometry["margin"]
    # Before a tile the context is rounded up to the alignment; what is needed is checked.
    before, after = geometry["before"], geometry["after"]
    residue = geometry.get("size_residue", 0)
    least = before + after + 3 * align + 2 * margin
    if size is None:
        side = least if least <= _MIDDLE_PX else max(before, after) + 2 * align + 2 * margin
        side += (residue - side) % align
        size = (side, side)
    # Else a tile in each of two corners: what is below and right of one, above and left of the other.
    last = (min(size) - 2 * margin - align) // align * align
    corners = [0] if min(size) > align + after + margin else []
    corners += [last] if last >= max(before, align) else []
    if min(size) < least and not corners:
        return ""
    rng = np.random.default_rng(_SEED)
    x = rng.standard_normal((1, channels, *size), dtype=np.float32)
    want = network(x)
    limit = _RELATIVE * float(np.ptp(want)) + 1e-12
    other = rng.standard_normal(x.shape, dtype=np.float32) * 3
    if min(size) >= least:
        # In the middle: padding that a network makes inside its planes lies at the edges.
        first = (
            max(-(-before // align), (min(size) - least) // 2 // align + before // align) * align
        )
        return _changes(network, x, want, other, first, geometry, limit) or _moves(
            network, x, want, first, align, limit
        )
    said = (_changes(network, x, want, other, first, geometry, limit) for first in corners)
    return next((words for words in said if words), "")


def _changes(
    network: Callable[[Array], Array],
    x: Array,
    want: Array,
    other: Array,
    first: int,
    geometry: Mapping[str, Any],
    limit: float,
) -> str:
    """What the tile at (first, first) does once all pixels outside its window are others."""
    align, margin = geometry["alignment"], geometry["margin"]
    tile = slice(first, first + align)
    # Output index p is input index p + margin.
    begin = max(0, first + margin - geometry["before"])
    window = slice(begin, first + align + margin + geometry["after"])
    changed = other.copy()
    changed[:, :, window, window] = x[:, :, window, window]
    got = network(changed)
    difference = float(np.abs(want[:, :, tile, tile] - got[:, :, tile, tile]).max())
    if difference <= limit:
        return ""
    context = geometry["before"], geometry["after"]
    return (
        f"halo of {context} px: a tile should need no more context, but the network's output "
        f"changed by {difference:.3g} when pixels outside it changed"
    )


def _moves(
    network: Callable[[Array], Array], x: Array, want: Array, first: int, align: int, limit: float
) -> str:
    moved = network(np.ascontiguousarray(np.roll(x, (align, align), (2, 3))))
    tile, to = slice(first, first + align), slice(first + align, first + 2 * align)
    difference = float(np.abs(want[:, :, tile, tile] - moved[:, :, to, to]).max())
    if difference <= limit:
        return ""
    return (
        f"alignment {align} px: moving the image by it changed the network's output by "
        f"{difference:.3g}"
    )

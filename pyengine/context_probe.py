"""Does a network need no more context than it is said to need? By its own response.

What lies outside the window of one tile is changed: the tile must stay. The image is moved by the
alignment: the output must move with it. A few runs on an input that is no larger than it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    size: tuple[int, ...] | None = None,
) -> str:
    """Compare a network's response with its geometry.

    Parameters
    ----------
    network : callable
        (1, C, H, W) to (1, P, H', W'); of volumes with depths before the heights.
    geometry : mapping
        ``before``, ``after``, ``alignment`` and ``margin`` [px], as of the core's ``analyze``: one
        number for both axes of images, one for each of volumes.
    channels : int
        Of the input.
    size : tuple of int, optional
        Of the input, which the network must take. Default: the smallest with room for a tile and
        its context, on one side at least.

    Returns
    -------
    str
        Empty, or what the network does otherwise. Empty, too, where `size` has no room for a tile
        beyond the context: then nothing can be seen.
    """
    alignment = geometry["alignment"]
    rank = 2 if isinstance(alignment, int) else len(alignment)
    axes = [_Axis.of(geometry, i) for i in range(rank)]
    if size is None:
        size = tuple(axis.side() for axis in axes)
    rng = np.random.default_rng(_SEED)
    corners = [
        axis.corners(min(size) if rank == 2 else n) for axis, n in zip(axes, size, strict=True)
    ]
    middle = [
        axis.middle(min(size) if rank == 2 else n) for axis, n in zip(axes, size, strict=True)
    ]
    # Without room on both sides a tile in each of two corners: what is below and right of one, above
    # and left of the other.
    inside = all(first is not None for first in middle)
    tiles = [tuple(middle)] if inside else list(zip(*corners, strict=False))
    if not tiles:
        return ""
    x = rng.standard_normal((1, channels, *size), dtype=np.float32)
    want = network(x)
    limit = _RELATIVE * float(np.ptp(want)) + 1e-12
    other = rng.standard_normal(x.shape, dtype=np.float32) * 3
    for at in tiles:
        firsts = [int(first) for first in at if first is not None]
        said = _changes(network, x, want, other, firsts, axes, geometry, limit)
        if said:
            return said
        if inside and (said := _moves(network, x, want, firsts, axes, geometry, limit)):
            return said
    return ""


@dataclass(frozen=True)
class _Axis:
    before: int
    after: int
    align: int
    margin: int
    residue: int

    @classmethod
    def of(cls, geometry: Mapping[str, Any], i: int) -> _Axis:
        def number(name: str) -> int:
            value = geometry.get(name, 0)
            return int(value if isinstance(value, int) else value[i])

        names = ("before", "after", "alignment", "margin", "size_residue")
        return cls(*map(number, names))

    @property
    def least(self) -> int:
        """Of an input with room for a tile between its context, and to move it."""
        return self.before + self.after + 3 * self.align + 2 * self.margin

    def side(self) -> int:
        most = max(self.before, self.after) + 2 * self.align + 2 * self.margin
        side = self.least if self.least <= _MIDDLE_PX else most
        return side + (self.residue - side) % self.align

    def middle(self, size: int) -> int | None:
        """Where a tile in the middle begins: padding within the network lies at the edges."""
        if size < self.least:
            return None
        # Before a tile the context is rounded up to the alignment; what is needed is checked.
        beyond = (size - self.least) // 2 // self.align + self.before // self.align
        return max(-(-self.before // self.align), beyond) * self.align

    def corners(self, size: int) -> list[int]:
        last = (size - 2 * self.margin - self.align) // self.align * self.align
        first = [0] if size > self.align + self.after + self.margin else []
        return first + ([last] if last >= max(self.before, self.align) else [])


def _slices(firsts: list[int], sizes: list[int]) -> tuple[slice, ...]:
    spatial = (slice(a, a + n) for a, n in zip(firsts, sizes, strict=True))
    return (slice(None), slice(None), *spatial)


def _changes(
    network: Callable[[Array], Array],
    x: Array,
    want: Array,
    other: Array,
    firsts: list[int],
    axes: list[_Axis],
    geometry: Mapping[str, Any],
    limit: float,
) -> str:
    """What the tile at `firsts` does once all pixels outside its window are others."""
    tile = _slices(firsts, [axis.align for axis in axes])
    # Output index p is input index p + margin.
    begins = [max(0, p + a.margin - a.before) for p, a in zip(firsts, axes, strict=True)]
    ends = [p + a.align + a.margin + a.after for p, a in zip(firsts, axes, strict=True)]
    window = _slices(begins, [e - b for b, e in zip(begins, ends, strict=True)])
    changed = other.copy()
    changed[window] = x[window]
    got = network(changed)
    difference = float(np.abs(want[tile] - got[tile]).max())
    if difference <= limit:
        return ""
    context = geometry["before"], geometry["after"]
    return (
        f"halo of {context} px: a tile should need no more context, but the network's output "
        f"changed by {difference:.3g} when pixels outside it changed"
    )


def _moves(
    network: Callable[[Array], Array],
    x: Array,
    want: Array,
    firsts: list[int],
    axes: list[_Axis],
    geometry: Mapping[str, Any],
    limit: float,
) -> str:
    steps = [axis.align for axis in axes]
    rolled = np.roll(x, steps, tuple(range(2, x.ndim)))
    moved = network(np.ascontiguousarray(rolled))
    tile = _slices(firsts, steps)
    to = _slices([p + n for p, n in zip(firsts, steps, strict=True)], steps)
    difference = float(np.abs(want[tile] - moved[to]).max())
    if difference <= limit:
        return ""
    return (
        f"alignment {geometry['alignment']} px: moving the image by it changed the network's output "
        f"by {difference:.3g}"
    )

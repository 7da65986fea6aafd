"""Segmentation of dask arrays, block by block, with the bits of the whole.

Needs dask: ``pip install "pyengine[dask]"``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import dask.array
import numpy as np

from pyengine import _core
from pyengine.arguments import OUTPUTS, Output, SegmentKeywords, documented, positive
from pyengine.engine import Engine
from pyengine.formats.format import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack


@documented(SegmentKeywords)
def segment(
    array: Any,
    engine: Engine | str | os.PathLike[str],
    *,
    output: Output = "labels",
    block: int = 2048,
    threads: int | None = None,
    **options: Unpack[SegmentKeywords],
) -> Any:
    """Segment one image of any size, lazily.

    Each block is computed with the context that it needs, from where tiles of the whole image may
    begin: the result is bit for bit that of `Engine.segment` on the same machine.

    Parameters
    ----------
    array : dask.array.Array of uint8, uint16 or float32, shape (H, W) or (H, W, C)
        In any chunks.
    engine : Engine, str or path
        Opened once in each process that computes, by name or path: the file must be there, too,
        with the same content.
    output : {"labels", "probabilities", "logits"}
        What comes back.
    block : int
        Side of the result's chunks in pixels, rounded up to where tiles may begin.
    threads : int, optional
        Of one block; as for `Engine`. Fewer than there are cores where workers share a machine.
    **options : SegmentKeywords
        Mode "exact", without `tta` and `region`.

    Returns
    -------
    dask.array.Array
        Labels: uint8 (H, W). Probabilities or logits: float32 (K, H, W).

    Raises
    ------
    TypeError, ValueError
        An argument out of range, or an array that is no image.
    UnsupportedError
        The network cannot be computed block by block, with the reason.

    Examples
    --------
    >>> slide = dask.array.from_zarr("slide.zarr")            # doctest: +SKIP
    >>> labels = segment(slide, "em-membranes", threads=2)    # doctest: +SKIP
    >>> labels.to_zarr("labels.zarr")                         # doctest: +SKIP
    """
    opened = engine if isinstance(engine, Engine) else Engine(engine, threads=threads)
    info = opened.info
    if array.ndim not in (2, 3):
        raise ValueError(f"array must have shape (H, W) or (H, W, C), got {array.shape}")
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}; got {output!r}")
    _refuse(opened, options)
    height, width = (int(side) for side in array.shape[:2])
    grid = _Grid.of(opened, height, width, positive("block", block), options)
    path = Path(info.path).resolve()
    keep = str(path), _content(path), threads, info.device
    labels = output == "labels"
    dtype = np.uint8 if labels else np.float32
    compute = dask.delayed(_segment_block, pure=True)

    def one(rows: tuple[int, int], columns: tuple[int, int]) -> Any:
        y, x = grid.around(rows, height), grid.around(columns, width)
        part = array[y[0] : y[1], x[0] : x[1]]
        region = rows[0] - y[0], columns[0] - x[0], rows[1] - rows[0], columns[1] - columns[0]
        shape = region[2:] if labels else (info.outputs, *region[2:])
        result = compute(part, keep, output, {**options, "region": region})
        return dask.array.from_delayed(result, shape, dtype)

    return dask.array.block(
        [[one(rows, columns) for columns in grid.along(width)] for rows in grid.along(height)]
    )


class _Grid:
    """Where blocks begin, and how much of the image they need around them."""

    def __init__(self, block: int, depth: int) -> None:
        self._block, self._depth = block, depth

    @classmethod
    def of(
        cls, engine: Engine, height: int, width: int, block: int, options: SegmentKeywords
    ) -> _Grid:
        plan = engine.plan(height, width, **options)
        step = plan.origin_step
        context = max(
            *plan.context,
            *(w - c - t for w, c, t in zip(plan.window, plan.context, plan.tile, strict=True)),
            engine.info.halo,
        )
        return cls(-(-block // step) * step, -(-(context + plan.reach) // step) * step)

    def along(self, size: int) -> list[tuple[int, int]]:
        """First and last + 1 pixel of each block of an axis."""
        return [(at, min(at + self._block, size)) for at in range(0, size, self._block)]

    def around(self, block: tuple[int, int], size: int) -> tuple[int, int]:
        """What a block needs of its axis. It begins where tiles may."""
        return max(0, block[0] - self._depth), min(size, block[1] + self._depth)


def _refuse(engine: Engine, options: SegmentKeywords) -> None:
    if options.get("mode", "exact") != "exact" or options.get("tta", "none") != "none":
        raise ValueError("dask arrays are segmented in mode 'exact', without tta")
    if options.get("region") is not None:
        raise ValueError("region: give that part of the result, such as result[:100, :100]")
    if not engine.info.tileable:
        raise _core.UnsupportedError(f"no tiles: {engine.info.not_tileable_reason}")
    if engine._native.statistics(1).needs_image():
        raise _core.UnsupportedError(
            "this network's preprocessing depends on the whole image; use segment_file, or "
            "compute the array"
        )
    if engine.info.results:
        raise _core.UnsupportedError("this network has named results; use segment_file")
    if engine.info.executor == "callable":
        raise _core.UnsupportedError("an executor that is a callable does not travel to workers")


def _segment_block(
    part: Array, keep: tuple[str, str, int | None, str], output: Output, options: SegmentKeywords
) -> Array:
    result: Array = _opened(*keep).segment(np.ascontiguousarray(part), output=output, **options)
    return result


_opening = threading.Lock()


def _opened(path: str, content: str, threads: int | None, device: str) -> Engine:
    with _opening:
        return _open(path, content, threads, device)


@functools.lru_cache(maxsize=4)
def _open(path: str, content: str, threads: int | None, device: str) -> Engine:
    """The engine of this process; opened once."""
    if _content(Path(path)) != content:
        raise ValueError(f"{path}: another file than where the work was handed out")
    return Engine(path, device=device, threads=threads)


@functools.lru_cache(maxsize=64)
def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

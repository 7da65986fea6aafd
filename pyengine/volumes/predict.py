"""Scores of a prepared volume, slab by slab: of slices, or in windows over three axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine._core import CancelledError, UnsupportedError
from pyengine.arguments import SegmentKeywords, segment_options
from pyengine.progress import Progress, progress_callback
from pyengine.volumes.recipe import Recipe
from pyengine.volumes.resample import Float32
from pyengine.volumes.windows import blended

if TYPE_CHECKING:
    from pyengine.engine import Engine


def scores_of(
    engine: Engine, recipe: Recipe, data: Float32, progress: Progress, options: SegmentKeywords
) -> Iterator[Float32]:
    """Logits (K, n, h, w) of consecutive slices along the first axis.

    Parameters
    ----------
    engine : Engine
    recipe : Recipe
        The engine's.
    data : ndarray of float32, shape (C, d, h, w)
        See `Prepared`.
    progress : bool or callable
        As in `Engine.segment`; all windows are counted.
    options : SegmentKeywords
        Where they name no `mode` and `tta`, those of the network's training are taken.
    """
    axes = engine.info.manifest["prediction"]["mirror_axes"]
    usual: SegmentKeywords = {"mode": "nnunet", "tta": "mirror" if axes else "none"}
    given: SegmentKeywords = {**usual, **options}
    return (_by_slices if recipe.by_slices else _in_windows)(engine, data, progress, given)


def _by_slices(
    engine: Engine, data: Float32, progress: Progress, options: SegmentKeywords
) -> Iterator[Float32]:
    count = data.shape[1]
    with progress_callback(progress) as callback:
        for index in range(count):
            image = data[0, index] if len(data) == 1 else np.moveaxis(data[:, index], 0, -1)
            told: Any = False if callback is None else _part_of(callback, index, count)
            yield engine.segment(image, output="logits", progress=told, **options)[:, None]


def _part_of(callback: Callable[[int, int], Any], index: int, count: int) -> Any:
    return lambda done, of: callback(index * of + done, count * of)


def _in_windows(
    engine: Engine, data: Float32, progress: Progress, options: SegmentKeywords
) -> Iterator[Float32]:
    segment_options(**options)  # refuses what is none
    mode, tta, tile = options["mode"], options["tta"], options.get("tile")
    if mode != "nnunet" or tta not in ("none", "mirror") or tile is not None:
        raise UnsupportedError(
            f"mode {mode!r}, tta {tta!r}, tile {tile!r}: networks over volumes run in nnU-Net's "
            "windows: mode='nnunet', tta='none' or 'mirror', no tile"
        )
    prediction, cancelled = engine.info.manifest["prediction"], options.get("cancelled")
    mirror = ["zyx".index(axis) for axis in prediction["mirror_axes"]] if tta == "mirror" else []
    with progress_callback(progress) as callback:

        def tell(done: int, total: int) -> None:
            stopped = callback is not None and callback(done, total) is False
            if stopped or (cancelled is not None and cancelled()):
                raise CancelledError("cancelled")

        yield from blended(data, engine.run, tuple(prediction["window_px"]), mirror, tell)

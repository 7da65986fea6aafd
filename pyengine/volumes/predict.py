"""Scores of a prepared volume, slab by slab: of slices one by one, or of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.arguments import SegmentKeywords
from pyengine.progress import Progress, progress_callback
from pyengine.volumes.recipe import Recipe
from pyengine.volumes.resample import Float32

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
    return (_by_slices if recipe.by_slices else _whole)(engine, data, progress, given)


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


def _whole(
    engine: Engine, data: Float32, progress: Progress, options: SegmentKeywords
) -> Iterator[Float32]:
    volume = np.moveaxis(data, 0, -1)
    yield from engine.segment_slabs(volume, output="logits", progress=progress, **options)

"""Scores of a prepared volume, slab by slab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.arguments import SegmentKeywords
from pyengine.progress import Progress, progress_callback
from pyengine.volumes.resample import Float32

if TYPE_CHECKING:
    from pyengine.engine import Engine


def usual_options(engine: Engine, options: SegmentKeywords) -> SegmentKeywords:
    """The options, and for those that were not given what the network's training expects."""
    axes = engine.info.manifest.get("prediction", {}).get("mirror_axes")
    return {"mode": "nnunet", "tta": "mirror" if axes else "none", **options}


def slices_of(
    engine: Engine, data: Float32, progress: Progress, options: SegmentKeywords
) -> Iterator[Float32]:
    """Logits (K, 1, h, w) of one slice along the first axis after the other.

    Parameters
    ----------
    engine : Engine
        Of a network of two dimensions.
    data : ndarray of float32, shape (C, d, h, w)
        See `Prepared`.
    progress : bool or callable
        As in `Engine.segment`; all slices' windows are counted.
    options : SegmentKeywords
    """
    count = data.shape[1]
    with progress_callback(progress) as callback:
        for index in range(count):
            image = data[0, index] if len(data) == 1 else np.moveaxis(data[:, index], 0, -1)
            told: Any = False
            if callback is not None:
                told = _part_of(callback, index, count)
            yield engine.segment(image, output="logits", progress=told, **options)[:, None]


def _part_of(callback: Any, index: int, count: int) -> Any:
    return lambda done, of: callback(index * of + done, count * of)

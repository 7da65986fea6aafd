"""Volumes as the core takes them, and results that leave slab by slab."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.checks import check_image

Array = npt.NDArray[Any]


def stacked(volume: Array, channels: int) -> tuple[Array, int]:
    """The slices of a volume one below the other, (D * H, W) or (D * H, W, C), and how many.

    Raises
    ------
    TypeError, ValueError
        As `check_image`, of a volume (D, H, W) or (D, H, W, C).
    """
    if not isinstance(volume, np.ndarray) or volume.ndim not in (3, 4):
        shape = getattr(volume, "shape", type(volume).__name__)
        raise ValueError(
            f"this network takes volumes of shape (D, H, W) or (D, H, W, C), got {shape}"
        )
    if 0 in volume.shape:
        raise ValueError(f"a volume must have at least 1 x 1 x 1 voxels, got {volume.shape}")
    if volume.ndim == 3 and channels > 1 and volume.shape[2] == channels:
        raise ValueError(
            f"a volume of shape {volume.shape} for a network of {channels} channels lacks an axis: "
            "(D, H, W, C)"
        )
    check_image(volume[0], channels)
    depth = volume.shape[0]
    # A view where slices follow each other in memory, else a copy.
    return volume.reshape(depth * volume.shape[1], *volume.shape[2:]), depth


def slabs(
    core: _core.Engine,
    slices: Array,
    depth: int,
    kind: _core.OutputKind,
    options: dict[str, Any],
) -> Iterator[Array]:
    """Finished slices, in order, while the rest is computed on another thread.

    One slab at most waits: the network waits for its reader. Whoever stops reading ends the
    computation.
    """
    ended = threading.Event()
    ready: queue.Queue[Array | BaseException | None] = queue.Queue(1)

    def put(item: Array | BaseException | None) -> None:
        while not ended.is_set():
            try:
                ready.put(item, timeout=0.05)
                return
            except queue.Full:
                continue

    asked: Callable[[], bool] = options["cancelled"] or (lambda: False)

    def compute() -> None:
        try:
            stopped = {"cancelled": lambda: ended.is_set() or asked()}
            given = _core.SegmentOptions(**{**options, **stopped})
            core.segment_slabs(_core.BorrowedImage(slices), depth, kind, given, put)
            put(None)
        except BaseException as error:  # raised where the slabs are read
            put(error)

    worker = threading.Thread(target=compute, name="pyengine slabs", daemon=True)
    worker.start()
    try:
        while True:
            item = ready.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        worker.join()

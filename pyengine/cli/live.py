"""The verb that plays images as a scanner would deliver them: live."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np

from pyengine.cli.dashboard import Dashboard, Snapshot, open_dashboard
from pyengine.cli.options import open_engine
from pyengine.formats import Array
from pyengine.formats.registry import open_image
from pyengine.phantoms import oct_phantom
from pyengine.stream import Stream

PHANTOM = "phantom"
# Frames of the phantom; drawing one takes longer than segmenting it.
_PHANTOMS = 8
# A source is read whole, so that the disk does not delay frames.
_MOST_BYTES = 2 << 30


def run_live(args: argparse.Namespace) -> int:
    if not args.rate > 0:
        raise ValueError(f"rate must be above 0 frames per second, got {args.rate:g}")
    if args.seconds is not None and not args.seconds > 0:
        raise ValueError(f"seconds must be above 0, got {args.seconds:g}")
    engine = open_engine(args)
    frames = _read_frames(args.source, int(engine.info.input["channels"]))
    height, width = frames.shape[1:3]
    deadline = None if args.deadline is None else 1e-3 * args.deadline
    with engine.stream(
        height, width, dtype=frames.dtype, policy=args.policy, deadline=deadline
    ) as stream:
        title = f"{args.engine}, {height} x {width} px, {args.policy}"
        with open_dashboard(title, sys.stdout) as dashboard:
            _play(frames, stream, args.rate, args.seconds, dashboard)
        stream.close(drain=True)
        print(_snapshot(stream, args.rate).line())
        return 1 if stream.statistics.failed else 0


def _read_frames(source: str, channels: int) -> Array:
    """All frames, shape (N, H, W) or (N, H, W, C)."""
    if source == PHANTOM:
        if channels != 1:
            raise ValueError(
                f"the phantom has 1 channel, the network needs {channels}; give --source"
            )
        return np.stack([oct_phantom(seed=seed).image for seed in range(_PHANTOMS)])
    with open_image(source, channels) as reader:
        size = reader.pages * int(np.prod(reader.shape)) * reader.dtype.itemsize
        if size > _MOST_BYTES:
            raise ValueError(f"{source}: {size} bytes of frames; live takes at most {_MOST_BYTES}")
        return np.stack([reader.rows(page, 0, reader.shape[0]) for page in range(reader.pages)])


def _play(
    frames: Array, stream: Stream, rate_hz: float, seconds: float | None, dashboard: Dashboard
) -> None:
    """Submit frames on time, over and over, until the time is up or Ctrl-C."""
    shown = time.monotonic()
    try:
        for number, now in _ticks(rate_hz, seconds):
            stream.submit(frames[number % len(frames)])
            if now - shown >= dashboard.period_s:
                shown = now
                dashboard.show(_snapshot(stream, rate_hz))
    except KeyboardInterrupt:
        return


def _ticks(rate_hz: float, seconds: float | None) -> Iterator[tuple[int, float]]:
    """(number, time) of each frame, when it is due. The grid stays where a frame comes late."""
    begin = time.monotonic()
    number = 0
    while seconds is None or number < seconds * rate_hz:
        wait = begin + number / rate_hz - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield number, time.monotonic()
        number += 1


def _snapshot(stream: Stream, rate_hz: float) -> Snapshot:
    return Snapshot(rate_hz, time.monotonic(), stream.statistics)

"""A scanner that never waits for the network: ``python scanner.py [ENGINE] [FRAMES]``."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

import pyengine

HEIGHT, WIDTH, RATE_HZ = 496, 768, 30


def acquire(number: int) -> np.ndarray:
    """Stands for the hardware: a bright band that moves."""
    rows = (np.arange(HEIGHT) + number) % HEIGHT < 120
    return np.where(rows, 160, 20).astype(np.uint8)[:, None].repeat(WIDTH, axis=1)


def show(stream: pyengine.Stream) -> None:
    """Stands for the screen: what was found, and how old it is."""
    for result in stream:
        marked = np.count_nonzero(result.data) / result.data.size
        print(f"frame {result.number}: {1e3 * result.age:.1f} ms old, {marked:.2%} marked")


def main() -> None:
    engine = pyengine.Engine(sys.argv[1] if len(sys.argv) > 1 else "oct-fluid")
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    with engine.stream(HEIGHT, WIDTH) as stream:  # a newer frame replaces one that waits
        screen = threading.Thread(target=show, args=(stream,))
        screen.start()
        begin = time.monotonic()
        for number in range(frames):
            stream.submit(acquire(number))
            time.sleep(max(0, begin + (number + 1) / RATE_HZ - time.monotonic()))
    screen.join()
    s = stream.statistics
    print(f"{s.done} done, {s.replaced} replaced, age p99 {1e3 * s.age.p99:.1f} ms")


if __name__ == "__main__":
    main()

"""Peak resident memory while a large image is segmented.

``python -m benchmarks.peak_memory --size 8192``; a process of its own, so that the peak is its own.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import pyengine
from train.machine import machine_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8192, help="side of the image in pixels")
    size = parser.parse_args().size
    # Written page by page, so that it counts once; then taken off the peak.
    image = np.full((size, size), 128, np.uint8)
    image[::7, ::5] = 30
    engine = pyengine.Engine("em-membranes")
    started = time.perf_counter()
    labels = engine.segment(image)
    seconds = time.perf_counter() - started
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    plan = engine.plan(size, size)
    print(
        f"{machine_name()}: {size} x {size} px in {plan.grid[0]} x {plan.grid[1]} tiles of "
        f"{plan.tile[0]} x {plan.tile[1]}, {seconds:.1f} s = {labels.size / seconds / 1e6:.2f} "
        f"megapixels/s, peak_above_image_mb={(peak_bytes - image.nbytes) / 1e6:.0f} "
        f"(interpreter, libraries, engine, labels and working memory)"
    )


if __name__ == "__main__":
    main()

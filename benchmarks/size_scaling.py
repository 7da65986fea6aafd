"""Time per pixel from small images to large ones: ``python -m benchmarks.size_scaling``.

Large images take long enough for the machine to change its pace meanwhile. Each size is therefore
timed between two runs of a reference size, and counts as its time per pixel over theirs.
"""

from __future__ import annotations

import argparse
import math
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.pairs import Ratio, counted, write_results
from train.machine import machine_name


def seconds_per_pixel(engine: pyengine.Engine, image: np.ndarray, at_least_s: float) -> float:
    """Mean over as many calls as last `at_least_s` seconds, from uint8 pixels to uint8 labels."""
    calls, started = 0, time.perf_counter()
    while True:
        engine.segment(image)
        calls += 1
        passed = time.perf_counter() - started
        if passed >= at_least_s:
            return passed / calls / image.size


def scaling(
    engine: pyengine.Engine, sizes: list[int], reference: int, rounds: int, at_least_s: float = 1.0
) -> list[dict[str, Any]]:
    """Time per pixel of square images over that of the reference size: medians and quartiles."""
    largest = np.random.default_rng(0).integers(0, 256, (max(sizes), max(sizes)), np.uint8)
    images = {n: np.ascontiguousarray(largest[:n, :n]) for n in {*sizes, reference}}
    for image in images.values():
        engine.segment(image)
    ratios: dict[int, list[float]] = {n: [] for n in sizes}
    times: dict[int, list[float]] = {n: [] for n in sizes}
    for _ in counted(rounds):
        before = seconds_per_pixel(engine, images[reference], at_least_s)
        for n in sizes:
            own = seconds_per_pixel(engine, images[n], at_least_s)
            after = seconds_per_pixel(engine, images[reference], at_least_s)
            ratios[n].append(2 * own / (before + after))
            times[n].append(own)
            before = after
    rows = []
    for n in sizes:
        ratio = Ratio(np.array(times[n]) * n * n, np.array(ratios[n]))
        megapixels_per_s = round(1e-6 / float(np.median(times[n])), 3)
        rows.append({"size_px": n, "megapixels_per_s": megapixels_per_s, **ratio.as_dict()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", nargs="?", default="em-membranes", help="of one channel")
    parser.add_argument("--size", nargs="*", type=int, default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--reference", type=int, default=1024, help="side of the reference image")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine, threads=args.threads)
    print(f"{machine_name()} {date.today().isoformat()}: {args.engine}, {args.threads} threads")
    rows = scaling(engine, args.size, args.reference, args.rounds)
    for row in rows:
        print(
            f"  {row['size_px']:>5} squared: {row['megapixels_per_s']:.2f} megapixels/s; time per "
            f"pixel over that of {args.reference} squared {row['ratio']:.3f} "
            f"({row['ratio_q25']:.3f} to {row['ratio_q75']:.3f})"
        )
    low, high = (f(row["ratio"] for row in rows) for f in (min, max))
    spread = math.sqrt(high / low) - 1
    print(f"  all within {100 * spread:.1f} % of one time per pixel")
    if args.json:
        content = {"engine": args.engine, "reference_px": args.reference, "rows": rows}
        write_results(args.json, [content | {"spread": round(spread, 4)}])


if __name__ == "__main__":
    main()

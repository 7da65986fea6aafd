"""Time outside the network in one end-to-end call: ``python -m benchmarks.overhead``.

`Engine.segment` of one tile, from uint8 pixels to uint8 labels, alternated with one pass of
`Engine.profile` on the same tile, whose layers add up to the network. What is left is checking,
mirroring, normalising and writing labels.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.pairs import write_results
from pyengine.cli.options import size
from train.machine import machine_name


def share_outside(engine: pyengine.Engine, height: int, width: int, rounds: int) -> dict[str, Any]:
    """Share of a call's time that is not the network's: median and quartiles of paired rounds."""
    channels = engine.info.input["channels"]
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    tile = {"tile": (height, width), "max_memory": 1 << 36}
    for _ in range(3):
        engine.segment(image, **tile)
    seconds, shares = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        engine.segment(image, **tile)
        seconds.append(time.perf_counter() - started)
        network = sum(layer.seconds for layer in engine.profile(height, width, passes=1))
        shares.append(1 - network / seconds[-1])
    low, middle, high = np.percentile(shares, [25, 50, 75])
    return {
        "height_px": height,
        "width_px": width,
        "median_ms": round(1e3 * float(np.median(seconds)), 3),
        "outside_network": round(float(middle), 4),
        "outside_network_q25": round(float(low), 4),
        "outside_network_q75": round(float(high), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", nargs="?", default="em-membranes")
    parser.add_argument("--size", nargs="*", default=["256x256", "496x768", "1024x1024"])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine, threads=args.threads)
    print(f"{machine_name()} {date.today().isoformat()}: {args.engine}, {args.threads} threads")
    rows = []
    for text in args.size:
        height, width = size(text, "size")
        rows.append(share_outside(engine, height, width, args.rounds))
        row = rows[-1]
        print(
            f"  {text:>9}: {row['median_ms']:.1f} ms, outside the network "
            f"{100 * row['outside_network']:.1f} % ({100 * row['outside_network_q25']:.1f} to "
            f"{100 * row['outside_network_q75']:.1f})"
        )
    if args.json:
        write_results(args.json, [{"engine": args.engine, "rows": rows}])


if __name__ == "__main__":
    main()

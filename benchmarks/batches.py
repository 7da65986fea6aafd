"""What a batch of files takes beyond its network: ``python -m benchmarks.batches``.

PNGs are segmented into PNGs by `pyengine segment`; the time from the first image on is divided by
the sum of the times that the network takes for the same images in memory. Both alternate.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import pyengine
from benchmarks.pairs import counted, write_results
from pyengine.cli import main as command
from pyengine.phantoms import synthetic_em


def write_images(folder: Path, count: int, side: int) -> list[np.ndarray]:
    """Parts of a synthetic micrograph, as files and in memory."""
    large = synthetic_em(side + 256, side + 256)
    rng = np.random.default_rng(0)
    images = []
    for i in range(count):
        top, left = rng.integers(0, 256, 2)
        images.append(np.ascontiguousarray(large[top : top + side, left : left + side]))
        Image.fromarray(images[-1]).save(folder / f"{i:04}.png")
    return images


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="em-membranes")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024, help="[px]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine)
    ratios, network_s, batch_s = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        source.mkdir()
        images = write_images(source, args.images, args.side)
        engine.segment(images[0])
        arguments = ["segment", str(source), "-o", str(target), "-e", args.engine]
        for _ in counted(args.rounds):
            started = time.perf_counter()
            for image in images:
                engine.segment(image)
            network_s.append(time.perf_counter() - started)
            started = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                command(arguments)
            batch_s.append(time.perf_counter() - started)
            ratios.append(batch_s[-1] / network_s[-1])
    result = {
        "images": args.images,
        "side_px": args.side,
        "network_s": round(float(np.median(network_s)), 3),
        "batch_s": round(float(np.median(batch_s)), 3),
        "ratio": round(float(np.median(ratios)), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
    }
    print(
        f"{args.images} PNGs of {args.side} px: {result['batch_s']} s, the network alone "
        f"{result['network_s']} s; ratio {result['ratio']} {result['ratios']}"
    )
    if args.json:
        write_results(args.json, [result])


if __name__ == "__main__":
    main()

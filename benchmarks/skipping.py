"""What skipping of constant tiles saves, and what looking for them costs.

``python -m benchmarks.skipping`` takes a slide of 16,384 x 16,384 px, a fifth of it tissue on pure
white, and noise without a constant tile. Runs with and without alternate; each result is compared
bit by bit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.pairs import alternate, write_results

TISSUE = 0.2


def slide(side: int, seed: int = 0) -> np.ndarray:
    """Sections of tissue on pure white: rounded shapes that fill a fifth of the image."""
    rng = np.random.default_rng(seed)
    step = max(1, side // 1024)
    y, x = np.mgrid[0:side:step, 0:side:step] / side
    shape = np.zeros(y.shape)
    for top, left, angle in ((0.3, 0.28, 0.4), (0.32, 0.73, -0.3), (0.75, 0.5, 1.1)):
        dy, dx = y - top, x - left
        along, across = (
            dx * np.cos(angle) + dy * np.sin(angle),
            dy * np.cos(angle) - dx * np.sin(angle),
        )
        wave = 1 + 0.15 * np.sin(5 * np.arctan2(across, along))
        shape = np.maximum(shape, wave - np.hypot(along / 1.3, across))
    tissue = shape >= np.quantile(shape, 1 - TISSUE)
    image = np.full((side, side), 255, np.uint8)
    for row, line in enumerate(tissue):  # in bands: the image is large
        there = np.repeat(line, step)[:side]
        band = image[row * step : (row + 1) * step]
        band[:, there] = rng.integers(60, 220, (len(band), int(there.sum())), np.uint8)
    return image


def compare(engine: pyengine.Engine, name: str, image: np.ndarray, rounds: int) -> dict[str, Any]:
    """Times of both, and whether their results are equal."""
    pixels: list[tuple[int, int, int]] = []
    results: dict[bool, np.ndarray] = {}

    def run(every: bool) -> None:
        results[every] = engine.segment(
            image, every_tile=every, report=lambda *n: pixels.append(n) if not every else None
        )

    calls = {"skipping": lambda: run(False), "every tile": lambda: run(True)}
    times = alternate(calls, "every tile", rounds)
    computed, repeated, _ = pixels[-1]
    return {
        "image": name,
        "side_px": image.shape[0],
        "same_bits": bool(np.array_equal(results[False], results[True])),
        "computed": round(computed / (computed + repeated), 4),
        "times": {name: ratio.as_dict() for name, ratio in times.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="em-membranes")
    parser.add_argument("--side", type=int, default=16384, help="of the slide [px]")
    parser.add_argument("--noise", type=int, default=2048, help="side of the image of noise [px]")
    parser.add_argument("--rounds", type=int, default=3, help="of the slide")
    parser.add_argument("--noise-rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine)
    noise = np.random.default_rng(1).integers(0, 256, (args.noise, args.noise), np.uint8)
    results = []
    for name, image, rounds in (
        ("noise", noise, args.noise_rounds),
        ("slide", slide(args.side), args.rounds),
    ):
        result = compare(engine, name, image, rounds)
        ratio = result["times"]["skipping"]
        print(
            f"{name} {result['side_px']} px: {ratio['ratio']} ({ratio['ratio_q25']} to "
            f"{ratio['ratio_q75']}) of the time, {result['computed']:.0%} computed, "
            f"{'same' if result['same_bits'] else 'OTHER'} bits"
        )
        results.append(result)
    if args.json:
        write_results(args.json, results)


if __name__ == "__main__":
    main()

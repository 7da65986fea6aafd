"""The planner's estimate against the clock: ``python -m benchmarks.cost_model``.

One image, cut in several ways, alternated: measured time over estimated cost, relative to the plan
that the tiler chooses by itself. 1 everywhere would be a perfect model.
"""

from __future__ import annotations

import argparse
from datetime import date

import numpy as np

import pyengine
from benchmarks.pairs import alternate
from train.machine import machine_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", default="em-membranes")
    parser.add_argument("--size", type=int, default=2048, help="side of the image in pixels")
    parser.add_argument("--tiles", type=int, nargs="*", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accuracy", choices=("default", "fast"), default="default")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine, threads=2, accuracy=args.accuracy)
    channels = engine.info.input["channels"]
    shape = (args.size, args.size) if channels == 1 else (args.size, args.size, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    chosen = "chosen"
    options = {chosen: {}} | {
        f"{t}": {"tile": t, "max_memory": 1 << 36} for t in args.tiles if t <= args.size
    }
    plans = {name: engine.plan(args.size, args.size, **o) for name, o in options.items()}
    calls = {n: (lambda o=o: engine.segment(image, **o)) for n, o in options.items()}
    ratios = alternate(calls, chosen, args.rounds)
    print(
        f"{machine_name()} {date.today().isoformat()}: {args.engine} by {engine.info.isa}, "
        f"{args.size} x {args.size} px"
    )
    for name, plan in plans.items():
        ratio = ratios[name].as_dict()
        estimate = plan.cost / plans[chosen].cost
        print(
            f"  tile {plan.tile[0]:>4} x {plan.tile[1]:<4} {ratio['median_ms']:8.0f} ms, "
            f"{ratio['ratio']:.2f} times the chosen plan's, estimated {estimate:.2f}: "
            f"measured / estimated {ratio['ratio'] / estimate:.2f}"
        )


if __name__ == "__main__":
    main()

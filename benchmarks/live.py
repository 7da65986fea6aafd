"""Live frames: how old results get, and what a stream costs: ``python -m benchmarks.live``.

The C++ scanner (``csrc/examples/scanner``) brings B-scans at twice the engine's rate, newest wins.
What counts are ratios within one run: the age of results over the time that one takes, and the
ages of the last tenth of the run over those of the first.

A stream's own cost is what a frame of 256 x 256 px takes through a stream over a plain call, in
turns in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.pairs import alternate, write_results
from pyengine.phantoms import oct_phantom
from pyengine.shipped import resolve
from train.machine import machine_name


def scan(scanner: Path, engine: str, frames: int, load: float, threads: int) -> dict[str, Any]:
    """What the scanner tells of itself, and the ratios that count."""
    command = [
        str(scanner), str(resolve(engine)), "--load", f"{load:g}", "--frames", str(frames),
        "--threads", str(threads), "--jitter", "5", "--stall", "500,200", "--show", "json",
    ]  # fmt: skip
    told: dict[str, Any] = json.loads(subprocess.check_output(command, text=True))
    tenths = told["age_p50_ms_by_tenth"]
    told["load"] = load
    told["age_p99_over_compute_p50"] = round(told["age_p99_ms"] / told["compute_p50_ms"], 3)
    told["last_tenth_over_first"] = round(tenths[-1] / tenths[0], 3) if tenths else None
    return told


def overhead(engine: pyengine.Engine, rounds: int) -> dict[str, float]:
    """A frame through a stream over a plain call, each as Python sees it."""
    image = oct_phantom(256, 256).image
    with engine.stream(256, 256, policy="all") as stream:
        calls = {
            "call": lambda: engine.segment(image),
            "stream": lambda: stream.submit(image).result(),
        }
        return alternate(calls, "call", rounds, pause_s=0.005)["stream"].as_dict()


def submit_us(engine: pyengine.Engine, count: int) -> dict[str, float]:
    """Percentiles of `Stream.submit` in Python, with borrowed frames."""
    image = oct_phantom(256, 256).image
    times = np.zeros(count)
    with engine.stream(256, 256) as stream:
        for i in range(count):
            started = time.perf_counter()
            stream.submit(image)
            times[i] = time.perf_counter() - started
            time.sleep(0.002)
    p50, p99 = np.percentile(1e6 * times, [50, 99])
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scanner", type=Path, help="the program pyengine_scanner")
    parser.add_argument("--engine", default="oct-fluid")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--load", type=float, default=2.0, help="frames per frame that it computes")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    print(f"{machine_name()} {date.today().isoformat()}: {args.engine}, {args.threads} thread(s)")
    before = os.getloadavg()[0]
    told = scan(args.scanner, args.engine, args.frames, args.load, args.threads)
    print(
        f"  age p99 over compute p50: {told['age_p99_over_compute_p50']}, ages of the last tenth "
        f"over the first: {told['last_tenth_over_first']}, submit p99 {told['submit_p99_us']} us"
    )
    engine = pyengine.Engine(args.engine, threads=args.threads)
    cost = overhead(engine, args.rounds)
    python = submit_us(engine, 1000)
    print(
        f"  a stream over a plain call: {cost['ratio']} ({cost['ratio_q25']} to {cost['ratio_q75']})"
    )
    print(f"  Stream.submit in Python: p50 {python['p50_us']} us, p99 {python['p99_us']} us")
    if args.json:
        row = {"engine": args.engine, "threads": args.threads, "load_average_before": before}
        write_results(
            args.json, [row | {"scanner": told, "stream_over_call": cost, "submit": python}]
        )


if __name__ == "__main__":
    main()

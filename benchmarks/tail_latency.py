"""How flat the latency of one B-scan is: ``python -m benchmarks.tail_latency``.

Calls of ``Engine.segment`` on 496 x 768 px, back to back and after idle gaps, with what the
operating system did meanwhile: involuntary context switches and page faults of this process, and
the wake-up delay of a plain sleep, which no library can be faster than.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from pyengine.phantoms import oct_phantom
from train.machine import machine_name


def measure(call: Any, count: int, gap_s: float) -> dict[str, float]:
    """Percentiles of `count` calls in ms, each after `gap_s` of sleep."""
    for _ in range(5):
        call()
    times, oversleep = np.zeros(count), np.zeros(count)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for i in range(count):
        if gap_s:
            slept = time.perf_counter()
            time.sleep(gap_s)
            oversleep[i] = time.perf_counter() - slept - gap_s
        started = time.perf_counter()
        call()
        times[i] = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    p50, p95, p99 = np.percentile(1e3 * times, [50, 95, 99])
    return {
        "gap_ms": 1e3 * gap_s,
        "calls": count,
        "p50_ms": round(float(p50), 3),
        "p95_ms": round(float(p95), 3),
        "p99_ms": round(float(p99), 3),
        "max_ms": round(1e3 * float(times.max()), 3),
        "p99_over_p50": round(float(p99 / p50), 3),
        "preemptions_per_call": round((after.ru_nivcsw - before.ru_nivcsw) / count, 2),
        "page_faults_per_call": round((after.ru_minflt - before.ru_minflt) / count, 2),
        "p99_oversleep_ms": round(1e3 * float(np.percentile(oversleep, 99)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", nargs="?", default="em-membranes")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    engine = pyengine.Engine(args.engine, threads=args.threads)
    image = oct_phantom(496, 768).image
    print(f"{machine_name()} {date.today().isoformat()}: {args.engine}, {args.threads} thread(s)")
    rows = []
    for gap_s, count in ((0.0, args.calls), (0.01, args.calls // 4), (1.0, args.calls // 40)):
        rows.append(measure(lambda: engine.segment(image), count, gap_s))
        print("  " + ", ".join(f"{key} {value:g}" for key, value in rows[-1].items()))
    if args.json:
        content = {"machine": machine_name(), "date": date.today().isoformat(), "rows": rows}
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

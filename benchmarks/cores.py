"""Are this machine's processors cores of their own? ``python -m benchmarks.cores``.

A virtual machine's processors may be hardware threads of one core, all the time or, where the host
moves them, for milliseconds. Two threads at nothing but multiply-adds then do what one alone does.
One thread and all take turns, some runs of a millisecond each; what counts is not the best run,
which is the peak, but what a network meets.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import counted, write_results
from pyengine import _core
from train.machine import machine_name

PAUSE_S = 0.02
# The first runs of a call wait for its threads, and for the system to spread them.
RUNS, KEPT = 20, 10


def rates(isa: str, threads: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """GFLOP/s of one thread and of all, several runs of each per round."""
    runs: dict[int, list[float]] = {1: [], threads: []}
    for _ in counted(rounds):
        for count, kept in runs.items():
            time.sleep(PAUSE_S)
            kept += _core.multiply_add_rates(isa, count, RUNS)[-KEPT:]
    return np.array(runs[1]) / 1e9, np.array(runs[threads]) / 1e9


def summary(one: np.ndarray, every: np.ndarray, threads: int) -> dict[str, Any]:
    """Quartiles, and the shares of runs in which threads shared a core or did not."""
    # Divided by the fastest run of one thread: a slow one met another guest, not ours.
    gain = every / one.max()

    def quartiles(values: np.ndarray, digits: int) -> list[float]:
        return np.percentile(values, [25, 50, 75, 100]).round(digits).tolist()

    return {
        "threads": threads,
        "one_thread_gflops": quartiles(one, 1),
        "all_threads_gflops": quartiles(every, 1),
        "all_over_one": quartiles(gain, 2),
        "runs_as_one_core": round(float((gain < 1.2).mean()), 3),
        "runs_as_cores_apart": round(float((gain > 0.9 * threads).mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2, help="at least 2")
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    if args.threads < 2:
        parser.error(f"--threads {args.threads} must be at least 2")
    result = summary(*rates(_core.isas()[0], args.threads, args.rounds), args.threads)
    print(f"{machine_name()} {date.today()}: multiply-adds in runs of a millisecond")
    for name, threads in (("one_thread", 1), ("all_threads", args.threads)):
        low, middle, high, most = result[f"{name}_gflops"]
        print(f"  {threads} thread(s): {middle} GFLOP/s ({low} to {high}; at most {most})")
    low, middle, high, most = result["all_over_one"]
    print(
        f"  {args.threads} threads over the best of one: {middle} ({low} to {high}; at most {most})"
    )
    print(
        f"  as if on one core in {result['runs_as_one_core']:.0%} of the runs, "
        f"as on cores of their own in {result['runs_as_cores_apart']:.0%}"
    )
    if args.json:
        write_results(args.json, [result])


if __name__ == "__main__":
    main()

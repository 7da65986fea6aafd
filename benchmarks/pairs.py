"""Fair comparison on a machine that drifts: alternate, pair, and take medians of ratios."""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from train.machine import machine_name

# Thread pools of other runtimes spin for a while after their work; theirs must not be our time.
PAUSE_S = 0.25


@dataclass(frozen=True)
class Ratio:
    """Times of one candidate, and its time over that of the reference, round by round."""

    seconds: np.ndarray
    ratios: np.ndarray

    def as_dict(self) -> dict[str, float]:
        low, middle, high = np.percentile(self.ratios, [25, 50, 75])
        return {
            "median_ms": round(1e3 * float(np.median(self.seconds)), 3),
            "ratio": round(float(middle), 3),
            "ratio_q25": round(float(low), 3),
            "ratio_q75": round(float(high), 3),
        }


def counted(rounds: int) -> Iterator[int]:
    """Round after round, counted before whoever sits at a terminal."""
    for done in range(rounds + 1):
        if sys.stderr.isatty():
            end = "\n" if done == rounds else "\r"
            print(f"  round {done} of {rounds}", end=end, file=sys.stderr, flush=True)
        if done < rounds:
            yield done


def alternate(
    calls: dict[str, Callable[[], object]], reference: str, rounds: int, pause_s: float = PAUSE_S
) -> dict[str, Ratio]:
    """Time all calls in turn, `rounds` times, each round in another order.

    Each call runs twice per round, and the second run counts: the first finds caches, clocks and
    threads as another runtime left them.

    Parameters
    ----------
    calls : dict of callables
    reference : str
        The call that the others are divided by.
    rounds : int
    pause_s : float
        Seconds of rest before each call.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls.items())
    shuffle = random.Random(0).shuffle
    gc.collect()
    for _ in counted(rounds):
        shuffle(order)
        for name, call in order:
            time.sleep(pause_s)
            call()
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    base = np.array(times[reference])
    return {name: Ratio(np.array(t), np.array(t) / base) for name, t in times.items()}


def write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """Keep comparisons with the machine's name and the date, as JSON."""
    content = {"machine": machine_name(), "date": date.today().isoformat(), "results": results}
    path.write_text(json.dumps(content, indent=1) + "\n")

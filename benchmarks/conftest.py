"""Benchmarks report throughput and percentiles beside pytest-benchmark's own columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyengine
from benchmarks.machine import machine_name


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    # The kind of machine matters, not which one it was.
    machine_info["node"] = machine_info["name"] = machine_name()
    machine_info.pop("release", None)


@pytest.fixture
def timed(benchmark: Any) -> Any:
    """``timed(function, pixels=..., flops=...)``: run the benchmark, then add derived columns."""

    def run(function: Any, pixels: float = 0, flops: float = 0, rounds: int | None = None) -> None:
        if rounds is None:
            benchmark(function)
        else:
            benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
        times = np.array(benchmark.stats.stats.data)
        median = float(np.median(times))
        info = benchmark.extra_info
        info["machine"] = machine_name()
        for q in (50, 95, 99):
            info[f"p{q}_ms"] = round(1e3 * float(np.percentile(times, q)), 3)
        if pixels:
            info["megapixels_per_s"] = round(pixels / median / 1e6, 3)
        if flops:
            info["gflops_per_s"] = round(flops / median / 1e9, 1)

    return run


@pytest.fixture(scope="session")
def engine() -> pyengine.Engine:
    """The shipped engine on every core."""
    return pyengine.Engine("em-membranes")

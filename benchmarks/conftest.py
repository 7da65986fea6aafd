"""Benchmarks report throughput, percentiles and memory beside pytest-benchmark's own columns."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyengine
from pyengine import _core
from train.machine import machine_name


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    # The kind of machine matters, not which one it was.
    machine_info["node"] = machine_info["name"] = machine_name()
    machine_info.pop("release", None)


@cache
def peak_flops_per_s(isa: str, threads: int) -> float:
    """Of fused multiply-adds on registers, measured once per session."""
    return max(_core.multiply_add_rates(isa, threads))


def resident_mb(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (highest) of this process in MB."""
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert match, field
    return int(match[1]) / 1e3


@pytest.fixture
def timed(benchmark: Any) -> Any:
    """``timed(function, pixels=..., flops=..., threads=...)``: benchmark, then derived columns.

    ``threads`` adds the fraction of the machine's peak, ``setup`` runs before each round untimed.
    """

    def run(
        function: Any,
        pixels: float = 0,
        flops: float = 0,
        rounds: int | None = None,
        threads: int | None = None,
        setup: Any = None,
        isa: str = "",
    ) -> None:
        before_mb = resident_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the highest mark falls to what is there now
        if rounds is None:
            benchmark(function)
        else:
            benchmark.pedantic(function, rounds=rounds, warmup_rounds=1, setup=setup)
        times = np.array(benchmark.stats.stats.data)
        median = float(np.median(times))
        info = benchmark.extra_info
        info["machine"] = machine_name()
        for q in (50, 95, 99):
            info[f"p{q}_ms"] = round(1e3 * float(np.percentile(times, q)), 3)
        info["max_ms"] = round(1e3 * float(times.max()), 3)
        info["peak_mb"] = round(max(0.0, resident_mb("VmHWM") - before_mb), 1)
        if pixels:
            info["megapixels_per_s"] = round(pixels / median / 1e6, 3)
        if flops:
            info["gflops_per_s"] = round(flops / median / 1e9, 1)
            if threads:
                peak = peak_flops_per_s(isa or _core.isas()[0], threads)
                info["peak_fraction"] = round(flops / median / peak, 3)

    return run


@pytest.fixture(scope="session")
def engine() -> pyengine.Engine:
    """The shipped engine on every core."""
    return pyengine.Engine("em-membranes")


@pytest.fixture(scope="session")
def make_engine(tmp_path_factory: Any) -> Any:
    """``make_engine(name, build, threads)``: an engine of a network, built once per session."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("engines")

    def make(name: str, build: Any, threads: int, isa: str = "", **options: Any) -> pyengine.Engine:
        path = folder / f"{name}.pyengine"
        if not path.exists():
            torch.manual_seed(0)
            pyengine.build(build(), path, **options)
        with pytest.MonkeyPatch.context() as patch:
            if isa:
                patch.setenv("PYENGINE_ISA", isa)
            return pyengine.Engine(path, threads=threads)

    return make

"""Latency of shipped engines, end to end: uint8 pixels in, uint8 labels out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import pyengine

RNG = np.random.default_rng(0)


def image(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


def test_open(timed: Any) -> None:
    timed(lambda: pyengine.Engine("em-membranes"), rounds=10)


def test_open_and_first_call_512(timed: Any) -> None:
    pixels = image(512, 512)
    timed(lambda: pyengine.Engine("em-membranes").segment(pixels), pixels=pixels.size, rounds=5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_square(timed: Any, size: int, threads: int) -> None:
    one = pyengine.Engine("em-membranes", threads=threads)
    pixels = image(size, size)
    flops = one.info.flops_per_pixel * pixels.size
    rounds = {256: 30, 512: 15, 1024: 5, 2048: 3}[size]
    timed(
        lambda: one.segment(pixels), pixels=pixels.size, flops=flops, rounds=rounds, threads=threads
    )


@pytest.mark.parametrize("size", [4096, 8192])
def test_large_square(timed: Any, engine: Any, size: int) -> None:
    pixels = image(size, size)
    timed(lambda: engine.segment(pixels), pixels=pixels.size, rounds=1)


@pytest.mark.parametrize("shape", [(496, 768), (496, 12000)], ids=["scan", "strip"])
def test_scan_and_strip(timed: Any, engine: Any, shape: tuple[int, int]) -> None:
    pixels = image(*shape)
    timed(lambda: engine.segment(pixels), pixels=pixels.size, rounds=10 if shape[1] < 1000 else 2)


def test_colour_photograph(timed: Any) -> None:
    vessels = pyengine.Engine("retinal-vessels")
    pixels = image(2336, 3504, 3)
    timed(lambda: vessels.segment(pixels), pixels=2336 * 3504, rounds=2)


@pytest.mark.parametrize("count", [4, 16])
def test_batch_of_256(timed: Any, engine: Any, count: int) -> None:
    images = [image(256, 256) for _ in range(count)]
    timed(lambda: list(engine.segment_batch(images)), pixels=count * 256 * 256, rounds=5)


@pytest.mark.parametrize("gap_ms", [0, 10, 1000])
def test_scan_after_idle_gap(timed: Any, engine: Any, gap_ms: int) -> None:
    """The tail of the distribution; ``benchmarks.tail_latency`` looks closer."""
    pixels = image(496, 768)
    engine.segment(pixels)
    timed(
        lambda: engine.segment(pixels), pixels=pixels.size,
        setup=lambda: time.sleep(gap_ms / 1e3), rounds=200 if gap_ms < 100 else 10,
    )  # fmt: skip

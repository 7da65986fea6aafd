"""Latency of the shipped engine, end to end: uint8 pixels in, uint8 labels out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import pyengine

RNG = np.random.default_rng(0)


def image(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width), np.uint8)


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
    timed(lambda: one.segment(pixels), pixels=pixels.size, flops=flops, rounds=rounds)


@pytest.mark.parametrize("shape", [(496, 768), (496, 12000), (2336, 3504)])
def test_scans_strips_and_photographs(timed: Any, engine: Any, shape: tuple[int, int]) -> None:
    pixels = image(*shape)
    timed(lambda: engine.segment(pixels), pixels=pixels.size, rounds=10 if shape[1] < 1000 else 2)


@pytest.mark.parametrize("count", [4, 16])
def test_batch_of_256(timed: Any, engine: Any, count: int) -> None:
    images = [image(256, 256) for _ in range(count)]
    timed(lambda: list(engine.segment_batch(images)), pixels=count * 256 * 256, rounds=5)


@pytest.mark.parametrize("gap_ms", [10, 1000])
def test_after_idle_gap(benchmark: Any, engine: Any, gap_ms: int) -> None:
    pixels = image(496, 768)
    engine.segment(pixels)
    benchmark.pedantic(
        lambda: engine.segment(pixels),
        setup=lambda: time.sleep(gap_ms / 1e3),
        rounds=30 if gap_ms < 100 else 5,
    )

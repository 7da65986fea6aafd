"""Whole U-Nets of depth 4 on grey images, random weights: float32 pixels to labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SIZES = [(256, 256), (496, 768), (512, 512), (572, 572), (1024, 1024)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("base", [16, 32, 64])
def test_unet(timed: Any, make_engine: Any, base: int, size: tuple[int, int], threads: int) -> None:
    def network() -> Any:
        from train.models import UNetConfig, build_network

        return build_network(UNetConfig(base_width=base, padding="same")).eval()

    engine = make_engine(f"base{base}", network, threads, sample_shape=(1, 1, 64, 64))
    image = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    seconds = (base / 32) ** 2 * image.size / 1e6 / threads  # a rough guess
    timed(
        lambda: engine.segment(image), pixels=image.size,
        flops=engine.info.flops_per_pixel * image.size,
        rounds=int(np.clip(2 / seconds, 3, 30)), threads=threads,
    )  # fmt: skip

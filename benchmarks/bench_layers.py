"""Layers alone: GFLOP/s of chains of equal layers, layouts converted only at the ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyengine import _core

SHAPES = [
    (kind, *(int(n) for n in numbers))
    for line in (Path(__file__).parent / "shapes" / "layers.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for kind, *numbers in [line.split()]
]
CHAIN = 4


def layer(kind: str, cin: int, cout: int) -> Any:
    from torch import nn

    return {
        "conv3x3": lambda: nn.Conv2d(cin, cout, 3, padding=1),
        "conv1x1": lambda: nn.Conv2d(cin, cout, 1),
        "stride2": lambda: nn.Conv2d(cin, cout, 3, 2, 1),
        "depthwise": lambda: nn.Conv2d(cin, cout, 3, padding=1, groups=cin),
        "transposed": lambda: nn.ConvTranspose2d(cin, cout, 2, 2),
    }[kind]()


def chain(kind: str, cin: int, cout: int) -> tuple[list[Any], int]:
    """Layers, and how many of them: those that change the resolution stand alone."""
    count = 1 if kind in ("stride2", "transposed") else CHAIN
    return [layer(kind, cin, cout)] + [layer(kind, cout, cout) for _ in range(count - 1)], count


def chain_flops(kind: str, height: int, width: int, cin: int, cout: int, count: int) -> float:
    per_pixel = {"conv3x3": 18, "conv1x1": 2, "stride2": 18 / 4, "transposed": 8}
    if kind == "depthwise":
        return 18.0 * height * width * cin * count
    return per_pixel[kind] * height * width * (cin * cout + (count - 1) * cout * cout)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("isa", [i for i in _core.isas() if i not in ("fused", "reference")])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_layer(
    timed: Any, make_engine: Any, shape: tuple[Any, ...], isa: str, threads: int
) -> None:
    kind, height, width, cin, cout = shape
    rng = np.random.default_rng(0)
    small = rng.standard_normal((1, cin, 32, 32), dtype=np.float32)

    def network() -> Any:
        from torch import nn

        return nn.Sequential(*chain(kind, cin, cout)[0])

    engine = make_engine(
        "-".join(map(str, shape)), network, threads, isa, sample_shape=small.shape, samples=[small],
        activation="none",
    )  # fmt: skip
    x = rng.standard_normal((1, cin, height, width), dtype=np.float32)
    flops = chain_flops(kind, height, width, cin, cout, chain(kind, cin, cout)[1])
    timed(lambda: engine.run(x), flops=flops, rounds=7, threads=threads, isa=isa)

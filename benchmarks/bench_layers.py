"""3x3 convolutions alone: GFLOP/s of chains of equal layers, layouts converted only at the ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyengine
from pyengine import _core

SHAPES = [
    tuple(int(n) for n in line.split())
    for line in (Path(__file__).parent / "shapes" / "conv3x3.txt").read_text().splitlines()
    if not line.startswith("#")
]
CHAIN = 4


@pytest.mark.parametrize("isa", [i for i in _core.isas() if i != "reference"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_conv3x3(
    timed: Any, tmp_path: Path, monkeypatch: Any, shape: tuple[int, ...], isa: str
) -> None:
    torch = pytest.importorskip("torch")
    height, width, cin, cout = shape
    layers = [torch.nn.Conv2d(cin, cout, 3, padding=1)]
    layers += [torch.nn.Conv2d(cout, cout, 3, padding=1) for _ in range(CHAIN - 1)]
    path = tmp_path / "layers.pyengine"
    small = np.random.default_rng(0).standard_normal((1, cin, 32, 32), dtype=np.float32)
    pyengine.build(
        torch.nn.Sequential(*layers), path, sample_shape=small.shape, samples=[small],
        activation="none",
    )  # fmt: skip
    monkeypatch.setenv("PYENGINE_ISA", isa)
    engine = pyengine.Engine(path)
    x = np.random.default_rng(0).standard_normal((1, cin, height, width), dtype=np.float32)
    flops = 18 * height * width * (cin * cout + (CHAIN - 1) * cout * cout)
    timed(lambda: engine.run(x), flops=flops, rounds=5)

"""An engine whose labels are thresholds of grey values, for tests of what is made of labels."""

from __future__ import annotations

from pathlib import Path

import torch

import pyengine

NAMES = ["background", "dim", "bright"]


def threshold_engine(path: Path, names: list[str] | None = None) -> Path:
    """Labels: 0 below 50, 1 from 50 on, 2 from 150 on."""
    net = torch.nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        net.weight[:] = torch.tensor([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1)
        net.bias[:] = torch.tensor([0.0, -49.5, -199.0])
    pyengine.build(
        net, path, sample_shape=(1, 1, 16, 16), classes=names or NAMES,
        colors=[(0, 0, 0), (255, 0, 0), (0, 255, 0)],
    )  # fmt: skip
    return path

"""Writes tiny.pyengine: a depth-1 U-Net of base width 2 for the native tests (a few kilobytes)."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pyengine
from train.models import UNet, UNetConfig

if __name__ == "__main__":
    torch.manual_seed(0)
    config = UNetConfig(base_width=2, depth=1, classes=2)
    side = config.output_size(12) + 2 * config.margin
    report = pyengine.build(
        UNet(config).eval(),
        Path(__file__).parent / "tiny.pyengine",
        sample_shape=(1, 1, side, side),
        classes=["background", "object"],
        preprocessing=[{"name": "scale_linear", "gain": [1 / 255], "offset": [0.0]}],
    )
    print(report)

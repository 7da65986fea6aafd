"""Writes the engines of the native tests, a few kilobytes each.

tiny.pyengine: a depth-1 U-Net of base width 2. tiny-classifier.pyengine: the mean grey value m of a
6 x 4 image, scaled to [0, 1], to logits (0, m, 4 m - 2) of three classes.
"""

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
    line = torch.nn.Linear(1, 3)
    with torch.no_grad():
        line.weight.copy_(torch.tensor([[0.0], [1.0], [4.0]]))
        line.bias.copy_(torch.tensor([0.0, 0.0, -2.0]))
    report = pyengine.build(
        torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), line),
        Path(__file__).parent / "tiny-classifier.pyengine",
        sample_shape=(1, 1, 6, 4),
        task="classification",
        classes=["dark", "grey", "bright"],
        preprocessing=[{"name": "scale_linear", "gain": [1 / 255], "offset": [0.0]}],
        input_dtype="uint8",
    )
    print(report)

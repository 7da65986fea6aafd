"""Networks that people train with, and how much faster than OpenVINO they have to be here.

``python -m benchmarks.known_networks``: all of them at 512 x 512, each against its bar.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Known:
    """A network to compare.

    Attributes
    ----------
    make : callable
        Of a base width, a `torch.nn.Module` with random weights.
    multiple : int
        Of which sides are multiples [px].
    channels : int
        Of the image.
    base : int
        Width of the first layer.
    bar : float
        OpenVINO's time over ours that is wanted at least; 0: none.
    """

    make: Callable[[int], Any]
    multiple: int
    channels: int = 1
    base: int = 32
    bar: float = 0


def nnunet(base: int) -> Any:
    """nnU-Net's PlainConvUNet of 2-D configurations for 512 x 512, one channel to two classes."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    torch.manual_seed(0)
    return PlainConvUNet(
        1, 8, [min(base << stage, 512) for stage in range(8)], nn.Conv2d, 3, [1] + [2] * 7, 2, 2,
        [2] * 7, conv_bias=True, norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    ).eval()  # fmt: skip


def smp_unet(base: int) -> Any:
    """The U-Net of segmentation-models-pytorch on ResNet-34, its defaults, two classes."""
    from tests.networks.torchvision_operators import allow_torchvision

    allow_torchvision()
    import segmentation_models_pytorch
    import torch

    if base != KNOWN["smp"].base:
        raise ValueError(f"base {base}: ResNet-34 begins with {KNOWN['smp'].base} channels")
    torch.manual_seed(0)
    return segmentation_models_pytorch.Unet("resnet34", encoder_weights=None, classes=2).eval()


def monai_unet(base: int) -> Any:
    """MONAI's UNet of four halvings, all else by default: instance norm, PReLU, strides."""
    import torch
    from monai.networks.nets import UNet

    torch.manual_seed(0)
    return UNet(
        spatial_dims=2, in_channels=1, out_channels=2, channels=[base << i for i in range(5)],
        strides=(2, 2, 2, 2),
    ).eval()  # fmt: skip


KNOWN = {
    "nnunet": Known(nnunet, multiple=128, base=32, bar=2.2),
    "smp": Known(smp_unet, multiple=32, channels=3, base=64, bar=1.3),
    "monai": Known(monai_unet, multiple=16, base=16, bar=1.5),
}


def main() -> None:
    from benchmarks.compare_runtimes import compare_network, show
    from benchmarks.pairs import write_results
    from train.machine import machine_name

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=KNOWN, nargs="*", default=list(KNOWN))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    print(machine_name(), date.today().isoformat())
    results, lines = [], []
    for name in args.network:
        known = KNOWN[name]
        result = compare_network(
            name, known.base, (512, 512), args.threads, args.rounds, ["openvino"]
        )
        results.append(result)
        show(result)
        row = result["rows"].get("openvino")
        reached = "openvino is missing" if row is None else f"{row['ratio']:.2f}"
        lines.append(f"{name:<8} bar {known.bar:.1f}   OpenVINO's time over ours: {reached}")
    print("\n" + "\n".join(lines))
    if args.json:
        write_results(args.json, results)


if __name__ == "__main__":
    main()

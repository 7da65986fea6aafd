"""The U-Net of Ronneberger, Fischer and Brox (2015), with the options of this field.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for
Biomedical Image Segmentation", MICCAI 2015, arXiv:1505.04597, figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a U-Net; every field is stored in the checkpoint.

    Attributes
    ----------
    in_channels, classes : int
        Channels of the image and of the logits (1 = one sigmoid or ReLU output for two classes).
    base_width : int
        Feature channels of the first level; they double at each level (paper: 64).
    max_width : int
        Largest number of channels of any level; 0 = no limit.
    depth : int
        Number of poolings (paper: 4); tile origins lie on multiples of ``2**depth``.
    convs_per_block : int
        3x3 convolutions at each level of each path (paper: 2).
    batch_norm : bool
        Batch norm between convolution and ReLU; the build step folds it away.
    dropout : float
        Probability of dropping an activation at the end of the contracting path, 0 to 1.
    up : {"transposed", "upsample", "nearest_conv2x2"}
        2x2 transposed convolution; bilinear upsampling followed by a 1x1 convolution; or
        repeated pixels followed by a 2x2 convolution and ReLU.
    padding : {"valid", "same"}
        The paper's valid convolutions on mirror-padded input, or zero padding.
    output : {"linear", "relu"}
        Whether a ReLU follows the last convolution.
    scales : int
        Magnifications at which the same network looks at the image, each half of the one before;
        more than 1 makes it a `MultiScaleUNet` and needs padding = "same".
    """

    in_channels: int = 1
    classes: int = 2
    base_width: int = 64
    max_width: int = 0
    depth: int = 4
    convs_per_block: int = 2
    batch_norm: bool = True
    dropout: float = 0.0
    up: Literal["transposed", "upsample", "nearest_conv2x2"] = "transposed"
    padding: Literal["valid", "same"] = "valid"
    output: Literal["linear", "relu"] = "linear"
    scales: int = 1
    kind: str = "unet"

    def __post_init__(self) -> None:
        counts = ("in_channels", "classes", "base_width", "depth", "convs_per_block", "scales")
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        choices = {
            "up": ("transposed", "upsample", "nearest_conv2x2"),
            "padding": ("valid", "same"),
            "output": ("linear", "relu"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if self.up == "nearest_conv2x2" and self.padding == "valid":
            raise ValueError("up = 'nearest_conv2x2' needs padding = 'same'")
        if self.scales > 1 and self.padding == "valid":
            raise ValueError(f"scales = {self.scales} needs padding = 'same'")

    def describe(self) -> str:
        """The network in a few words, for model cards."""
        widths = ", ".join(str(w) for w in self.widths)
        return (
            f"U-Net (Ronneberger 2015) of {self.convs_per_block} convolutions per block, channels "
            f"{widths}"
            + (", batch norm" if self.batch_norm else "")
            + (f", run at {self.scales} scales and joined (Chen 2016)" if self.scales > 1 else "")
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature channels from the first level to the bottom."""
        widths = [self.base_width * 2**level for level in range(self.depth + 1)]
        return tuple(min(w, self.max_width or w) for w in widths)

    @property
    def alignment(self) -> int:
        """Pixels: sizes that differ by this much keep all pooling grids in step."""
        return 2 ** (self.depth + self.scales - 1)

    @property
    def context(self) -> int:
        """Pixels of surrounding that 3x3 convolutions see on each side.

        A level's block of n convolutions sees n px at its own scale; the expanding path has one
        block per level, the contracting path one per level and the bottom. The smallest of several
        scales sees the farthest, and one of its pixels more when it is magnified.
        """
        blocks = 2 * (2**self.depth - 1) + 2**self.depth
        smallest = 2 ** (self.scales - 1)
        return (self.convs_per_block * blocks + int(self.scales > 1)) * smallest

    @property
    def margin(self) -> int:
        """Pixels lost per side from input to output (0 with "same" padding)."""
        return 0 if self.padding == "same" else self.context

    def output_size(self, at_least: int) -> int:
        """Smallest output size >= `at_least` whose input divides evenly at every pooling."""
        step = self.alignment
        if self.padding == "same":
            return -(-at_least // step) * step
        # From any size at the bottom, each level doubles and its block trims.
        offset = (-2 * self.convs_per_block * (step - 1)) % step
        return offset + -(-max(at_least - offset, 0) // step) * step


def _block(cin: int, cout: int, config: UNetConfig) -> nn.Sequential:
    pad = 1 if config.padding == "same" else 0
    layers: list[nn.Module] = []
    for channels in [cin, *[cout] * (config.convs_per_block - 1)]:
        layers.append(nn.Conv2d(channels, cout, 3, padding=pad, bias=not config.batch_norm))
        if config.batch_norm:
            layers.append(nn.BatchNorm2d(cout))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _up(cin: int, cout: int, config: UNetConfig) -> nn.Module:
    if config.up == "transposed":
        return nn.ConvTranspose2d(cin, cout, 2, stride=2)
    if config.up == "nearest_conv2x2":
        # An even kernel's "same" padding lies below and to the right.
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(cin, cout, 2),
            nn.ReLU(inplace=True),
        )
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        nn.Conv2d(cin, cout, 1),
    )


class UNet(nn.Module):
    """U-Net; logits of shape (B, classes, H - 2 * margin, W - 2 * margin).

    Parameters
    ----------
    config : UNetConfig
        Shape of the network.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList()
        cin = config.in_channels
        for width in widths:
            self.down.append(_block(cin, width, config))
            cin = width
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(config.dropout)
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_up(cin, width, config))
            self.merge.append(_block(2 * width, width, config))
            cin = width
        self.head = nn.Conv2d(config.base_width, config.classes, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W)
        x = self.head(self.features(x))  # (B, K, H - 2 * margin, W - 2 * margin)
        return F.relu(x) if self.config.output == "relu" else x

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the head sees: (B, base_width, H - 2 * margin, W - 2 * margin)."""
        skips = []
        for level, block in enumerate(self.down):
            if level > 0:
                x = self.pool(x)  # (B, w * 2^(level-1), H / 2^level, W / 2^level)
            x = block(x)
            # The paper drops activations at the end of the contracting path.
            if level >= self.config.depth - 1:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)
            skip, x = match(skips.pop(), x)
            x = merge(torch.cat([skip, x], dim=1))
        return x


def match(skip: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both at one size: valid networks crop the skip, odd sizes repeat the edge of `x`."""
    rows, cols = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
    if (rows, cols) == (0, 0):
        return skip, x
    if rows <= 1 and cols <= 1:
        return skip, F.pad(x, (0, cols, 0, rows), mode="replicate")
    top, left = rows // 2, cols // 2
    return skip[..., top : top + x.shape[-2], left : left + x.shape[-1]], x

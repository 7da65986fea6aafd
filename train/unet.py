"""The U-Net of Ronneberger, Fischer and Brox (2015), with the options of this field.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for
Biomedical Image Segmentation", MICCAI 2015, arXiv:1505.04597, figure 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a U-Net; every field is stored in the checkpoint.

    Attributes
    ----------
    in_channels, classes : int
        Channels of the image and of the logits.
    base_width : int
        Feature channels of the first level; they double at each level (paper: 64).
    depth : int
        Number of poolings (paper: 4); tile origins lie on multiples of ``2**depth``.
    batch_norm : bool
        Batch norm between convolution and ReLU; the build step folds it away.
    dropout : float
        Probability of dropping an activation at the end of the contracting path, 0 to 1.
    up : {"transposed", "upsample"}
        2x2 transposed convolution, or bilinear upsampling followed by a 1x1 convolution.
    padding : {"valid", "same"}
        The paper's valid convolutions on mirror-padded input, or zero padding.
    """

    in_channels: int = 1
    classes: int = 2
    base_width: int = 64
    depth: int = 4
    batch_norm: bool = True
    dropout: float = 0.0
    up: Literal["transposed", "upsample"] = "transposed"
    padding: Literal["valid", "same"] = "valid"

    def __post_init__(self) -> None:
        for name in ("in_channels", "classes", "base_width", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.up not in ("transposed", "upsample"):
            raise ValueError(f"up must be 'transposed' or 'upsample', got {self.up!r}")
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {self.padding!r}")

    @property
    def alignment(self) -> int:
        """Pixels: sizes that differ by this much keep all pooling grids in step."""
        return 2**self.depth

    @property
    def margin(self) -> int:
        """Pixels lost per side from input to output (0 with "same" padding).

        A level loses 2 px per convolution pair and side at its own scale; the expanding
        path has one pair per level, the contracting path one per level and the bottom.
        """
        if self.padding == "same":
            return 0
        return 2 * sum(2 * 2**level for level in range(self.depth)) + 2 * 2**self.depth

    def output_size(self, at_least: int) -> int:
        """Smallest output size >= `at_least` whose input divides evenly at every pooling."""
        if self.padding == "same":
            return -(-at_least // self.alignment) * self.alignment
        # The smallest network: 1 px after the bottom pair, doubled up and trimmed on the way.
        smallest, step = 1, self.alignment
        for _ in range(self.depth):
            smallest = 2 * smallest
        offset = (smallest - 4 * (2**self.depth - 1)) % step
        return offset + -(-max(at_least - offset, 0) // step) * step


def _conv_pair(cin: int, cout: int, config: UNetConfig) -> nn.Sequential:
    pad = 1 if config.padding == "same" else 0
    layers: list[nn.Module] = []
    for channels in (cin, cout):
        layers.append(nn.Conv2d(channels, cout, 3, padding=pad, bias=not config.batch_norm))
        if config.batch_norm:
            layers.append(nn.BatchNorm2d(cout))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _up(cin: int, cout: int, config: UNetConfig) -> nn.Module:
    if config.up == "transposed":
        return nn.ConvTranspose2d(cin, cout, 2, stride=2)
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
        widths = [config.base_width * 2**level for level in range(config.depth + 1)]
        self.down = nn.ModuleList()
        cin = config.in_channels
        for width in widths:
            self.down.append(_conv_pair(cin, width, config))
            cin = width
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(config.dropout)
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_up(2 * width, width, config))
            self.merge.append(_conv_pair(2 * width, width, config))
        self.head = nn.Conv2d(config.base_width, config.classes, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W)
        skips = []
        for level, pair in enumerate(self.down):
            if level > 0:
                x = self.pool(x)  # (B, w * 2^(level-1), H / 2^level, W / 2^level)
            x = pair(x)
            # The paper drops activations at the end of the contracting path.
            if level >= self.config.depth - 1:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)
            x = merge(torch.cat([_center_crop(skips.pop(), x), x], dim=1))
        return self.head(x)  # (B, K, H - 2 * margin, W - 2 * margin)


def _center_crop(skip: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    top = (skip.shape[-2] - like.shape[-2]) // 2
    left = (skip.shape[-1] - like.shape[-1]) // 2
    if top == 0 and left == 0:
        return skip
    return skip[..., top : top + like.shape[-2], left : left + like.shape[-1]]


def save_checkpoint(path: str, model: UNet, manifest: dict, state: dict | None = None) -> None:
    """Write weights, network shape, engine manifest fields and resume state to one file.

    Parameters
    ----------
    path : str
        Destination; ``torch.load(weights_only=True)`` can read it.
    model : UNet
        Network in any mode.
    manifest : dict
        What the build step needs beside the weights: task, classes, input, provenance.
    state : dict, optional
        Optimiser, scheduler, generator and step, for resuming.
    """
    torch.save(
        {
            "format": "pyengine-unet-checkpoint",
            "version": 1,
            "config": asdict(model.config),
            "weights": model.state_dict(),
            "manifest": manifest,
            "state": state or {},
        },
        path,
    )


def load_checkpoint(path: str) -> tuple[UNet, dict, dict]:
    """Read what `save_checkpoint` wrote.

    Returns
    -------
    (UNet, dict, dict)
        Network in evaluation mode, manifest fields, resume state.

    Raises
    ------
    ValueError
        The file is not a checkpoint of `train/` or has another version.
    """
    data = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(data, dict) or data.get("format") != "pyengine-unet-checkpoint":
        raise ValueError(f"{path}: not a checkpoint of train/ (no pyengine-unet-checkpoint mark)")
    if data["version"] != 1:
        raise ValueError(f"{path}: checkpoint version {data['version']}, this code reads 1")
    model = UNet(UNetConfig(**data["config"]))
    model.load_state_dict(data["weights"])
    return model.eval(), data["manifest"], data["state"]

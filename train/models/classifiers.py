"""Four classifiers of whole images: MobileNet, VGG16, a five-layer CNN and a slim VGG16.

References: A. Howard et al., "MobileNets", 2017, arXiv:1704.04861, table 1; K. Simonyan and
A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556, table 1, column D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True)
class ClassifierConfig:
    """Shape of a classifier; every field is stored in the checkpoint.

    Attributes
    ----------
    architecture : {"mobilenet", "vgg16", "cnn5", "vgg16_slim"}
        ``vgg16_slim`` has a quarter of VGG16's channels, batch norm and global pooling: 13
        convolutions and 3 linear layers as well.
    in_channels, classes : int
    size : (int, int)
        Height and width in pixels of the network's input.
    head : {"pool", "flatten"}
        How the last feature map becomes a vector: global average pooling, or all of it. Only for
        MobileNet and VGG16.
    dropout : float
        Before the last linear layer, 0 to 1.
    batch_norm : bool
        VGG16 only: batch norm after each convolution, without which it hardly trains from scratch.
    weights : str
        File of ImageNet weights for the base (`train.models.imagenet`); "" = random.
    freeze_base : bool
        Train the head only. Sensible with `weights`.
    """

    architecture: Literal["mobilenet", "vgg16", "cnn5", "vgg16_slim"] = "cnn5"
    in_channels: int = 1
    classes: int = 4
    size: tuple[int, int] = (128, 128)
    head: Literal["pool", "flatten"] = "pool"
    dropout: float = 0.0
    batch_norm: bool = False
    weights: str = ""
    freeze_base: bool = False
    kind: str = "classifier"

    def __post_init__(self) -> None:
        choices = {
            "architecture": ("mobilenet", "vgg16", "cnn5", "vgg16_slim"),
            "head": ("pool", "flatten"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if len(self.size) != 2 or min(self.size) < 32 or any(n % 32 for n in self.size):
            raise ValueError(f"size must be two multiples of 32 px, got {self.size}")
        if self.weights and self.architecture not in ("mobilenet", "vgg16"):
            raise ValueError(f"weights are for mobilenet and vgg16, not {self.architecture}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    def describe(self) -> str:
        """The network in a few words, for model cards."""
        return f"{self.architecture}, input {self.size[0]} x {self.size[1]} px"


class Classifier(nn.Module):
    """Feature map, vector, logits of shape (B, classes).

    Parameters
    ----------
    config : ClassifierConfig
    base : nn.Module
        (B, C, H, W) to (B, F, h, w).
    head : nn.Module
        (B, F, h, w) to (B, classes).
    """

    def __init__(self, config: ClassifierConfig, base: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.base = base
        self.head = head
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if config.freeze_base:
            self.base.requires_grad_(False)

    def train(self, mode: bool = True) -> Classifier:
        """As usual, but a frozen base keeps its batch-norm statistics."""
        super().train(mode)
        if self.config.freeze_base:
            self.base.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W)
        return self.head(self.base(x))  # (B, classes)


def build_classifier(config: ClassifierConfig) -> Classifier:
    """The classifier that `config` describes; ImageNet weights are loaded by `train.fit`."""
    builders = {
        "mobilenet": _mobilenet,
        "vgg16": _vgg16,
        "cnn5": _cnn5,
        "vgg16_slim": _vgg16_slim,
    }
    return Classifier(config, *builders[config.architecture](config))


def _conv_bn_relu6(
    cin: int, cout: int, kernel: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    # Keras pads a stride-2 convolution below and to the right only.
    pad: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
    inner = kernel // 2 if stride == 1 else 0
    return [
        *pad,
        nn.Conv2d(cin, cout, kernel, stride, inner, groups=groups, bias=False),
        nn.BatchNorm2d(cout, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]


def _mobilenet(config: ClassifierConfig) -> tuple[nn.Module, nn.Module]:
    layers = _conv_bn_relu6(config.in_channels, 32, 3, 2)
    cin = 32
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
    for cout, stride in [*blocks, (1024, 2), (1024, 1)]:
        layers += _conv_bn_relu6(cin, cin, 3, stride, groups=cin)
        layers += _conv_bn_relu6(cin, cout, 1, 1)
        cin = cout
    return nn.Sequential(*layers), _vector_head(config, cin, 32)


def _vgg_base(cin: int, blocks: list[tuple[int, int]], batch_norm: bool) -> tuple[nn.Module, int]:
    layers: list[nn.Module] = []
    for width, count in blocks:
        for _ in range(count):
            layers.append(nn.Conv2d(cin, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            cin = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers), cin


_VGG16_BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


def _vgg16(config: ClassifierConfig) -> tuple[nn.Module, nn.Module]:
    base, width = _vgg_base(config.in_channels, _VGG16_BLOCKS, config.batch_norm)
    return base, _vector_head(config, width, 32)


def _vgg16_slim(config: ClassifierConfig) -> tuple[nn.Module, nn.Module]:
    blocks = [(width // 4, count) for width, count in _VGG16_BLOCKS]
    base, width = _vgg_base(config.in_channels, blocks, batch_norm=True)
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, 128), nn.ReLU(inplace=True),
        nn.Linear(128, 128), nn.ReLU(inplace=True),
        nn.Dropout(config.dropout), nn.Linear(128, config.classes),
    )  # fmt: skip
    return base, head


def _cnn5(config: ClassifierConfig) -> tuple[nn.Module, nn.Module]:
    layers: list[nn.Module] = []
    cin = config.in_channels
    for width in (16, 32, 64, 128, 128):
        layers += [nn.Conv2d(cin, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        cin = width
    features = cin * (config.size[0] // 32) * (config.size[1] // 32)
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(features, 128), nn.ReLU(inplace=True),
        nn.Dropout(config.dropout), nn.Linear(128, config.classes),
    )  # fmt: skip
    return nn.Sequential(*layers), head


def _vector_head(config: ClassifierConfig, width: int, reduction: int) -> nn.Module:
    """Softmax layer on the pooled or the flattened feature map."""
    if config.head == "pool":
        layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    else:
        layers = [nn.Flatten()]
        width *= (config.size[0] // reduction) * (config.size[1] // reduction)
    return nn.Sequential(*layers, nn.Dropout(config.dropout), nn.Linear(width, config.classes))

"""One U-Net that looks at the image at several magnifications.

Reference: L.-C. Chen, Y. Yang, J. Wang, W. Xu, A. L. Yuille, "Attention to Scale: Scale-Aware Semantic
Image Segmentation", CVPR 2016, arXiv:1511.03339: the same weights at every scale, and learned layers
that join what each of them saw. Theirs weigh the scales by a softmax; here two 1x1 convolutions
join the features.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from train.models.unet import UNet, UNetConfig, match


class MultiScaleUNet(UNet):
    """U-Net at `config.scales` magnifications; logits of shape (B, classes, H, W).

    For data that show the same scene at resolutions far apart: structures that are too large for
    what the network learned at one scale have the size that it knows at another.

    Parameters
    ----------
    config : UNetConfig
        With scales > 1.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        width = config.scales * config.base_width
        self.join = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(width, config.classes, 1)
        for layer in (self.join, self.head):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    @torch.no_grad()
    def start_from(self, single: UNet) -> None:
        """Take over a network trained at one scale; the answer is then the mean over the scales."""
        scales = self.config.scales
        own = {k: v for k, v in single.state_dict().items() if not k.startswith("head.")}
        self.load_state_dict(own, strict=False)
        self.head.weight.copy_(single.head.weight.repeat(1, scales, 1, 1) / scales)
        self.head.bias.copy_(single.head.bias)  # type: ignore[arg-type]
        # Features follow a ReLU: the identity leaves them as they are.
        self.join.weight.copy_(torch.eye(len(self.join.weight))[..., None, None])
        self.join.bias.zero_()  # type: ignore[union-attr]

    def single_scale(self) -> UNet:
        """A fresh network of the same shape that looks once."""
        return UNet(replace(self.config, scales=1))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the head sees: (B, scales * base_width, H, W)."""
        first = super().features(x)
        seen = [first]
        for scale in range(1, self.config.scales):
            x = F.avg_pool2d(x, 2)
            small = super().features(x)
            large = F.interpolate(
                small, scale_factor=2**scale, mode="bilinear", align_corners=False
            )
            seen.append(match(first, large)[1])
        return F.relu(self.join(torch.cat(seen, dim=1)))

"""U-2-Net (Qin et al., 2020) at its real size: 44 million weights, a context of 3,296 pixels."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Sequential):
    def __init__(self, cin: int, cout: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(cin, cout, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
        )


def enlarged(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Rsu(nn.Module):
    """A U-Net as a block, of `height` levels; dilated instead of halved: `pooled` False."""

    def __init__(self, height: int, cin: int, middle: int, cout: int, pooled: bool = True) -> None:
        super().__init__()
        self.pooled = pooled
        dilations = [1] * (height - 1) if pooled else [2**i for i in range(height - 1)]
        self.first = Layer(cin, cout)
        self.down = nn.ModuleList(
            Layer(middle if i else cout, middle, d) for i, d in enumerate(dilations)
        )
        self.bottom = Layer(middle, middle, 2 if pooled else 2 ** (height - 1))
        self.up = nn.ModuleList(
            Layer(2 * middle, middle if i else cout, d) for i, d in enumerate(dilations)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = x = self.first(x)
        skips = []
        for i, down in enumerate(self.down):
            if i and self.pooled:
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            x = down(x)
            skips.append(x)
        x = self.bottom(x)
        for up, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = up(torch.cat([enlarged(x, skip) if self.pooled else x, skip], 1))
        return x + first


class U2Net(nn.Module):
    """The full network; of its outputs the fused one."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([
            Rsu(7, 3, 32, 64), Rsu(6, 64, 32, 128), Rsu(5, 128, 64, 256), Rsu(4, 256, 128, 512),
            Rsu(4, 512, 256, 512, pooled=False), Rsu(4, 512, 256, 512, pooled=False),
        ])  # fmt: skip
        self.up = nn.ModuleList([
            Rsu(7, 128, 16, 64), Rsu(6, 256, 32, 64), Rsu(5, 512, 64, 128), Rsu(4, 1024, 128, 256),
            Rsu(4, 1024, 256, 512, pooled=False),
        ])  # fmt: skip
        widths = (64, 64, 128, 256, 512, 512)
        self.sides = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths)
        self.fuse = nn.Conv2d(6, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for i, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2, 2, ceil_mode=True) if i else x)
            skips.append(x)
        results = [skips.pop()]
        for up in reversed(self.up):
            skip = skips.pop()
            results.insert(0, up(torch.cat([enlarged(results[0], skip), skip], 1)))
        sides = [side(r) for side, r in zip(self.sides, results, strict=True)]
        return torch.sigmoid(self.fuse(torch.cat([enlarged(s, sides[0]) for s in sides], 1)))

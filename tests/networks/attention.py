"""Small modules that weigh channels or pixels, from the papers that U-Nets borrow them from."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SqueezeExcite(nn.Module):
    def __init__(self, c: int, linear: bool = False) -> None:
        super().__init__()
        self.linear = linear
        one = nn.Linear if linear else (lambda a, b: nn.Conv2d(a, b, 1))
        self.fc = nn.Sequential(one(c, 3), nn.ReLU(), one(3, c), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = F.adaptive_avg_pool2d(x, 1)
        if self.linear:
            return x * self.fc(s.flatten(1))[:, :, None, None].expand_as(x)
        return x * self.fc(s)


class ScSE(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, 3, 1), nn.ReLU(), nn.Conv2d(3, c, 1), nn.Sigmoid()
        )
        self.pixels = nn.Sequential(nn.Conv2d(c, 1, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.max(x * self.channels(x), x * self.pixels(x))


class Cbam(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(c, 3, 1), nn.ReLU(), nn.Conv2d(3, c, 1))
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        x = x * torch.sigmoid(pooled)
        both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return x * torch.sigmoid(self.conv(both))


class Eca(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)
        return x * torch.sigmoid(self.conv(y).transpose(-1, -2).unsqueeze(-1))


class GlobalContext(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.mask = nn.Conv2d(c, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(c, 4, 1), nn.LayerNorm([4, 1, 1]), nn.ReLU(), nn.Conv2d(4, c, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.mask(x).flatten(2).softmax(-1).reshape(x.shape[0], 1, *x.shape[2:])
        return x + self.transform((x * weights).sum((2, 3), keepdim=True))


class NonLocal(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Conv2d(c, 4, 1), nn.Conv2d(c, 4, 1), nn.Conv2d(c, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q(x).flatten(2), self.k(x).flatten(2), self.v(x).flatten(2)
        seen = (q.transpose(1, 2) @ k).softmax(-1)
        return x + (v @ seen.transpose(1, 2)).reshape(x.shape)


class Aspp(nn.Module):
    """Dilated branches beside a pooled one that is enlarged again."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [nn.Conv2d(c, 4, 1), *(nn.Conv2d(c, 4, 3, padding=d, dilation=d) for d in (2, 4))]
        )
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, 4, 1), nn.ReLU())
        self.last = nn.Conv2d(16, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        enlarged = F.interpolate(
            self.pooled(x), size=x.shape[2:], mode="bilinear", align_corners=False
        )
        return self.last(torch.cat([*(branch(x) for branch in self.branches), enlarged], 1))


class PyramidPooling(nn.Module):
    def __init__(self, c: int, sizes: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(n), nn.Conv2d(c, 4, 1), nn.ReLU()) for n in sizes
        )
        self.last = nn.Conv2d(c + 4 * len(sizes), c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [
            F.interpolate(stage(x), size=x.shape[2:], mode="bilinear", align_corners=False)
            for stage in self.stages
        ]
        return self.last(torch.cat([x, *parts], 1))


class SelfAttention(nn.Module):
    """Multi-head attention over all pixels, with a norm before it."""

    def __init__(self, c: int, heads: int = 2) -> None:
        super().__init__()
        self.norm, self.heads = nn.LayerNorm(c), heads
        self.qkv, self.out = nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        qkv = self.qkv(tokens).reshape(n, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        seen = (q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5).softmax(-1) @ v
        mixed = self.out(seen.transpose(1, 2).reshape(n, h * w, c))
        return x + mixed.transpose(1, 2).reshape(n, c, h, w)

"""Parts that many of the networks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]


def seeded(module: nn.Module) -> nn.Module:
    """Norms with statistics and scales that are not trivial, weights that keep the signal."""
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.7, 1.4, generator=generator)
        if isinstance(getattr(part, "weight", None), nn.Parameter) and part.weight.ndim == 1:
            part.weight.data.uniform_(0.7, 1.3, generator=generator)
    return module.eval()


def layer(
    cin: int,
    cout: int,
    kernel: int = 3,
    norm: Norm = nn.BatchNorm2d,
    act: Callable[[], nn.Module] = nn.ReLU,
    **how: int,
) -> nn.Sequential:
    """Convolution, norm, activation; "same" unless told otherwise."""
    how.setdefault("padding", how.get("dilation", 1) * (kernel // 2))
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, **how), norm(cout), act())


def double(cin: int, cout: int, **how: object) -> nn.Sequential:
    """Two layers, as in every U-Net."""
    return nn.Sequential(layer(cin, cout, **how), layer(cout, cout, **how))


class Up(nn.Module):
    """A function of resolution: nearest, bilinear, with aligned corners, or a transposed convolution."""

    def __init__(self, cin: int, cout: int, how: str) -> None:
        super().__init__()
        self.how = how
        learnt = nn.ConvTranspose2d(cin, cout, 2, 2)
        self.conv = learnt if how == "transposed" else nn.Conv2d(cin, cout, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "transposed":
            return self.conv(x)
        mode = "bilinear" if self.how == "aligned" else self.how
        corners = {"bilinear": False, "aligned": True}.get(self.how)
        return self.conv(F.interpolate(x, scale_factor=2, mode=mode, align_corners=corners))


class UNet(nn.Module):
    """A U-Net whose blocks, skips and enlargements are given."""

    def __init__(
        self,
        cin: int = 1,
        classes: int = 2,
        width: int = 6,
        depth: int = 3,
        block: Callable[[int, int], nn.Module] = double,
        up: str = "transposed",
        pool: Callable[[int], nn.Module] = lambda c: nn.MaxPool2d(2),
        gate: Callable[[int], nn.Module] | None = None,
        middle: Callable[[int], nn.Module] | None = None,
        merge: str = "concat",
        head: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(depth)]
        before = [cin, *sizes[:-1]]
        self.down = nn.ModuleList(block(a, b) for a, b in zip(before, sizes, strict=True))
        self.pools = nn.ModuleList(pool(c) for c in sizes[:-1])
        self.middle = middle(sizes[-1]) if middle else nn.Identity()
        self.ups = nn.ModuleList(Up(2 * c, c, up) for c in sizes[:-1][::-1])
        joined = 2 if merge == "concat" else 1
        self.blocks = nn.ModuleList(block(joined * c, c) for c in sizes[:-1][::-1])
        self.gates = nn.ModuleList(gate(c) if gate else nn.Identity() for c in sizes[:-1][::-1])
        self.merge = merge
        self.last = nn.Conv2d(width, classes, 1)
        self.head = head()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for i, block in enumerate(self.down):
            x = block(x)
            if i < len(self.pools):
                skips.append(x)
                x = self.pools[i](x)
        x = self.middle(x)
        for up, block, gate, skip in zip(
            self.ups, self.blocks, self.gates, skips[::-1], strict=True
        ):
            x = up(x)
            skip = gate(skip)
            x = block(torch.cat([skip, x], 1) if self.merge == "concat" else skip + x)
        return self.head(self.last(x))


class Residual(nn.Module):
    """x + body(x), the channels matched by one tap."""

    def __init__(self, cin: int, cout: int, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.match = nn.Identity() if cin == cout else nn.Conv2d(cin, cout, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.match(x) + self.body(x)


class LayerNorm2d(nn.Module):
    """Over the channels of each pixel, as ConvNeXt's authors wrote it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)

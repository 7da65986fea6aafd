"""U-Nets of well-known repositories and papers, written small by hand."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from .attention import Aspp, Cbam, Eca, GlobalContext, PyramidPooling, ScSE, SqueezeExcite
from .blocks import Function, LayerNorm2d, Residual, UNet, double, layer
from .network import Network


class Milesial(nn.Module):
    """milesial/Pytorch-UNet: skips are met by padding the difference in size."""

    def __init__(self, bilinear: bool) -> None:
        super().__init__()
        self.a, self.b, self.c = double(3, 6), double(6, 12), double(12, 24)
        self.up1 = nn.Conv2d(24, 12, 1) if bilinear else nn.ConvTranspose2d(24, 12, 2, 2)
        self.up2 = nn.Conv2d(12, 6, 1) if bilinear else nn.ConvTranspose2d(12, 6, 2, 2)
        self.bilinear = bilinear
        self.d, self.e, self.last = double(24, 12), double(12, 6), nn.Conv2d(6, 2, 1)

    def join(self, x: torch.Tensor, skip: torch.Tensor, up: nn.Module) -> torch.Tensor:
        if self.bilinear:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = up(x)
        dy, dx = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return torch.cat([skip, x], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        x = self.d(self.join(c, b, self.up1))
        return self.last(self.e(self.join(x, a, self.up2)))


class Valid(nn.Module):
    """Ronneberger et al. 2015: valid convolutions, skips are cropped."""

    def __init__(self) -> None:
        super().__init__()
        block = partial(double, padding=0)
        self.a, self.b, self.c = block(1, 6), block(6, 12), block(12, 24)
        self.up1, self.up2 = nn.ConvTranspose2d(24, 12, 2, 2), nn.ConvTranspose2d(12, 6, 2, 2)
        self.d, self.e, self.last = block(24, 12), block(12, 6), nn.Conv2d(6, 2, 1)

    @staticmethod
    def join(skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        dy, dx = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
        return torch.cat([skip[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]], x], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        return self.last(self.e(self.join(a, self.up2(self.d(self.join(b, self.up1(c)))))))


class PlusPlus(nn.Module):
    """Zhou et al. 2018: nested skips."""

    def __init__(self, corners: bool | None) -> None:
        super().__init__()
        mode = "nearest" if corners is None else "bilinear"
        self.up = nn.Upsample(scale_factor=2, mode=mode, align_corners=corners)
        w = [5, 10, 20]
        self.x00, self.x10, self.x20 = double(1, w[0]), double(w[0], w[1]), double(w[1], w[2])
        self.x01, self.x11 = double(w[0] + w[1], w[0]), double(w[1] + w[2], w[1])
        self.x02, self.last = double(2 * w[0] + w[1], w[0]), nn.Conv2d(w[0], 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x00 = self.x00(x)
        x10 = self.x10(F.max_pool2d(x00, 2))
        x20 = self.x20(F.max_pool2d(x10, 2))
        x01 = self.x01(torch.cat([x00, self.up(x10)], 1))
        x11 = self.x11(torch.cat([x10, self.up(x20)], 1))
        return self.last(self.x02(torch.cat([x00, x01, self.up(x11)], 1)))


class AttentionGate(nn.Module):
    """Oktay et al. 2018: a gate from the skip and the coarser tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = double(1, 6), double(6, 12), double(12, 24)
        self.up1, self.up2 = layer(24, 12), layer(12, 6)
        self.d, self.e, self.last = double(24, 12), double(12, 6), nn.Conv2d(6, 2, 1)
        self.gates = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(c, 4, 1), nn.Conv2d(c, 4, 1), nn.Conv2d(4, 1, 1)])
            for c in (12, 6)
        )

    @staticmethod
    def gated(gate: nn.ModuleList, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return skip * torch.sigmoid(gate[2](F.relu(gate[0](skip) + gate[1](x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        x = self.up1(F.interpolate(self.c(F.max_pool2d(b, 2)), scale_factor=2))
        x = self.d(torch.cat([self.gated(self.gates[0], b, x), x], 1))
        x = self.up2(F.interpolate(x, scale_factor=2))
        return self.last(self.e(torch.cat([self.gated(self.gates[1], a, x), x], 1)))


class Recurrent(nn.Module):
    """R2U-Net's block: the same convolution, twice over."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.match, self.conv = nn.Conv2d(cin, cout, 1), layer(cout, cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.match(x)
        y = self.conv(x)
        for _ in range(2):
            y = self.conv(x + y)
        return x + y


class RsuBlock(nn.Module):
    """U-2-Net's block: a small U-Net with pooling that rounds up, or dilations."""

    def __init__(self, cin: int, cout: int, dilated: bool = False) -> None:
        super().__init__()
        self.first, self.dilated = layer(cin, cout), dilated
        self.a, self.b, self.c = layer(cout, 4), layer(4, 4), layer(4, 4, dilation=2)
        self.d, self.e = layer(8, 4), layer(8, cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        a = self.a(first)
        b = self.b(a if self.dilated else F.max_pool2d(a, 2, stride=2, ceil_mode=True))
        d = self.d(torch.cat([self.c(b), b], 1))
        if not self.dilated:
            d = F.interpolate(d, size=a.shape[2:], mode="bilinear", align_corners=False)
        return first + self.e(torch.cat([d, a], 1))


def u2net(cin: int, cout: int) -> nn.Module:
    return RsuBlock(cin, cout, dilated=cout > 12)


class Inception(nn.Module):
    """Branches of several kernels beside one another."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(layer(cin, cout, k) for k in (1, 3, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(cin, cout, 1))
        self.last = nn.Conv2d(4 * cout, cout, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat([*(b(x) for b in self.branches), self.pooled(x)], 1))


class MultiRes(nn.Module):
    """MultiResUNet's block: a chain of layers, all of them joined."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.match = layer(cin, cout, 1)
        n = cout // 3
        self.a, self.b, self.c = layer(cin, n), layer(n, n), layer(n, cout - 2 * n)
        self.norm = nn.BatchNorm2d(cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(a)
        return F.relu(self.norm(self.match(x) + torch.cat([a, b, self.c(b)], 1)))


class Dense(nn.Module):
    """A dense block: each layer sees all before it."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(cin + 4 * i), nn.ReLU(), nn.Conv2d(cin + 4 * i, 4, 3, 1, 1)
            )
            for i in range(3)
        )
        self.last = nn.Conv2d(cin + 12, cout, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for one in self.layers:
            x = torch.cat([x, one(x)], 1)
        return self.last(x)


def inverted(act: type[nn.Module]) -> object:
    """MobileNet's block: wide, each channel for itself, narrow."""

    def block(cin: int, cout: int) -> nn.Module:
        wide = 2 * cin
        body = nn.Sequential(
            layer(cin, wide, 1, act=act), layer(wide, wide, groups=wide, act=act),
            nn.Conv2d(wide, cout, 1), nn.BatchNorm2d(cout),
        )  # fmt: skip
        return Residual(cin, cout, body)

    return block


class Shuffle(nn.Module):
    """ShuffleNet's unit: half of the channels pass, then channels are shuffled."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.match = nn.Conv2d(cin, cout, 1)
        self.body = nn.Sequential(layer(cout // 2, cout // 2), layer(cout // 2, cout // 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.match(x).chunk(2, 1)
        x = torch.cat([a, self.body(b)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Ghost(nn.Module):
    """GhostNet's module: half of the channels are made cheaply from the other half."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.first = layer(cin, cout // 2)
        self.cheap = layer(cout // 2, cout // 2, groups=cout // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return torch.cat([x, self.cheap(x)], 1)


class ConvNext(nn.Module):
    """ConvNeXt's block, channels last inside; version 2 has a global response norm."""

    def __init__(self, cin: int, cout: int, response: bool = False) -> None:
        super().__init__()
        self.match = nn.Conv2d(cin, cout, 1)
        self.depth = nn.Conv2d(cout, cout, 7, padding=3, groups=cout)
        self.norm, self.up, self.down = (
            nn.LayerNorm(cout),
            nn.Linear(cout, 2 * cout),
            nn.Linear(2 * cout, cout),
        )
        self.scale = nn.Parameter(torch.full((cout,), 0.5))
        self.response = response
        self.gamma = nn.Parameter(torch.full((1, 1, 1, 2 * cout), 0.3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.match(x)
        y = F.gelu(self.up(self.norm(self.depth(x).permute(0, 2, 3, 1))))
        if self.response:
            size = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
            y = self.gamma * (y * (size / (size.mean(-1, keepdim=True) + 1e-6))) + y
        return x + (self.scale * self.down(y)).permute(0, 3, 1, 2)


class Naf(nn.Module):
    """NAFNet's block: gates of halves, attention of channels without an activation."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.match, self.norm = nn.Conv2d(cin, cout, 1), LayerNorm2d(cout)
        self.wide = nn.Sequential(
            nn.Conv2d(cout, 2 * cout, 1), nn.Conv2d(2 * cout, 2 * cout, 3, 1, 1, groups=2 * cout)
        )
        self.channels = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(cout, cout, 1))
        self.last, self.beta = nn.Conv2d(cout, cout, 1), nn.Parameter(torch.ones(1, cout, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.match(x)
        a, b = self.wide(self.norm(x)).chunk(2, dim=1)
        y = a * b
        return x + self.last(y * self.channels(y)) * self.beta


class Pool(nn.Module):
    """PoolFormer's block: a mean of neighbours in the place of attention."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.match, self.norm = nn.Conv2d(cin, cout, 1), nn.GroupNorm(1, cout)
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.mlp = nn.Sequential(
            nn.GroupNorm(1, cout), nn.Conv2d(cout, 8, 1), nn.GELU(), nn.Conv2d(8, cout, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.match(x)
        y = self.norm(x)
        x = x + self.pool(y) - y
        return x + self.mlp(x)


def unet(**how: object) -> nn.Module:
    return UNet(**how)


def of_layers(**how: object) -> nn.Module:
    """A plain U-Net whose layers have this norm or activation."""
    return UNet(block=partial(double, **how))


def residual(cin: int, cout: int) -> nn.Module:
    return Residual(cin, cout, double(cin, cout))


def dilated(c: int) -> nn.Module:
    return nn.Sequential(*(Residual(c, c, layer(c, c, dilation=d)) for d in (1, 2, 4)))


def group(c: int) -> nn.Module:
    return nn.GroupNorm(3 if c % 3 == 0 else 2, c)


def instance(c: int) -> nn.Module:
    return nn.InstanceNorm2d(c, affine=True)


def swish() -> nn.Module:
    return Function(lambda x: x * torch.sigmoid(x))


def mish() -> nn.Module:
    return Function(lambda x: x * torch.tanh(F.softplus(x)))


NETWORKS = [
    Network("milesial, bilinear", partial(Milesial, True), "whole", (1, 3, 64, 64)),
    Network("milesial, transposed", partial(Milesial, False), "exact", (1, 3, 64, 64)),
    Network("Ronneberger 2015, valid", Valid, "exact", (1, 1, 92, 92)),
    Network("U-Net++, nearest", partial(PlusPlus, None)),
    Network("U-Net++, aligned corners", partial(PlusPlus, True), "whole"),
    Network("attention U-Net", AttentionGate),
    Network("R2U-Net", partial(unet, block=Recurrent)),
    Network("ResUNet", partial(unet, block=residual)),
    Network("ResUNet++", partial(unet, block=residual, gate=SqueezeExcite, middle=Aspp), "whole"),
    Network("U-2-Net", partial(unet, block=u2net)),
    Network("Inception U-Net", partial(unet, block=Inception)),
    Network("MultiResUNet", partial(unet, block=MultiRes)),
    Network("Tiramisu", partial(unet, block=Dense)),
    Network("MobileNetV2 U-Net", partial(unet, block=inverted(nn.ReLU6))),
    Network("MobileNetV3 U-Net", partial(unet, block=inverted(nn.Hardswish))),
    Network("ShuffleNet U-Net", partial(unet, block=Shuffle)),
    Network("GhostNet U-Net", partial(unet, block=Ghost)),
    Network("ConvNeXt U-Net", partial(unet, block=ConvNext)),
    Network("ConvNeXt V2 U-Net", partial(unet, block=partial(ConvNext, response=True)), "whole"),
    Network("NAFNet", partial(unet, block=Naf), "whole"),
    Network("PoolFormer U-Net", partial(unet, block=Pool), "whole"),
    Network("SE U-Net", partial(unet, gate=SqueezeExcite), "whole"),
    Network("SE U-Net, linear", partial(unet, gate=partial(SqueezeExcite, linear=True)), "whole"),
    Network("scSE U-Net", partial(unet, gate=ScSE), "whole"),
    Network("CBAM U-Net", partial(unet, gate=Cbam), "whole"),
    Network("ECA U-Net", partial(unet, gate=Eca), "whole"),
    Network("global context U-Net", partial(unet, gate=GlobalContext), "whole"),
    Network("DeepLab U-Net", partial(unet, middle=Aspp), "whole"),
    Network("PSP U-Net", partial(unet, middle=PyramidPooling), "whole"),
    Network("D-LinkNet", partial(unet, block=residual, middle=dilated, merge="add")),
    Network("CARE, average pooling", partial(unet, pool=lambda c: nn.AvgPool2d(2), up="nearest")),
    Network("strided convolutions", partial(unet, pool=lambda c: nn.Conv2d(c, c, 3, 2, 1))),
    Network("bilinear enlargement", partial(unet, up="bilinear")),
    Network("pooling with overlap", partial(unet, pool=lambda c: nn.MaxPool2d(3, 2, 1))),
    Network("sigmoid at the end", partial(unet, classes=1, head=nn.Sigmoid)),
    Network("softmax at the end", partial(unet, classes=3, head=partial(nn.Softmax, 1))),
    Network("instance norm", partial(of_layers, norm=nn.InstanceNorm2d), "whole"),
    Network(
        "instance norm, leaky ReLU", partial(of_layers, norm=instance, act=nn.LeakyReLU), "whole"
    ),
    Network("group norm", partial(of_layers, norm=group), "whole"),
    Network("group norm, SiLU", partial(of_layers, norm=group, act=nn.SiLU), "whole"),
    Network("layer norm per pixel", partial(of_layers, norm=LayerNorm2d)),
    Network("no norm, SELU", partial(of_layers, norm=lambda c: nn.Identity(), act=nn.SELU)),
    Network("ELU", partial(of_layers, act=nn.ELU)),
    Network("CELU", partial(of_layers, act=nn.CELU)),
    Network("PReLU", partial(of_layers, act=nn.PReLU)),
    Network("GELU", partial(of_layers, act=nn.GELU)),
    Network("GELU by tanh", partial(of_layers, act=partial(nn.GELU, approximate="tanh"))),
    Network("Mish", partial(of_layers, act=nn.Mish)),
    Network("Mish by hand", partial(of_layers, act=mish)),
    Network("Swish by hand", partial(of_layers, act=swish)),
    Network("hard swish", partial(of_layers, act=nn.Hardswish)),
    Network("softplus", partial(of_layers, act=nn.Softplus)),
    Network("softsign", partial(of_layers, act=nn.Softsign)),
]

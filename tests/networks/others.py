"""Other architectures, written small by hand: cells, scenes, restoration, transformers."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from .attention import NonLocal, SelfAttention
from .blocks import Residual, UNet, double, layer
from .network import Network


class CellposeBlock(nn.Module):
    """A residual block of cellpose: norms and activations come before the convolutions."""

    def __init__(self, cin: int, cout: int, style: int = 0) -> None:
        super().__init__()
        self.match = nn.Sequential(nn.BatchNorm2d(cin, eps=1e-5), nn.Conv2d(cin, cout, 1))
        self.a, self.b = self.one(cin, cout), self.one(cout, cout)
        self.full = nn.Linear(style, cout) if style else None

    @staticmethod
    def one(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(nn.BatchNorm2d(cin), nn.ReLU(), nn.Conv2d(cin, cout, 3, padding=1))

    def forward(self, x: torch.Tensor, style: torch.Tensor | None = None) -> torch.Tensor:
        y = self.a(x)
        if self.full is not None and style is not None:
            y = y + self.full(style)[:, :, None, None]
        return self.match(x) + self.b(y)


class Cellpose(nn.Module):
    """CPnet: the style of the whole image is added at each level of the decoder."""

    def __init__(self, with_style: bool = True) -> None:
        super().__init__()
        self.with_style = with_style
        self.down = nn.ModuleList(
            [CellposeBlock(2, 6), CellposeBlock(6, 12), CellposeBlock(12, 24)]
        )
        self.up = nn.ModuleList(
            [CellposeBlock(24, 24, 24), CellposeBlock(36, 12, 24), CellposeBlock(18, 6, 24)]
        )
        self.last = CellposeBlock.one(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        style = F.avg_pool2d(x, kernel_size=(x.shape[-2], x.shape[-1])).flatten(1)
        style = style / torch.sum(style**2, dim=1, keepdim=True) ** 0.5
        style = style if self.with_style else style * 0
        for i, block in enumerate(self.up):
            if i:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = torch.cat([x, skips[2 - i]], 1)
            x = block(x, style)
        return self.last(x)


class StarDist(nn.Module):
    """A head of StarDist: a grid of 2, distances along rays."""

    def __init__(self, rays: int = 8) -> None:
        super().__init__()
        self.grid = nn.Sequential(layer(1, 6), nn.MaxPool2d(2))
        self.body = UNet(6, 12, up="nearest", depth=2)
        self.dist = nn.Sequential(
            nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, rays, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rays = self.dist(F.relu(self.body(self.grid(x))))
        return F.interpolate(rays, scale_factor=2, mode="nearest")


class HoverNet(nn.Module):
    """HoVer-Net's decoder: dense units of valid convolutions, cropped skips."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = double(3, 6), double(6, 12)
        self.c, self.d = nn.Conv2d(12, 6, 5), nn.Conv2d(6, 4, 5)
        self.last = nn.Conv2d(10, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = F.interpolate(self.b(F.max_pool2d(a, 2)), scale_factor=2, mode="nearest")
        c = F.relu(self.c(b))
        d = self.d(c)
        return self.last(torch.cat([c[:, :, 2:-2, 2:-2], d], 1))


class Fcn8(nn.Module):
    """FCN-8s: scores of three resolutions are added."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = double(3, 6), double(6, 12), double(12, 24)
        self.scores = nn.ModuleList(nn.Conv2d(c, 2, 1) for c in (6, 12, 24))
        self.up1 = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        x = self.up1(self.scores[2](self.c(F.max_pool2d(b, 2)))) + self.scores[1](b)
        return self.up2(x) + self.scores[0](a)


class LinkNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = layer(3, 8, 7, stride=2)
        self.a, self.b = self.encode(8, 8), self.encode(8, 16)
        self.d, self.e = self.decode(16, 8), self.decode(8, 8)
        self.last = nn.Sequential(
            nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), nn.ReLU(), nn.Conv2d(8, 2, 3, 1, 1)
        )

    @staticmethod
    def encode(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(layer(cin, cout, stride=2), Residual(cout, cout, double(cout, cout)))

    @staticmethod
    def decode(cin: int, cout: int) -> nn.Sequential:
        return nn.Sequential(
            layer(cin, 4, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1, 1), nn.BatchNorm2d(4), nn.ReLU(),
            layer(4, cout, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        a = self.a(x)
        return self.last(self.e(self.d(self.b(a)) + a) + x)


class ENet(nn.Module):
    """ENet's bottlenecks: asymmetric, dilated, PReLU; the start joins a pooling and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv2d(3, 5, 3, 2, 1)
        act = nn.PReLU
        self.body = nn.Sequential(
            Residual(8, 8, nn.Sequential(layer(8, 4, 1, act=act), nn.Conv2d(4, 4, (5, 1), padding=(2, 0)),
                                         nn.Conv2d(4, 8, (1, 5), padding=(0, 2)))),
            nn.PReLU(), Residual(8, 8, layer(8, 8, dilation=4, act=act)), nn.PReLU(),
        )  # fmt: skip
        self.last = nn.ConvTranspose2d(8, 2, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(torch.cat([self.start(x), F.max_pool2d(x, 2)], 1)))


class BiSeNet(nn.Module):
    """Two paths; channels of their sum are weighed by its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(layer(3, 8, stride=2), layer(8, 8, stride=2))
        self.coarse = nn.Sequential(layer(3, 8, stride=4), layer(8, 8, stride=2))
        self.arm = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.Sigmoid()
        )
        self.join = layer(16, 8, 1)
        self.ffm = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid()
        )
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        coarse = self.coarse(x)
        coarse = coarse * self.arm(coarse) + F.adaptive_avg_pool2d(coarse, 1)
        joined = self.join(torch.cat([self.fine(x), F.interpolate(coarse, scale_factor=2)], 1))
        joined = joined + joined * self.ffm(joined)
        return F.interpolate(
            self.last(joined), scale_factor=4, mode="bilinear", align_corners=False
        )


class HrNet(nn.Module):
    """Two resolutions that exchange what they know."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.low = layer(3, 6, stride=2), layer(6, 12, stride=2)
        self.a, self.b = double(6, 6), double(12, 12)
        self.down, self.up = nn.Conv2d(6, 12, 3, 2, 1), nn.Conv2d(12, 6, 1)
        self.last = nn.Conv2d(18, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        a, b = self.a(x), self.b(self.low(x))
        a, b = F.relu(a + F.interpolate(self.up(b), scale_factor=2)), F.relu(b + self.down(a))
        b = F.interpolate(b, size=a.shape[2:], mode="bilinear", align_corners=False)
        return F.interpolate(self.last(torch.cat([a, b], 1)), scale_factor=2, mode="nearest")


class Shuffled(nn.Module):
    """FFDNet: works on blocks of pixels as channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            layer(4, 16),
            layer(16, 16),
            nn.Conv2d(16, 8, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Standardised(nn.Module):
    """Preprocessing inside: mean and deviation of ImageNet, or of the image itself."""

    def __init__(self, of_image: bool) -> None:
        super().__init__()
        self.of_image, self.body = of_image, UNet(3, 2, depth=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.of_image:
            low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
            x = (x - low) / (high - low + 1e-6)
        else:
            mean, deviation = (
                torch.tensor([0.485, 0.456, 0.406]),
                torch.tensor([0.229, 0.224, 0.225]),
            )
            x = (x - mean[:, None, None]) / deviation[:, None, None]
        return self.body(x)


class Coordinates(nn.Module):
    """CoordConv: positions are channels, so the network is of one size."""

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        line = torch.linspace(-1, 1, size)
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None])
        self.body = UNet(3, 2, depth=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(torch.cat([x, self.grid], 1))


class Transformer(nn.Module):
    """Patches, attention, and a decoder: as in ViT, UNETR, TransUNet and SegFormer."""

    def __init__(self, tokens: int = 2) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 8, 8, 8)
        self.body = nn.Sequential(*(SelfAttention(8) for _ in range(tokens)))
        self.last = nn.ConvTranspose2d(8, 2, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(self.patch(x)))


class Mixer(nn.Module):
    """MLP-Mixer: pixels are mixed by a matrix of fixed size."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mix = nn.Conv2d(1, 6, 8, 8), nn.Linear(64, 64)
        self.last = nn.ConvTranspose2d(6, 2, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x)
        return self.last(x + self.mix(x.flatten(2)).reshape(x.shape))


class FixedSize(nn.Module):
    """Works at a size of its own, and enlarges what it finds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = F.interpolate(x, size=(48, 40), mode="bilinear", align_corners=False)
        y = self.body(small)
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)

    def __init__(self) -> None:
        super().__init__()
        self.body = UNet(1, 2, depth=2)


def restored(*layers: nn.Module) -> nn.Module:
    return Residual(1, 1, nn.Sequential(*layers))


def dncnn() -> nn.Module:
    return restored(
        nn.Conv2d(1, 8, 3, 1, 1), nn.ReLU(), layer(8, 8), layer(8, 8), nn.Conv2d(8, 1, 3, 1, 1)
    )


def large_kernels() -> nn.Module:
    """GCN: kernels that are long one way, and then the other."""
    return nn.Sequential(
        nn.Conv2d(1, 8, (1, 15), padding=(0, 7)), nn.Conv2d(8, 8, (15, 1), padding=(7, 0)), nn.ReLU(),
        nn.Conv2d(8, 2, 1),
    )  # fmt: skip


def kiunet() -> nn.Module:
    """KiU-Net's branch: larger first, then back."""
    return nn.Sequential(
        layer(1, 6), nn.Upsample(scale_factor=2, mode="bilinear"), layer(6, 6), nn.MaxPool2d(2),
        nn.Conv2d(6, 2, 1),
    )  # fmt: skip


def classifier() -> nn.Module:
    return nn.Sequential(
        layer(1, 8, stride=2), layer(8, 16, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3),
    )  # fmt: skip


def wnet() -> nn.Module:
    return nn.Sequential(UNet(1, 4, depth=2), nn.Softmax(1), UNet(4, 2, depth=2))


NETWORKS = [
    Network("cellpose", Cellpose, "whole", (1, 2, 64, 64), options=(("activation", "none"),)),
    Network("StarDist, distances", StarDist, options=(("activation", "none"),)),
    Network("HoVer-Net, one branch", HoverNet, shape=(1, 3, 68, 68)),
    Network("FCN-8s", Fcn8, shape=(1, 3, 64, 64)),
    Network("LinkNet", LinkNet, shape=(1, 3, 64, 64)),
    Network("ENet", ENet, shape=(1, 3, 64, 64)),
    Network("BiSeNet", BiSeNet, "whole", (1, 3, 64, 64)),
    Network("HRNet", HrNet, shape=(1, 3, 64, 64)),
    Network("FFDNet", Shuffled),
    Network("DnCNN", dncnn),
    Network("GCN", large_kernels),
    Network("KiU-Net", kiunet),
    Network("W-Net", wnet),
    Network("ImageNet's mean inside", partial(Standardised, False), shape=(1, 3, 64, 64)),
    Network("the image's range inside", partial(Standardised, True), "whole", (1, 3, 64, 64)),
    Network("CoordConv", Coordinates, "whole"),
    Network("fixed working size", FixedSize, "whole"),
    Network("classifier", classifier, "whole"),
    Network("non-local U-Net", partial(UNet, middle=NonLocal), "onnxruntime"),
    Network("TransUNet", partial(UNet, middle=lambda c: SelfAttention(c, 3)), "onnxruntime"),
    Network("vision transformer", Transformer, "onnxruntime"),
    Network("MLP-Mixer", Mixer, "onnxruntime"),
]

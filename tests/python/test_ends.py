"""Every operator as the network's last and as its first: on odd sizes, in one tile and in many."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from conftest import open_with_isa
from test_operators import CASES, TOLERANCE, Fn
from torch import nn

import pyengine
from pyengine import _core

SIZES = [(1, 1), (5, 61), (33, 2), (63, 64), (64, 63), (70, 50)]


def halved(channels: int) -> nn.Module:
    """Planes of half the resolution, for operators that enlarge."""
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.MaxPool2d(2))


def enlarged(channels: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(channels, 4, 2, stride=2))


class Sum(nn.Module):
    """Two transposed convolutions that meet: both are whole groups, their sum is not."""

    def __init__(self):
        super().__init__()
        self.a = nn.ConvTranspose2d(5, 3, 2, stride=2)
        self.b = nn.ConvTranspose2d(5, 3, 2, stride=2)

    def forward(self, x):
        return torch.cat([self.a(x) + self.b(x), self.a(x)], 1)


# What enlarges by 2, behind a pooling that makes up for it.
ENLARGING = {
    "transposed 2x2": nn.ConvTranspose2d(5, 3, 2, stride=2),
    "transposed 4x4 padded": nn.ConvTranspose2d(5, 3, 4, stride=2, padding=1),
    "transposed 4x4 cropped": nn.Sequential(
        nn.ConvTranspose2d(5, 3, 4, stride=2), nn.ZeroPad2d((-1, -1, -1, -1))
    ),
    "transposed 3x3": nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=1),
    "transposed groups": nn.ConvTranspose2d(6, 3, 2, stride=2, groups=3),
    "transposed many channels": nn.ConvTranspose2d(33, 20, 2, stride=2),
    "transposed, tanh": nn.Sequential(nn.ConvTranspose2d(5, 3, 2, stride=2), nn.Tanh()),
    "transposed, prelu": nn.Sequential(nn.ConvTranspose2d(5, 3, 2, stride=2), nn.PReLU(3)),
    "transposed, softmax": nn.Sequential(nn.ConvTranspose2d(5, 3, 2, stride=2), nn.Softmax(1)),
    "transposed, sum": Sum(),
    "pixel shuffle": nn.Sequential(nn.Conv2d(5, 12, 1), nn.PixelShuffle(2)),
    "nearest": nn.Upsample(scale_factor=2),
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
}


THREEFOLD = {
    "transposed 3x3 of stride 3": nn.ConvTranspose2d(4, 3, 3, stride=3),
    "transposed 6x3 of stride 3": nn.Sequential(
        nn.ConvTranspose2d(4, 3, (6, 3), stride=3), nn.ZeroPad2d((0, 0, -1, -2))
    ),
}


def same_resolution() -> dict[str, nn.Module]:
    """The cases of test_operators whose result has the resolution of their input."""
    cases = {}
    for name, case in CASES.items():
        x = torch.zeros(1, 3, 48, 48)
        after = case.function(case.first(x))
        if after.shape[2:] == x.shape[2:]:
            cases[name] = nn.Sequential(case.first, case.function)
    return cases


def last_networks() -> dict[str, nn.Module]:
    torch.manual_seed(1)
    networks = {}
    for name, last in ENLARGING.items():
        first = next((m for m in last.modules() if isinstance(m, nn.ConvTranspose2d)), None)
        networks[name] = nn.Sequential(halved(first.in_channels if first else 5), last)
    for name, last in THREEFOLD.items():
        networks[name] = nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(3), last)
    networks["max pool and transposed, nothing else"] = nn.Sequential(
        nn.MaxPool2d(2), nn.ConvTranspose2d(3, 2, 2, stride=2)
    )
    return networks | same_resolution()


def first_networks() -> dict[str, nn.Module]:
    torch.manual_seed(2)
    networks = {
        "max pool": nn.Sequential(nn.MaxPool2d(2), enlarged(3)),
        "average pool": nn.Sequential(nn.AvgPool2d(2), enlarged(3)),
        "transposed": nn.Sequential(nn.ConvTranspose2d(3, 5, 2, stride=2), nn.MaxPool2d(2)),
        "transposed 3x3": nn.Sequential(
            nn.ConvTranspose2d(3, 5, 3, stride=2, padding=1, output_padding=1), nn.AvgPool2d(2)
        ),
        "pixel shuffle": nn.Sequential(
            Fn(lambda x: torch.cat([x] * 4, 1)), nn.PixelShuffle(2), nn.MaxPool2d(2)
        ),
        "nearest": nn.Sequential(nn.Upsample(scale_factor=2), nn.MaxPool2d(2)),
        "bilinear": nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.MaxPool2d(2)),
        "softmax": nn.Sequential(nn.Softmax(1), nn.Conv2d(3, 2, 3, padding=1)),
        "relu": nn.Sequential(nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1)),
        "tanh": nn.Sequential(nn.Tanh(), nn.Conv2d(3, 2, 3, padding=1)),
        "batch norm": nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3, padding=1)),
        "reflect": nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 2, 3)),
        "crop": nn.Sequential(nn.ZeroPad2d((-1, -1, -1, -1)), nn.Conv2d(3, 2, 3, padding=2)),
        "concatenation": nn.Sequential(Fn(lambda x: torch.cat([x, x], 1)), nn.Conv2d(6, 2, 1)),
        "sum": nn.Sequential(Fn(lambda x: x + x), nn.Conv2d(3, 2, 1)),
        "product": nn.Sequential(Fn(lambda x: x * x), nn.Conv2d(3, 2, 1)),
        "conv of many channels": nn.Sequential(nn.Conv2d(3, 40, 3, padding=1), nn.Conv2d(40, 2, 3)),
    }
    return networks


NETWORKS = {f"last: {n}": m for n, m in last_networks().items()} | {
    f"first: {n}": m for n, m in first_networks().items()
}


def expected(engine: pyengine.Engine, net: nn.Module, image: np.ndarray) -> np.ndarray:
    """The network on the mirrored image, cropped: the contract's definition, in float64."""
    # More context than the halo: cropping and padding again makes up pixels further inside.
    step, context = engine.info.alignment, engine.info.halo + engine.info.margin + 8
    pad = -(-context // step) * step
    mirrored = image
    for axis, size in enumerate(image.shape[:2]):
        border = (pad, pad + -size % step)
        where = np.pad(np.arange(size), border, mode="reflect" if size > 1 else "edge")
        mirrored = mirrored.take(where, axis)
    x = torch.from_numpy(mirrored.astype(np.float64)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        y = copy.deepcopy(net).double()(x)[0].numpy()
    begin = pad - (x.shape[2] - y.shape[1]) // 2
    return y[:, begin : begin + image.shape[0], begin : begin + image.shape[1]]


# In plain C++ exact multiply-adds take a hundred times as long: one image, which tiles cut both ways.
FUSED_SIZES = [(5, 61)]


@pytest.mark.parametrize("isa", _core.isas())
@pytest.mark.parametrize("name", NETWORKS)
def test_any_operator_may_be_the_first_or_the_last(name, isa, tmp_path) -> None:
    net = NETWORKS[name].eval()
    path = tmp_path / "net.pyengine"
    pyengine.build(net, path, sample_shape=(1, 3, 48, 48))
    engine = open_with_isa(path, isa)
    if not engine.info.tileable:
        pytest.skip(f"has no tiles: {engine.info.not_tileable_reason}")
    # A softmax or sigmoid at the end is the engine's head, not a layer.
    head = name in ("last: transposed, softmax", "last: softmax inside", "last: sigmoid")
    output = "probabilities" if head else "logits"
    random = np.random.default_rng(len(name))
    for height, width in FUSED_SIZES if isa == "fused" else SIZES:
        image = random.normal(size=(height, width, 3)).astype(np.float32)
        whole = engine.segment(image, output=output)
        want = expected(engine, net, image)
        scale = max(1.0, np.abs(want).max())
        np.testing.assert_allclose(whole, want, atol=TOLERANCE * scale, rtol=0)
        for tile in (1, 16, (64, 7)):
            np.testing.assert_array_equal(
                engine.segment(image, tile=tile, output=output), whole, err_msg=f"tile {tile}"
            )

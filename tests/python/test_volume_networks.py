"""Networks over volumes: every operator in three dimensions, against the network it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import open_with_isa
from torch import nn

import pyengine
from pyengine import _core
from pyengine.builder.container import deserialize, serialize

SIZE = (7, 13, 11)
# The slow tables compute small cases only.
ISAS = [isa for isa in _core.isas() if isa not in ("reference", "fused", "amx")]


def weighted(module: nn.Module, seed: int = 1) -> nn.Module:
    """The module with weights of its own, norms' statistics included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if not value.is_floating_point():
                continue
            drawn = torch.randn(value.shape, generator=generator) * 0.2
            value.copy_(drawn.abs() + 0.5 if "var" in name else drawn)
    return module.eval()


def built(
    module: nn.Module, path: Path, channels: int = 3, size: tuple[int, ...] = SIZE, **options: Any
) -> pyengine.BuildReport:
    return pyengine.build(module, path, sample_shape=(1, channels, *size), **options)


def batch_of(channels: int, size: tuple[int, ...], seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, channels, *size)).astype(np.float32)


def compare(module: nn.Module, path: Path, x: np.ndarray, tolerance: float = 2e-6) -> None:
    """All instruction sets against float64; one thread and two to the last bit."""
    with torch.no_grad():
        want = module.double()(torch.from_numpy(x).double()).numpy()
    module.float()
    for isa in ISAS:
        got = open_with_isa(path, isa, 1).run(x)
        if want.ndim == 2:  # a vector is a single voxel
            want = want.reshape(*want.shape, 1, 1, 1)
        assert got.shape == want.shape
        error = np.sqrt(np.mean((got - want) ** 2)) / max(np.std(want), 1e-6)
        assert error < tolerance, f"{isa}: {error:.3g}"
        assert np.array_equal(open_with_isa(path, isa, 2).run(x), got)


class Join(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv3d(3, 20, (1, 3, 3), padding=(0, 1, 1))
        self.b = nn.Conv3d(3, 12, (3, 1, 1), padding=(1, 0, 0))
        self.c = nn.Conv3d(35, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.relu(self.a(x)), torch.nn.functional.leaky_relu(self.b(x), 0.1)
        return self.c(torch.cat([a, b, x], 1)) + x[:, :1] * 0.5


class Gate(nn.Module):
    """Channel attention: a global mean, a bottleneck and a product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 24, 3, padding=1)
        self.down, self.up = nn.Conv3d(24, 6, 1), nn.Conv3d(6, 24, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        gate = torch.relu(self.down(x.mean((2, 3, 4), keepdim=True)))
        return x * torch.sigmoid(self.up(gate))


def pooled(pool: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 20, 1), pool)


OPERATORS: dict[str, nn.Module] = {
    "conv 3x3x3": nn.Sequential(nn.Conv3d(3, 20, 3, padding=1), nn.Conv3d(20, 36, 3, padding=1)),
    "winograd": nn.Sequential(nn.Conv3d(3, 32, 1), nn.Conv3d(32, 64, 3, padding=1), nn.ReLU(),
                              nn.Conv3d(64, 17, 3, padding=1)),
    "winograd 5x3x3": nn.Sequential(nn.Conv3d(3, 16, 1),
                                    nn.Conv3d(16, 16, (5, 3, 3), padding=(2, 1, 1))),
    "winograd dilated slices": nn.Sequential(
        nn.Conv3d(3, 16, 1), nn.Conv3d(16, 16, 3, padding=(2, 1, 1), dilation=(2, 1, 1))),
    "anisotropic": nn.Sequential(nn.Conv3d(3, 16, (1, 3, 3), padding=(0, 1, 1)),
                                 nn.Conv3d(16, 8, (3, 1, 1), padding=(1, 0, 0))),
    "strides": nn.Conv3d(3, 20, 3, stride=(1, 2, 2), padding=1),
    "strides 2": nn.Sequential(nn.Conv3d(3, 17, 1), nn.Conv3d(17, 33, 3, stride=2, padding=1)),
    "dilation": nn.Conv3d(3, 8, 3, dilation=2, padding=2),
    "groups": nn.Sequential(nn.Conv3d(3, 24, 1), nn.Conv3d(24, 48, 3, padding=1, groups=3)),
    "depthwise": nn.Sequential(nn.Conv3d(3, 20, 1), nn.Conv3d(20, 20, 3, padding=1, groups=20)),
    "valid": nn.Conv3d(3, 6, 3),
    "reflect": nn.Sequential(nn.ReflectionPad3d(2), nn.Conv3d(3, 18, 5)),
    "replicate": nn.Sequential(nn.ReplicationPad3d((1, 2, 0, 1, 2, 1)), nn.Conv3d(3, 6, 3)),
    "constant": nn.Sequential(nn.ConstantPad3d(1, 0.5), nn.Conv3d(3, 6, 3)),
    "transposed 2": nn.Sequential(nn.Conv3d(3, 20, 1), nn.ConvTranspose3d(20, 18, 2, stride=2)),
    "transposed (1, 2, 2)": nn.ConvTranspose3d(3, 18, (1, 2, 2), stride=(1, 2, 2)),
    "transposed 3": nn.ConvTranspose3d(3, 18, 3, stride=2, padding=1, output_padding=1),
    "max pool": pooled(nn.MaxPool3d(2)),
    "max pool (1, 2, 2)": pooled(nn.MaxPool3d((1, 2, 2))),
    "max pool 3": pooled(nn.MaxPool3d(3, stride=2, padding=1)),
    "average pool": pooled(nn.AvgPool3d(2)),
    "average pool 3": pooled(nn.AvgPool3d(3, stride=(1, 2, 2), padding=1)),
    "average pool 3 uncounted": pooled(
        nn.AvgPool3d(3, stride=2, padding=1, count_include_pad=False)),
    "nearest": pooled(nn.Upsample(scale_factor=2)),
    "nearest (1, 2, 2)": pooled(nn.Upsample(scale_factor=(1, 2, 2))),
    "trilinear": pooled(nn.Upsample(scale_factor=2, mode="trilinear")),
    "trilinear corners": pooled(nn.Upsample(scale_factor=2, mode="trilinear", align_corners=True)),
    "instance norm": nn.Sequential(nn.Conv3d(3, 20, 3, padding=1),
                                   nn.InstanceNorm3d(20, affine=True), nn.LeakyReLU(0.01)),
    "group norm": nn.Sequential(nn.Conv3d(3, 24, 3, padding=1), nn.GroupNorm(4, 24), nn.SiLU()),
    "batch norm": nn.Sequential(nn.Conv3d(3, 24, 3, padding=1), nn.BatchNorm3d(24), nn.PReLU(24)),
    "activations": nn.Sequential(nn.Conv3d(3, 8, 1), nn.ELU(), nn.GELU(), nn.Tanh(),
                                 nn.Softplus(), nn.Hardswish()),
    "softmax": nn.Sequential(nn.Conv3d(3, 5, 1), nn.Softmax(1), nn.Conv3d(5, 5, 1)),
    "join": Join(),
    "gate": Gate(),
    "global pool": nn.Sequential(nn.Conv3d(3, 8, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
                                 nn.Linear(8, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_follow_float64(name: str, tmp_path: Path) -> None:
    module = weighted(OPERATORS[name])
    path = tmp_path / "x.pyengine"
    built(module, path)
    compare(module, path, batch_of(3, SIZE))


class UNet(nn.Module):
    """nnU-Net's plain network in miniature, with strides that differ between axes."""

    def __init__(self, norm: bool = True, base: int = 16) -> None:
        super().__init__()

        def block(cin: int, cout: int, kernel: Any = 3, stride: Any = 1) -> nn.Module:
            padding = tuple(
                k // 2 for k in (kernel if isinstance(kernel, tuple) else (kernel,) * 3)
            )
            layer = nn.InstanceNorm3d(cout, affine=True) if norm else nn.BatchNorm3d(cout)
            conv = nn.Conv3d(cin, cout, kernel, stride, padding)
            return nn.Sequential(conv, layer, nn.LeakyReLU(0.01))

        self.a = nn.Sequential(block(1, base, (1, 3, 3)), block(base, base))
        self.b = nn.Sequential(block(base, 2 * base, 3, (1, 2, 2)), block(2 * base, 2 * base))
        self.c = nn.Sequential(block(2 * base, 4 * base, 3, 2), block(4 * base, 4 * base))
        self.up_b = nn.ConvTranspose3d(4 * base, 2 * base, 2, 2)
        self.d = block(4 * base, 2 * base)
        self.up_a = nn.ConvTranspose3d(2 * base, base, (1, 2, 2), (1, 2, 2))
        self.e = block(2 * base, base)
        self.head = nn.Conv3d(base, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(a)
        b = self.d(torch.cat([self.up_b(self.c(b)), b], 1))
        out: torch.Tensor = self.head(self.e(torch.cat([self.up_a(b), a], 1)))
        return out


@pytest.mark.parametrize("norm", [True, False])
def test_a_whole_network_follows_float64(norm: bool, tmp_path: Path) -> None:
    module = weighted(UNet(norm))
    path = tmp_path / "x.pyengine"
    built(module, path, 1, (8, 24, 16))
    compare(module, path, batch_of(1, (10, 20, 28)), 2e-5)
    with torch.no_grad():
        want = module.double()(torch.from_numpy(batch_of(1, (6, 32, 8))).double()).numpy()
        once = module.float()(torch.from_numpy(batch_of(1, (6, 32, 8)))).numpy()
    got = pyengine.Engine(path).run(batch_of(1, (6, 32, 8)))

    def rms(x: np.ndarray) -> float:
        return float(np.sqrt(np.mean((x - want) ** 2)))

    assert rms(got) < 1.5 * rms(once) + 1e-7  # of what float32 rounds


def test_a_volume_is_a_format_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    built(weighted(nn.Conv3d(1, 2, (1, 3, 3), padding=(0, 1, 1))), path, 1)
    data = path.read_bytes()
    assert b'"format_version":"2"' in data
    flat = tmp_path / "flat.pyengine"
    pyengine.build(weighted(nn.Conv2d(1, 2, 3)), flat, sample_shape=(1, 1, 16, 16))
    assert b'"format_version":"1"' in flat.read_bytes()
    older = data.replace(b'"format_version":"2"', b'"format_version":"1"')
    path.write_bytes(older)
    with pytest.raises(pyengine.EngineFileError, match=r"networks over \(z, y, x\)"):
        pyengine.Engine(path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kernel", [3, 3], "three integers"),
        ("kernel", [0, 3, 3], "kernel"),
        ("stride", [1, 1, 1, 1], "three integers"),
        ("dilation", [2**40, 1, 1], "dilation"),
        ("amounts", [1, 1, 1, 1], "front, top, left, back, bottom, right"),
        ("amounts", [1, 1, 1, 1, 1, 10**9], "amounts"),
        ("op", "conv2d", "conv2d"),
        ("kernel", [2, 3, 3], "shape"),
    ],
)
def test_forged_triples_are_refused(field: str, value: Any, said: str, tmp_path: Path) -> None:
    import json

    path = tmp_path / "x.pyengine"
    built(weighted(nn.Conv3d(1, 2, 3, padding=1)), path, 1)
    manifest, graph_json, tensors = deserialize(path.read_bytes())
    graph = json.loads(graph_json)
    graph["nodes"][0][field] = value
    path.write_bytes(serialize(manifest, json.dumps(graph), tensors))
    with pytest.raises((pyengine.EngineFileError, pyengine.UnsupportedError), match=said):
        pyengine.Engine(path)


def test_forged_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    built(weighted(nn.Conv3d(1, 2, 3, padding=1)), path, 1)
    manifest, graph_json, tensors = deserialize(path.read_bytes())
    for change in (
        {"halo": 1},
        {"alignment": [1, 1]},
        {"halo": [1, 1, 2]},
        {"input": manifest["input"] | {"sample_size_px": [16, 16]}},
    ):
        path.write_bytes(serialize(manifest | change, graph_json, tensors))
        with pytest.raises(pyengine.EngineFileError):
            pyengine.Engine(path)


def test_images_and_volumes_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    built(weighted(nn.Conv3d(1, 2, 3, padding=1)), path, 1)
    engine = pyengine.Engine(path)
    with pytest.raises(ValueError, match=r"\(N, 1, D, H, W\)"):
        engine.run(np.zeros((1, 1, 8, 8), np.float32))
    image = np.zeros((8, 8), np.float32)
    with pytest.raises(ValueError, match=r"takes volumes of shape \(D, H, W\)"):
        engine.segment(image)
    borrowed = _core.BorrowedImage(image)
    with pytest.raises(pyengine.UnsupportedError, match="over volumes"):
        engine._native.segment(borrowed, _core.OutputKind.labels, _core.SegmentOptions())

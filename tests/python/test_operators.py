"""Every operator, alone and together, on every instruction set, against PyTorch."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import open_with_isa
from torch import nn
from torch.nn import functional as F

import pyengine
from pyengine import _core

# Each value is a sum of at most a few thousand float32 products; rounding of such sums stays below
# 1e-5 of the output's range, and 1e-4 is what the contract promises.
TOLERANCE = 1e-4


class Op(nn.Module):
    """A function between two convolutions, so that layouts and borders are exercised."""

    def __init__(self, function, channels=5, out=None, before=True):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1) if before else nn.Identity()
        self.function = function
        self.last = nn.Conv2d(out or channels, 2, 1)

    def forward(self, x):
        return self.last(self.function(self.first(x)))


class Fn(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Skip(nn.Module):
    """Concatenates, adds and multiplies branches of 5 and 16 channels."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(5, 16, 3, padding=1)
        self.b = nn.Conv2d(5, 16, 1)
        self.gate = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a, b = self.a(x), torch.tanh(self.b(x))
        return torch.cat([x, a * torch.sigmoid(self.gate(b)), b + a, x * 2 - 1], 1)


class Residual(nn.Module):
    """x + body(x): rows of x are read early by the body, and late by the sum."""

    def __init__(self, *body: nn.Module):
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x):
        return x + self.body(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, 4), nn.ReLU(), nn.Linear(4, channels))

    def forward(self, x):
        n, c = x.shape[:2]
        scale = F.adaptive_avg_pool2d(x, 1).view(n, c)
        return x * torch.sigmoid(self.fc(scale)).view(n, c, 1, 1)


CASES = {
    "conv valid": Op(nn.Conv2d(5, 19, 3), out=19),
    "conv even kernel": Op(nn.Conv2d(5, 7, (2, 4)), out=7),
    "conv stride": Op(nn.Conv2d(5, 16, 5, stride=(2, 3), padding=2), out=16),
    "conv dilation": Op(nn.Conv2d(5, 33, 3, dilation=(3, 2), padding=(3, 2)), out=33),
    "conv reflect": Op(nn.Conv2d(5, 8, 5, padding=2, padding_mode="reflect"), out=8),
    "conv replicate": Op(nn.Conv2d(5, 8, 3, padding=1, padding_mode="replicate"), out=8),
    "conv asymmetric zero": Op(
        nn.Sequential(nn.ZeroPad2d((0, 3, 2, 1)), nn.Conv2d(5, 6, 4)), out=6
    ),
    "conv large kernel": Op(nn.Conv2d(5, 4, 11, padding=5), out=4),
    "conv groups": Op(nn.Conv2d(12, 18, 3, padding=1, groups=3), 12, 18),
    "conv groups of blocks": Op(nn.Conv2d(64, 64, 3, padding=1, groups=2), 64, 64),
    "conv depthwise": Op(nn.Conv2d(21, 21, 3, padding=1, groups=21), 21),
    "conv depthwise stride": Op(nn.Conv2d(16, 16, 5, stride=2, padding=2, groups=16), 16),
    "conv depthwise multiplier": Op(nn.Conv2d(6, 18, 3, padding=1, groups=6), 6, 18),
    "conv many channels": Op(nn.Conv2d(70, 50, 3, padding=1), 70, 50),
    "first layer of many channels": Op(nn.Conv2d(3, 5, 7, stride=2, padding=3), before=False),
    "transposed 2x2": Op(nn.ConvTranspose2d(5, 9, 2, stride=2), out=9),
    "transposed 3x3": Op(nn.ConvTranspose2d(5, 9, 3, stride=2, padding=1, output_padding=1), out=9),
    "transposed 4x4 padded": Op(nn.ConvTranspose2d(5, 9, 4, stride=2, padding=1), out=9),
    "transposed groups": Op(nn.ConvTranspose2d(6, 9, 3, stride=2, groups=3), 6, 9),
    "transposed gaps": Op(nn.ConvTranspose2d(5, 9, (1, 2), stride=(2, 3)), out=9),
    "batch norm after": Op(nn.Sequential(nn.Conv2d(5, 7, 3), nn.BatchNorm2d(7)), out=7),
    "batch norm before": Op(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(5))),
    "batch norm transposed groups": Op(
        nn.Sequential(nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2), nn.BatchNorm2d(4)), 6, 4
    ),
    "dropout": Op(nn.Dropout(0.5)),
    "relu": Op(nn.ReLU()),
    "leaky relu": Op(nn.LeakyReLU(0.1)),
    "prelu": Op(nn.PReLU(5)),
    "prelu shared": Op(nn.PReLU()),
    "elu": Op(nn.ELU(0.7)),
    "silu": Op(nn.SiLU()),
    "gelu": Op(nn.GELU()),
    "gelu tanh": Op(nn.GELU(approximate="tanh")),
    "sigmoid": Op(nn.Sigmoid()),
    "tanh": Op(nn.Tanh()),
    "hard swish": Op(nn.Hardswish()),
    "hard sigmoid": Op(nn.Hardsigmoid()),
    "relu6": Op(nn.ReLU6()),
    "max pool": Op(nn.MaxPool2d(2)),
    "max pool padded": Op(nn.MaxPool2d(3, stride=2, padding=1)),
    "avg pool": Op(nn.AvgPool2d(2)),
    "avg pool padded": Op(nn.AvgPool2d(3, stride=1, padding=1)),
    "avg pool padded, taps counted": Op(
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
    ),
    "nearest": Op(nn.Upsample(scale_factor=3, mode="nearest")),
    "bilinear": Op(nn.Upsample(scale_factor=2, mode="bilinear")),
    "bilinear by 3": Op(nn.Upsample(scale_factor=3, mode="bilinear", align_corners=False)),
    "bilinear align corners": Op(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "concat, add, multiply": Op(Skip(), 5, 42),
    "pixel shuffle": Op(nn.PixelShuffle(2), 20, 5),
    "pixel shuffle of many channels": Op(nn.PixelShuffle(3), 162, 18),
    "crop": Op(Fn(lambda x: x[:, :, 2:-3, 1:])),
    "crop then pad": Op(Fn(lambda x: F.pad(x[:, :, 2:-2, 1:-1], (1, 1, 2, 2)))),
    "pad constant": Op(Fn(lambda x: F.pad(x, (1, 2, 3, 4), value=0.7))),
    "pad twice": Op(
        Fn(lambda x: torch.cat([F.pad(x, (1,) * 4, "reflect"), F.pad(x, (1,) * 4)], 1)), 5, 10
    ),
    "softmax inside": Op(nn.Softmax(dim=1)),
    "squeeze and excite": Op(SqueezeExcite(5)),
}


def randomise(module: nn.Module, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)
            m.weight.data.uniform_(0.5, 2)
            m.bias.data.normal_()
        if isinstance(m, nn.PReLU):
            m.weight.data.uniform_(-0.5, 0.5)
    return module.eval()


@pytest.mark.parametrize("isa", _core.isas())
@pytest.mark.parametrize("name", CASES)
def test_operator_agrees_with_torch(name: str, isa: str, tmp_path: Path) -> None:
    module = randomise(CASES[name], 1)
    shape = (1, 3, 23, 30)
    path = tmp_path / "op.pyengine"
    pyengine.build(module, path, sample_shape=shape, task="classification")
    engine = open_with_isa(path, isa)
    assert engine.info.isa == isa
    x = np.random.default_rng(3).standard_normal((2, *shape[1:]), dtype=np.float32)
    with torch.inference_mode():
        want = module(torch.from_numpy(x)).numpy()
    got = engine.run(x)
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= TOLERANCE * np.ptp(want)


@pytest.mark.parametrize("border", ["zeros", "reflect", "replicate"])
def test_planes_larger_than_the_caches_agree_with_torch(border: str, make_engine) -> None:
    """Planes that the last-level cache does not hold: rows of several layers are interleaved,
    planes between them hold a few rows at a time, borders are made up row by row, and the
    transposed convolution has a kernel of twice its stride."""

    def conv(before: int, after: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, padding_mode=border), nn.ReLU())

    network = nn.Sequential(
        conv(2, 16), conv(16, 24), nn.Conv2d(24, 20, 5, padding=2), nn.MaxPool2d(2), conv(20, 32),
        nn.ConvTranspose2d(32, 18, 4, 2), nn.PReLU(18), conv(18, 16),
        nn.Upsample(scale_factor=2, mode="bilinear"), conv(16, 16),
        Residual(conv(16, 16), conv(16, 16)), nn.Conv2d(16, 3, 1),
    )  # fmt: skip
    randomise(network, 7)
    engine = make_engine(
        network, (1, 2, 32, 32), threads=3, activation="none", task="classification"
    )
    # One block of channels takes 64 bytes a pixel; half as much again, for the smaller layers.
    height = math.isqrt(_core.interleaved_bytes() * 3 // 2 // 64) | 1
    x = torch.randn(1, 2, height, height + 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = network(x).numpy()
    got = engine.run(x.numpy())
    assert np.abs(got - want).max() < TOLERANCE * np.abs(want).max()
    np.testing.assert_array_equal(engine.run(x.numpy()), got)  # planes begin anew


@pytest.mark.parametrize("isa", _core.isas())
def test_classifier_with_linear_layers(isa: str, tmp_path: Path) -> None:
    features = nn.Sequential(nn.Conv2d(3, 20, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    module = randomise(
        nn.Sequential(features, nn.Linear(20 * 10 * 14, 33), nn.ReLU(), nn.Linear(33, 4), nn.Softmax(1)), 2
    )  # fmt: skip
    path = tmp_path / "c.pyengine"
    pyengine.build(module, path, sample_shape=(1, 3, 22, 30))
    engine = open_with_isa(path, isa)
    x = np.random.default_rng(0).standard_normal((3, 3, 22, 30), dtype=np.float32)
    with torch.inference_mode():
        want = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(engine.run(x)[:, :, 0, 0], want, atol=TOLERANCE)


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize("isa", _core.isas())
def test_depth_to_space_in_both_orders(mode: str, isa: str, tmp_path: Path) -> None:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    shapes = {"x": (1, 36, 7, 5), "y": (1, 9, 14, 10)}
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    node = helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode=mode)
    graph = helper.make_graph([node], "shuffle", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = tmp_path / "x.pyengine"
    pyengine.build(model, path, task="classification", activation="none")
    x = np.random.default_rng(0).standard_normal(shapes["x"], dtype=np.float32)
    (want,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_array_equal(open_with_isa(path, isa).run(x), want)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("isa", _core.isas())
def test_gelu_as_one_onnx_operator(approximate: str, isa: str, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    shape = (1, 3, 20, 21)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    node = helper.make_node("Gelu", ["x"], ["y"], approximate=approximate)
    graph = helper.make_graph([node], "gelu", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    pyengine.build(model, tmp_path / "x.pyengine", activation="none")
    engine = open_with_isa(tmp_path / "x.pyengine", isa)
    assert [layer.op for layer in engine.info.layers] == ["activation"]
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32) * 3
    want = F.gelu(torch.from_numpy(x), approximate=approximate).numpy()
    np.testing.assert_allclose(engine.run(x), want, atol=2e-6)


ACTIVATIONS = [
    nn.ReLU, lambda: nn.LeakyReLU(0.05), nn.PReLU, nn.ELU, nn.SiLU, nn.GELU,
    lambda: nn.GELU(approximate="tanh"), nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid,
    nn.ReLU6, lambda: Fn(torch.erf),
]  # fmt: skip
SEEDS = range(14)
WHOLE_IMAGE = 10  # networks from this seed on also pool globally, so they have no tiles


class RandomNetwork(nn.Module):
    """An encoder and decoder whose parts are drawn at random; together they use every operator."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed, self.rng, self.drawn = seed, np.random.default_rng(seed), 0
        torch.manual_seed(seed)
        a, b, c = (int(n) * 2 for n in self.rng.integers(3, 20, 3))
        self.enter, self.low, self.bottom = self.block(2, a), self.block(a, b), self.block(b, c)
        pools = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1)]
        self.pools = nn.ModuleList(pools[i] for i in self.rng.permutation(3)[:2])
        self.up = [
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, b, 1)),
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(c, b, 1)),
            nn.ConvTranspose2d(c, b, 2, 2),
            nn.ConvTranspose2d(c, b, 3, 2, 1, 1),
        ][seed % 4]
        self.merge = self.block(2 * b, b)
        self.up2 = nn.ConvTranspose2d(b, a, 2, 2)
        self.gate = nn.Conv2d(a, 1, 1)
        self.head = nn.Conv2d(a, 3, 1)
        self.squeeze = SqueezeExcite(a) if seed >= WHOLE_IMAGE else nn.Identity()

    def activation(self) -> nn.Module:
        self.drawn += 1
        return ACTIVATIONS[(5 * self.seed + self.drawn) % len(ACTIVATIONS)]()

    def block(self, cin: int, cout: int) -> nn.Sequential:
        kernel, dilation = int(self.rng.choice([1, 3, 5])), int(self.rng.choice([1, 2]))
        conv = nn.Conv2d(
            cin, cout, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation,
            padding_mode=str(self.rng.choice(["zeros", "reflect", "replicate"])),
            groups=int(self.rng.choice([1, 1, 2])), bias=bool(self.rng.integers(2)),
        )  # fmt: skip
        depthwise = nn.Conv2d(cout, cout, 3, padding=1, groups=cout)
        return nn.Sequential(
            conv, nn.BatchNorm2d(cout), self.activation(), nn.Dropout(0.3), depthwise,
            self.activation(), nn.BatchNorm2d(cout),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.enter(x)
        b = self.low(self.pools[0](a))
        c = self.bottom(self.pools[1](b))
        d = self.merge(torch.cat([self.up(c), b], 1))
        e = self.squeeze(self.up2(d))
        cut = F.pad(e[:, :, 1:-1, 1:-1], (1, 1, 1, 1))
        return self.head(cut + torch.softmax(a, 1) * torch.sigmoid(self.gate(e)))


def random_network(seed: int) -> nn.Module:
    return randomise(RandomNetwork(seed), seed)


def test_random_networks_together_use_every_operator() -> None:
    from pyengine.builder.onnx_import import import_onnx
    from pyengine.inputs import load_source

    used = set()
    for seed in SEEDS:
        source = load_source(random_network(seed), (1, 2, 48, 64))
        graph = import_onnx(source.model, source.sample_shape)
        graph.fuse_silu()
        used |= {n["op"] for n in graph.nodes} | {n["kind"] for n in graph.nodes if "kind" in n}
    assert used == {
        "conv2d", "conv_transpose2d", "linear", "affine", "activation", "max_pool", "avg_pool",
        "global_avg_pool", "upsample_nearest", "upsample_bilinear", "concat", "add", "mul", "crop",
        "pad", "softmax", "relu", "leaky_relu", "prelu", "elu", "silu", "sigmoid", "tanh",
        "hard_swish", "hard_sigmoid", "clip", "erf",
    }  # fmt: skip
    # PyTorch's exporter takes GELU apart into erf and tanh, and flattens 1 x 1 planes for free:
    # those three operators have tests of their own in this file.


@pytest.mark.parametrize("seed", SEEDS)
def test_random_network_agrees_with_torch_and_tiles_exactly(seed: int, make_engine) -> None:
    module = random_network(seed)
    engine = make_engine(module, (1, 2, 48, 64))
    x = np.random.default_rng(seed).standard_normal((1, 2, 64, 48), dtype=np.float32)
    with torch.inference_mode():
        want = module(torch.from_numpy(x)).numpy()
    assert np.abs(engine.run(x) - want).max() <= TOLERANCE * np.ptp(want)
    assert engine.info.tileable == (seed < WHOLE_IMAGE)
    if seed >= WHOLE_IMAGE:
        return
    image = np.random.default_rng(seed).standard_normal((71, 53, 2), dtype=np.float32)
    whole = engine.segment(image, tile=(72, 56), output="logits")
    for tile in (4, (16, 28)):
        np.testing.assert_array_equal(engine.segment(image, tile=tile, output="logits"), whole)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Fn(lambda x: F.grid_sample(x, torch.zeros(1, 8, 8, 2), align_corners=False)),
         ["sampling on a grid", "GridSample", "onnxruntime"]),
        (Fn(lambda x: x @ x), ["attention", "MatMul", "executor='onnxruntime'"]),
        (Fn(lambda x: x.transpose(2, 3)), ["Transpose", "in other places"]),
        (Fn(lambda x: x.cumsum(2)), ["CumSum", "onnxruntime"]),
    ],
)  # fmt: skip
def test_other_operators_are_refused_by_name(module, words, tmp_path: Path) -> None:
    with pytest.raises(pyengine.UnsupportedError) as caught:
        pyengine.build(
            module.eval(), tmp_path / "x.pyengine", sample_shape=(1, 1, 32, 32), executor="cpu"
        )
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_operator_of_the_engine_file_goes_back_to_onnx() -> None:
    from pyengine.builder.ops import EXPORT

    source = Path(__file__).parents[2] / "csrc/src/graph/ops"
    row = re.compile(r'^    \.word = "(\w+)",$', re.MULTILINE)
    words = {word for file in source.glob("*.cc") for word in row.findall(file.read_text())}
    assert "conv2d" in words
    assert set(EXPORT) == words

"""Operators of ENGINE_FORMAT.md, straight from a graph, on every instruction set, against PyTorch
in float64, against their own ONNX, and in tiles against the whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import open_with_isa
from graph_engine import graph_of, open_graph, random_batch, write_graph
from torch import Tensor
from torch.nn import functional as F

import pyengine
from pyengine import _core
from pyengine.builder.onnx_export import export_onnx

SIZE = (22, 30)
rng = np.random.default_rng(5)
# Float32 sums of up to a few hundred terms, a few roundings one after the other; transcendental
# functions are good to 1e-6. Relative to the largest value.
TOLERANCE = 5e-6


class Case(NamedTuple):
    channels: int
    nodes: list[dict[str, Any]]
    function: Callable[[Tensor], Tensor]
    to_onnx: bool = True


def weights(*shape: int, positive: bool = False) -> np.ndarray:
    values = rng.standard_normal(shape)
    return np.abs(values) + 0.5 if positive else values


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


def per_channel(values: np.ndarray) -> Tensor:
    return tensor(values).reshape(1, -1, 1, 1)


def channel_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    return F.layer_norm(x.movedim(1, 3), x.shape[1:2], weight, bias, epsilon).movedim(3, 1)


def rms_norm(x: Tensor, epsilon: float) -> Tensor:
    return x / (x.square().mean(1, keepdim=True) + epsilon).sqrt()


W20, B20, P20 = weights(20), weights(20), weights(20, positive=True)
SHIFT_FAR = np.full(20, 1000.0)
PLANES = weights(3, *SIZE)
CONV = weights(6, 20, 3, 3) / 13
TRANSPOSED = weights(20, 6, 3, 3) / 13
VECTOR = [{"op": "global_avg_pool", "output": "v"}]


def conv(channels: int, **more: Any) -> dict[str, Any]:
    return {"op": "conv2d", "in_channels": channels, "out_channels": 6, "kernel": [3, 3],
            "amounts": [1, 1, 1, 1], "weight": CONV[:, :channels], **more}  # fmt: skip


def transposed(**more: Any) -> dict[str, Any]:
    return {"op": "conv_transpose2d", "in_channels": 20, "out_channels": 6, "kernel": [3, 3],
            "weight": TRANSPOSED, **more}  # fmt: skip


def mean_of(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


CASES: dict[str, Case] = {
    "instance norm": Case(20, [
        {"op": "group_norm", "groups": 20, "epsilon": 1e-3, "weight": W20, "bias": B20}],
        lambda x: F.instance_norm(x, None, None, tensor(W20), tensor(B20), True, 0.1, 1e-3)),
    "instance norm, leaky relu": Case(20, [
        {"op": "group_norm", "groups": 20}, {"op": "activation", "kind": "leaky_relu", "alpha": 0.01}],
        lambda x: F.leaky_relu(F.instance_norm(x))),
    "group norm": Case(20, [
        {"op": "group_norm", "groups": 4, "weight": W20, "bias": B20}],
        lambda x: F.group_norm(x, 4, tensor(W20), tensor(B20))),
    "group norm over everything, bias alone": Case(20, [{"op": "group_norm", "bias": B20}],
        lambda x: F.group_norm(x, 1) + per_channel(B20)),
    "group norm of a vector": Case(20, [*VECTOR, {"op": "group_norm", "groups": 2}],
        lambda x: F.group_norm(mean_of(x), 2)),
    "layer norm": Case(20, [
        {"op": "layer_norm", "epsilon": 1e-6, "weight": W20, "bias": B20}],
        lambda x: channel_norm(x, tensor(W20), tensor(B20), 1e-6)),
    "layer norm, relu": Case(7, [{"op": "layer_norm"}, {"op": "activation", "kind": "relu"}],
        lambda x: channel_norm(x, None, None, 1e-5).relu()),
    "root mean square norm": Case(33, [
        {"op": "layer_norm", "epsilon": 1e-6, "subtract_mean": False}],
        lambda x: rms_norm(x, 1e-6)),
    **{f"reduce {kind} over {axes}": Case(20, [{"op": "reduce", "kind": kind, "axes": axes}],
        lambda x, kind=kind, axes=axes: REDUCE[kind](x, [1] if axes == ["c"] else [2, 3]))
        for kind in ("mean", "sum", "max", "min", "l1", "l2", "sum_square")
        for axes in (["c"], ["y", "x"])},
    "argmax": Case(20, [{"op": "argmax"}], lambda x: x.argmax(1, keepdim=True).double()),
    **{f"binary {kind}": Case(20, [
        {"op": "activation", "kind": "exp", "output": "e"},
        {"op": "binary", "kind": kind, "inputs": ["x", "e"]}],
        lambda x, kind=kind: BINARY[kind](x, x.exp()))
        for kind in ("add", "mul", "sub", "div", "max", "min", "less", "less_equal", "greater",
                     "greater_equal", "equal")},
    **{f"binary {kind} of constants": Case(20, [
        {"op": "binary", "kind": kind, "weight": P20},
        {"op": "binary", "kind": kind, "weight": W20, "constant_first": True}],
        lambda x, kind=kind: BINARY[kind](per_channel(W20), BINARY[kind](x, per_channel(P20))))
        for kind in ("add", "sub", "max", "less")},
    "equal numbers": Case(20, [{"op": "binary", "kind": "equal", "inputs": ["x", "x"]}],
        lambda x: torch.ones_like(x)),
    "vector less planes": Case(20, [
        *VECTOR, {"op": "binary", "kind": "sub", "inputs": ["v", "x"]}],
        lambda x: mean_of(x) - x),
    "vector times one channel": Case(20, [
        *VECTOR, {"op": "select", "inputs": ["x"], "channels": [3], "output": "one"},
        {"op": "mul", "inputs": ["v", "one"]}],
        lambda x: mean_of(x) * x[:, 3:4]),
    "one channel and constants": Case(1, [
        {"op": "binary", "kind": "sub", "weight": W20, "out_channels": 20}],
        lambda x: x - per_channel(W20)),
    "where": Case(20, [
        *VECTOR, {"op": "binary", "kind": "greater", "inputs": ["x", "v"], "output": "c"},
        {"op": "where", "inputs": ["c", "x", "v"]}],
        lambda x: torch.maximum(x, mean_of(x))),
    "where of constants": Case(20, [{"op": "where", "weight": W20, "bias": B20}],
        lambda x: torch.where(x > 0, per_channel(W20), per_channel(B20))),
    "where of one constant": Case(20, [
        {"op": "where", "inputs": ["x", "x"], "bias": B20}],
        lambda x: torch.where(x > 0, x, per_channel(B20))),
    **{f"function {kind}": Case(19, [
        {"op": "activation", "kind": "exp"},
        {"op": "function", "kind": kind, **({"alpha": 1.7} if kind == "pow" else {})}],
        lambda x, kind=kind: FUNCTION[kind](x.exp()))
        for kind in ("sqrt", "reciprocal", "log", "sin", "cos", "pow")},
    **{f"function {kind}": Case(19, [
        {"op": "affine", "weight": np.full(19, 3.0), "bias": np.zeros(19)},
        {"op": "function", "kind": kind}],
        # Where float32 rounds to another side than float64, the answer is another one.
        lambda x, kind=kind: FUNCTION[kind]((x.float() * 3).double()))
        for kind in ("sign", "floor", "ceil", "round", "trunc")},
    **{f"activation {kind}": Case(20, [{"op": "activation", "kind": kind}],
        lambda x, kind=kind: ACTIVATION[kind](x))
        for kind in ("abs", "exp", "softplus", "mish", "softsign")},
    "softplus, sharper, after a convolution": Case(20, [
        conv(20), {"op": "activation", "kind": "softplus", "alpha": 2.5}],
        lambda x: F.softplus(F.conv2d(x, tensor(CONV), padding=1), 2.5)),
    "select blocks": Case(40, [{"op": "select", "channels": [*range(16, 32), *range(32, 40)]}],
        lambda x: x[:, 16:40]),
    "select in any order": Case(40, [
        {"op": "select", "channels": [39, 3, 3, *range(5, 30)]}],
        lambda x: x[:, [39, 3, 3, *range(5, 30)]]),
    "expand": Case(20, [
        *VECTOR, {"op": "expand", "inputs": ["v", "x"], "output": "e"},
        {"op": "concat", "inputs": ["e", "x"]}],
        lambda x: torch.cat([mean_of(x).expand_as(x), x], 1)),
    "constant": Case(3, [
        {"op": "constant", "weight": PLANES, "out_channels": 3, "size": list(SIZE), "output": "c"},
        {"op": "add", "inputs": ["x", "c"]}],
        lambda x: x + tensor(PLANES)),
    "pool in ceil mode": Case(20, [
        {"op": "pool", "kind": "max", "kernel": [3, 3], "stride": [2, 2], "ceil_mode": True}],
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)),
    "pool with dilation": Case(20, [
        {"op": "pool", "kind": "max", "kernel": [3, 2], "stride": [2, 1], "dilation": [2, 3],
         "amounts": [1, 1, 1, 1]}],
        lambda x: F.max_pool2d(x, (3, 2), (2, 1), 1, (2, 3))),
    **{f"mean pool in ceil mode, padding counted: {counted}": Case(20, [
        {"op": "pool", "kind": "mean", "kernel": [3, 4], "stride": [2, 3], "ceil_mode": True,
         "amounts": [1, 2, 1, 2], "count_include_pad": counted}],
        lambda x, counted=counted: F.avg_pool2d(x, (3, 4), (2, 3), (1, 2), True, counted))
        for counted in (True, False)},
    "adaptive mean": Case(20, [{"op": "adaptive_pool", "kind": "mean", "size": [3, 7]}],
        lambda x: F.adaptive_avg_pool2d(x, (3, 7)), to_onnx=False),
    "adaptive maximum": Case(20, [{"op": "adaptive_pool", "kind": "max", "size": [5, 4]}],
        lambda x: F.adaptive_max_pool2d(x, (5, 4)), to_onnx=False),
    "pyramid pooling": Case(20, [
        {"op": "adaptive_pool", "kind": "mean", "size": [2, 3], "output": "p"}, conv(20),
        {"op": "resize", "mode": "linear", "inputs": ["out1", "x"], "output": "up"},
        {"op": "concat", "inputs": ["up", "x"]}],
        lambda x: torch.cat([F.interpolate(
            F.conv2d(F.adaptive_avg_pool2d(x, (2, 3)), tensor(CONV), padding=1), size=SIZE,
            mode="bilinear"), x], 1), to_onnx=False),
    "vectors in windows": Case(20, [
        *VECTOR, conv(20), {"op": "upsample_nearest", "stride": [2, 3]}],
        lambda x: F.interpolate(
            F.conv2d(mean_of(x), tensor(CONV), padding=1), scale_factor=(2, 3))),
    "unpooled maxima": Case(20, [
        {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2], "output": "m"},
        {"op": "max_pool_indices", "inputs": ["x"], "kernel": [2, 2], "stride": [2, 2], "output": "i"},
        {"op": "max_unpool", "inputs": ["m", "i", "x"], "kernel": [2, 2], "stride": [2, 2]}],
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, 2, return_indices=True), 2, 2, 0, x.shape[2:])),
    "unpooled maxima, padded": Case(20, [
        {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2], "amounts": [1, 1, 1, 1], "output": "m"},
        {"op": "max_pool_indices", "inputs": ["x"], "kernel": [2, 2], "stride": [2, 2],
         "amounts": [1, 1, 1, 1], "output": "i"},
        {"op": "max_unpool", "inputs": ["m", "i", "x"], "kernel": [2, 2], "stride": [2, 2],
         "amounts": [1, 1, 1, 1]}],
        lambda x: F.max_unpool2d(
            *F.max_pool2d(x, 2, 2, 1, return_indices=True), 2, 2, 1, x.shape[2:]), to_onnx=False),
    "space to depth": Case(5, [{"op": "space_to_depth", "stride": [2, 2]}],
        lambda x: F.pixel_unshuffle(x, 2)),
    "space to depth, blocks first": Case(5, [
        {"op": "space_to_depth", "stride": [2, 2], "order": "blocks_first"}],
        lambda x: F.pixel_unshuffle(x, 2).unflatten(1, (5, 4)).transpose(1, 2).flatten(1, 2)),
    "transposed with dilation": Case(20, [
        transposed(stride=[2, 1], dilation=[2, 3], amounts=[1, 2, 1, 2], output_padding=[1, 2])],
        lambda x: F.conv_transpose2d(
            x, tensor(TRANSPOSED), None, (2, 1), (1, 2), (1, 2), 1, (2, 3)),
        to_onnx=False),  # the reference evaluator refuses output_padding beside dilation
    "transposed with dilation, whole blocks": Case(20, [
        transposed(stride=[5, 5], dilation=[2, 2])],
        lambda x: F.conv_transpose2d(x, tensor(TRANSPOSED), None, 5, 0, 0, 1, 2)),
    "far from 0": Case(20, [
        {"op": "affine", "weight": np.ones(20), "bias": SHIFT_FAR}, {"op": "group_norm", "groups": 20},
        {"op": "affine", "weight": np.ones(20), "bias": np.zeros(20)}],
        # What float32 rounds off at 1000 is no fault of the norm's.
        lambda x: F.instance_norm((x.float() + 1000).double())),
}  # fmt: skip
REDUCE: dict[str, Callable[[Tensor, list[int]], Tensor]] = {
    "mean": lambda x, d: x.mean(d, keepdim=True),
    "sum": lambda x, d: x.sum(d, keepdim=True),
    "max": lambda x, d: x.amax(d, keepdim=True),
    "min": lambda x, d: x.amin(d, keepdim=True),
    "l1": lambda x, d: x.abs().sum(d, keepdim=True),
    "l2": lambda x, d: x.square().sum(d, keepdim=True).sqrt(),
    "sum_square": lambda x, d: x.square().sum(d, keepdim=True),
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "max": torch.maximum,
    "min": torch.minimum, "less": lambda a, b: (a < b).double(),
    "less_equal": lambda a, b: (a <= b).double(), "greater": lambda a, b: (a > b).double(),
    "greater_equal": lambda a, b: (a >= b).double(), "equal": lambda a, b: (a == b).double(),
}  # fmt: skip
FUNCTION: dict[str, Callable[[Tensor], Tensor]] = {
    "sqrt": torch.sqrt, "reciprocal": torch.reciprocal, "log": torch.log, "sign": torch.sign,
    "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc,
    "sin": torch.sin, "cos": torch.cos, "pow": lambda x: x**float(np.float32(1.7)),
}  # fmt: skip
ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs, "exp": torch.exp, "softplus": F.softplus, "mish": F.mish,
    "softsign": F.softsign,
}  # fmt: skip


@pytest.mark.parametrize("isa", _core.isas())
@pytest.mark.parametrize("name", CASES)
def test_operator_agrees_with_float64(name: str, isa: str, tmp_path: Path) -> None:
    case = CASES[name]
    engine = open_graph(graph_of(case.channels, *case.nodes), tmp_path / "x.pyengine", SIZE, isa)
    x = random_batch(case.channels, *SIZE)
    want = case.function(torch.from_numpy(x).double()).numpy()
    got = engine.run(x)
    assert got.shape == want.shape
    # Numbers that differ from 1000 by a rounding, 6e-5 each, are 1 apart from each other.
    tolerance = 2e-4 if name == "far from 0" else TOLERANCE * max(1.0, np.abs(want).max())
    np.testing.assert_allclose(got, want, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.to_onnx])
def test_operator_goes_to_onnx(name: str, tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    case = CASES[name]
    graph = graph_of(case.channels, *case.nodes)
    tensors = {key: np.asarray(w, np.float32) for key, w in graph.weights.items()}
    model = export_onnx(json.loads(graph.json()), tensors)
    x = random_batch(case.channels, *SIZE)
    (want,) = ReferenceEvaluator(model).run(None, {"image": x})
    engine = open_graph(graph, tmp_path / "x.pyengine", SIZE)
    got = engine.run(x)
    assert got.shape == want.shape
    tolerance = 2e-3 if name == "far from 0" else 4 * TOLERANCE * max(1.0, np.abs(want).max())
    np.testing.assert_allclose(got, want, atol=tolerance, rtol=0)


RESIZES = [
    {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"},
    {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"},
    {"mode": "nearest", "coordinates": "tf_half_pixel_for_nn", "rounding": "floor"},
    {"mode": "nearest", "coordinates": "align_corners", "rounding": "ceil"},
    {"mode": "nearest"},
    {"mode": "linear"},
    {"mode": "linear", "coordinates": "asymmetric"},
    {"mode": "linear", "coordinates": "align_corners"},
    {"mode": "linear", "coordinates": "pytorch_half_pixel"},
    {"mode": "linear", "coordinates": "half_pixel_symmetric"},
    {"mode": "linear", "antialias": True},
    {"mode": "cubic"},
    {"mode": "cubic", "cubic_coefficient": -0.5, "exclude_outside": True},
    {"mode": "cubic", "coordinates": "align_corners"},
]
# A target, and an input for which float32 positions, which the reference has, lie on the same side of
# halves as exact ones.
TARGETS = [
    ({"scale": [[3, 2], [5, 4]]}, (24, 32)), ({"scale": [[3, 4], [1, 2]]}, (24, 32)),
    ({"scale": [[2, 1], [4, 1]]}, (24, 32)), ({"size": [32, 16]}, (25, 33)),
    ({"size": [1, 1]}, (24, 32)),
]  # fmt: skip


def resized_for_nn(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """TensorFlow's nearest: the pixel that the centre falls into."""
    indices = [
        np.floor((np.arange(n) + 0.5) * size / n).astype(int)
        for n, size in zip((height, width), x.shape[2:], strict=True)
    ]
    return x[:, :, indices[0]][:, :, :, indices[1]]


@pytest.mark.parametrize(("target", "size"), TARGETS, ids=str)
@pytest.mark.parametrize("rule", RESIZES, ids=str)
def test_resize_is_onnx_resize(
    rule: dict[str, Any], target: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    from onnx.reference import ReferenceEvaluator

    graph = graph_of(5, {"op": "resize", **rule, **target})
    x = random_batch(5, *size)[:1]
    if rule.get("coordinates") == "tf_half_pixel_for_nn":  # the reference does not know it
        scale = target.get(
            "scale", [[n, m] for n, m in zip(target.get("size", size), size, strict=True)]
        )
        want = resized_for_nn(x, *[s * n // d for s, (n, d) in zip(size, scale, strict=True)])
    else:
        model = export_onnx(json.loads(graph.json()), {})
        (want,) = ReferenceEvaluator(model).run(None, {"image": x})
    for isa in _core.isas():
        got = open_graph(graph, tmp_path / "x.pyengine", size, isa).run(x)
        assert got.shape == want.shape
        # Positions in float32 are up to 30 * 6e-8 away, where pixels differ by up to 6.
        np.testing.assert_allclose(got, want, atol=2e-5, rtol=0, err_msg=isa)


TILED: dict[str, list[dict[str, Any]]] = {
    "layer norm": [conv(3), {"op": "layer_norm"}, conv(6)],
    "reduce": [conv(3), {"op": "reduce", "kind": "max", "axes": ["c"]}],
    "argmax": [conv(3), {"op": "argmax"}],
    "where": [conv(3), {"op": "where", "weight": weights(6), "inputs": ["out0", "out0"]}],
    "select": [conv(3), {"op": "select", "channels": [5, 1, 1, 0]}],
    "function": [conv(3), {"op": "activation", "kind": "mish"}, {"op": "function", "kind": "sin"}],
    "resize by 3/2 and back": [
        {"op": "resize", "mode": "cubic", "scale": [[3, 2], [3, 2]]}, conv(3),
        {"op": "resize", "mode": "linear", "scale": [[2, 3], [2, 3]], "antialias": True}],
    "resize by 2/3 and back": [
        conv(3), {"op": "resize", "mode": "linear", "scale": [[2, 3], [2, 3]]},
        {"op": "resize", "mode": "nearest", "scale": [[3, 2], [3, 2]],
         "coordinates": "asymmetric", "rounding": "floor"}],
    "space to depth and back": [
        {"op": "space_to_depth", "stride": [2, 2]}, {"op": "depth_to_space", "stride": [2, 2]},
        conv(3)],
    "unpooled maxima": [
        conv(3, output="c"), {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2], "output": "m"},
        {"op": "max_pool_indices", "inputs": ["c"], "kernel": [2, 2], "stride": [2, 2],
         "output": "i"},
        {"op": "max_unpool", "inputs": ["m", "i"], "kernel": [2, 2], "stride": [2, 2]}, conv(6)],
    "pool with dilation": [
        conv(3), {"op": "pool", "kind": "mean", "kernel": [3, 3], "dilation": [2, 1],
                  "amounts": [2, 1, 2, 1]}],
    "transposed with dilation": [
        {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2]},
        {"op": "conv_transpose2d", "in_channels": 3, "out_channels": 6, "kernel": [2, 2],
         "stride": [2, 2], "dilation": [3, 3], "amounts": [1, 1, 1, 1],
         "weight": TRANSPOSED[:3, :, :2, :2]}],
}  # fmt: skip


@pytest.mark.parametrize("isa", _core.isas())
@pytest.mark.parametrize("name", TILED)
def test_tiles_are_the_whole(name: str, isa: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pyengine"
    write_graph(graph_of(3, *TILED[name]), path, (48, 48))
    engine = open_with_isa(path, isa)
    assert engine.info.tileable, engine.info.not_tileable_reason
    for height, width in [(1, 1), (5, 61), (63, 64), (70, 50)]:
        image = np.random.default_rng(3).standard_normal((height, width, 3), np.float32)
        whole = engine.segment(image, output="logits")
        for tile in (1, 16, (64, 7)):
            np.testing.assert_array_equal(
                engine.segment(image, tile=tile, output="logits"), whole, err_msg=f"{tile}"
            )


def tall_image(channels: int) -> np.ndarray:
    """Planes that the last-level cache does not hold: a block takes 64 bytes a pixel."""
    height = math.isqrt(_core.interleaved_bytes() * 3 // 2 // 64) | 1
    return random_batch(channels, height, height + 32)[:1]


NORMS = [
    conv(3), {"op": "group_norm", "groups": 6, "weight": weights(6), "bias": weights(6)},
    {"op": "activation", "kind": "leaky_relu", "alpha": 0.01, "output": "a"},
    conv(6), {"op": "group_norm", "groups": 2}, {"op": "add", "inputs": ["out4", "a"]},
    {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2]}, conv(6),
    {"op": "group_norm", "groups": 6}, {"op": "activation", "kind": "relu"},
    {"op": "upsample_nearest", "stride": [2, 2], "output": "u"},
]  # fmt: skip


def test_norms_of_large_planes_do_not_depend_on_threads_or_batch(tmp_path: Path) -> None:
    """Operations are interleaved by bands between the norms."""
    path = tmp_path / "x.pyengine"
    write_graph(graph_of(3, *NORMS), path, (48, 48))
    x = tall_image(3)[:, :, :-1]
    x = np.ascontiguousarray(x[..., : x.shape[3] // 2 * 2])
    want = pyengine.Engine(path, threads=1).run(x)
    for threads in (2, 3):
        engine = pyengine.Engine(path, threads=threads)
        np.testing.assert_array_equal(engine.run(x), want)
        np.testing.assert_array_equal(engine.run(np.concatenate([x[:, :, ::-1], x]))[1:], want)
    weight = [tensor(NORMS[1][key]) for key in ("weight", "bias")]
    y = torch.from_numpy(x).double()
    a = F.leaky_relu(
        F.instance_norm(F.conv2d(y, tensor(CONV[:, :3]), padding=1), None, None, *weight)
    )
    b = F.group_norm(F.conv2d(a, tensor(CONV[:, :6]), padding=1), 2) + a
    c = F.conv2d(F.max_pool2d(b, 2), tensor(CONV[:, :6]), padding=1)
    exact = F.interpolate(F.instance_norm(c).relu(), scale_factor=2).numpy()
    np.testing.assert_allclose(want, exact, atol=1e-5 * np.abs(exact).max(), rtol=0)


def test_norm_of_a_constant_plane_is_its_bias(tmp_path: Path) -> None:
    nodes = [{"op": "group_norm", "groups": 3, "bias": np.array([1.0, 2.0, 3.0])}]
    engine = open_graph(graph_of(3, *nodes), tmp_path / "x.pyengine", SIZE)
    got = engine.run(np.full((1, 3, 40, 50), 12345.678, np.float32))
    # (x * scale + shift) with scale = 1 / sqrt(1e-5): one rounding of 12345.678 * 316.
    np.testing.assert_allclose(got[0, :, 0, 0], [1, 2, 3], atol=12345.678 * 317 * 2**-23)


def test_an_input_of_another_size_than_a_constant_is_refused(tmp_path: Path) -> None:
    engine = open_graph(graph_of(3, *CASES["constant"].nodes), tmp_path / "x.pyengine", SIZE)
    with pytest.raises(ValueError, match="holds planes of 22 x 30 px"):
        engine.run(random_batch(3, 24, 30))

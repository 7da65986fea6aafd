"""Operators as ONNX has them, and layers as exporters take them apart, against onnxruntime."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyengine
from pyengine.onnx_network import open_session

sys.path.append(str(Path(__file__).parents[1]))

from networks.onnx_forms import NCHW, NHWC, Graph

onnxruntime = pytest.importorskip("onnxruntime")
# Some of the graphs hold sizes as numbers.
pytestmark = pytest.mark.filterwarnings("ignore::pyengine.builder.sizes.FixedSizeWarning")

SHAPE = (1, 6, 23, 27)
# Sums of at most a few thousand float32 products: below 1e-5 of the range, as in test_operators.
TOLERANCE = 1e-5
F = np.float32
Case = Callable[[Graph, str], str]


def unary(op: str, **attributes: Any) -> Case:
    return lambda g, x: g.add(op, x, **attributes)


def positive(op: str) -> Case:
    return lambda g, x: g.add(op, g.add("Add", g.add("Abs", x), F(0.2)))


def constant(op: str, value: Any, first: bool = False) -> Case:
    return lambda g, x: g.add(op, value, x) if first else g.add(op, x, value)


def shifted(op: str) -> Case:
    """An operator on the tensor and another one of the same shape."""
    return lambda g, x: g.add(op, x, g.add("Add", g.add("Mul", x, F(-0.5)), F(0.3)))


def choice(op: str) -> Case:
    """A comparison with a number decides between two tensors."""
    return lambda g, x: g.add("Where", g.add(op, x, F(0.2)), x, g.add("Mul", x, F(0.1)))


def with_mean(op: str, first: bool = False) -> Case:
    """Planes and the vector of their means."""

    def case(g: Graph, x: str) -> str:
        mean = g.add("Add", g.add("GlobalAveragePool", x), F(2))
        return g.add(op, mean, x) if first else g.add(op, x, mean)

    return case


def reduction(op: str, axes: list[int], keep: int = 1) -> Case:
    def case(g: Graph, x: str) -> str:
        made = g.add(op, x, [*axes], keepdims=keep) if op == "ReduceSum" else g.add(
            op, x, axes=axes, keepdims=keep
        )  # fmt: skip
        return made if keep else g.add("Unsqueeze", made, axes)

    return case


def resize(
    scale: tuple[float, float] | None, size: tuple[int, int] | None = None, **how: Any
) -> Case:
    def case(g: Graph, x: str) -> str:
        if size:
            return g.add("Resize", x, "", "", np.array([1, 6, *size]), **how)
        return g.add("Resize", x, "", np.array([1, 1, *scale], F), **how)

    return case


def pool(op: str, **how: Any) -> Case:
    return lambda g, x: g.add(op, x, **how)


def channels_last(inner: Case) -> Case:
    """The same with the channels last around it."""

    def case(g: Graph, x: str) -> str:
        return g.add("Transpose", inner(g, g.add("Transpose", x, perm=NHWC)), perm=NCHW)

    return case


def group_norm(g: Graph, x: str) -> str:
    """As PyTorch's exporter writes it."""
    size = g.add("Shape", x)
    grouped = g.add("Reshape", x, [0, 3, -1])
    normal = g.add("InstanceNormalization", grouped, np.ones(3, F), np.zeros(3, F))
    scaled = g.add("Mul", g.add("Reshape", normal, size), g.weight(6, 1)[:, :, None] + 1)
    return g.add("Add", scaled, g.weight(6, 1)[:, :, None])


def moments(axes: list[int], divides: bool = True) -> Case:
    def case(g: Graph, x: str) -> str:
        difference = g.add("Sub", x, g.add("ReduceMean", x, axes=axes))
        square = g.add("ReduceMean", g.add("Pow", difference, F(2)), axes=axes)
        root = g.add("Sqrt", g.add("Add", square, F(1e-4)))
        if divides:
            return g.add("Div", difference, root)
        return g.add("Mul", difference, g.add("Reciprocal", root))

    return case


def shuffle(g: Graph, x: str) -> str:
    apart = g.add("Transpose", g.add("Reshape", x, [1, 2, 3, 23, 27]), perm=[0, 2, 1, 3, 4])
    return g.add("Reshape", apart, [1, 6, 23, 27])


def split(g: Graph, x: str) -> str:
    a, b, c = g.add("Split", x, [1, 2, 3], outputs=3, axis=1)
    return g.add("Concat", c, g.add("Mul", a, F(2)), b, axis=1)


def tokens(g: Graph, x: str) -> str:
    """A linear layer on pixels as tokens, with layer norm, as transformers have it."""
    flat = g.add("Transpose", g.add("Reshape", x, [1, 6, -1]), perm=[0, 2, 1])
    normal = g.add(
        "LayerNormalization", flat, g.weight(6, 1)[:, 0] + 1, g.weight(6, 1)[:, 0], axis=-1
    )
    made = g.add("Add", g.add("MatMul", normal, g.weight(6, 4)), g.weight(4, 1)[:, 0])
    return g.add("Reshape", g.add("Transpose", made, perm=[0, 2, 1]), [1, 4, 23, 27])


def pooled_beside(g: Graph, x: str) -> str:
    mean = g.add("Conv", g.add("GlobalAveragePool", x), g.weight(5, 6, 1, 1))
    large = g.add("Resize", mean, "", "", np.array([1, 5, 23, 27]), mode="linear")
    return g.add("Concat", large, x, axis=1)


def unpool(g: Graph, x: str) -> str:
    inner = g.add("Pad", x, [0, 0, 0, 0, 0, 0, 1, 1])
    small, places = g.add("MaxPool", inner, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    return g.add(
        "MaxUnpool", g.add("Mul", small, F(1.5)), places, kernel_shape=[2, 2], strides=[2, 2]
    )


def pixel_attention(g: Graph, x: str) -> str:
    mask = g.add("Reshape", g.add("ReduceMean", x, axes=[1]), [1, 1, -1])
    weights = g.add("Reshape", g.add("Softmax", mask, axis=-1), [1, 1, 23, 27])
    return g.add("Mul", x, g.add("Mul", weights, F(600)))


def slices(g: Graph, x: str) -> str:
    return g.add("Slice", x, [1, 2, 1], [5, -3, 26], [1, 2, 3], [1, 1, 2])


CASES: dict[str, Case] = {
    **{op: unary(op) for op in (
        "Abs", "Exp", "Softplus", "Softsign", "Selu", "Celu", "HardSigmoid", "Elu", "Sign", "Floor", "Ceil", "Round",
        "Sin", "Cos", "Neg", "Erf", "Tanh", "ThresholdedRelu", "Identity",
    )},
    **{op: positive(op) for op in ("Sqrt", "Log", "Reciprocal")},
    **{f"{op} of two": shifted(op) for op in ("Add", "Sub", "Mul", "Max", "Min", "Mean", "Sum")},
    **{f"{op} of a number": constant(op, F(0.7)) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")},
    **{f"a number {op}": constant(op, F(0.7), True) for op in ("Sub", "Max")},
    **{f"{op} with its mean": with_mean(op) for op in ("Add", "Sub", "Mul", "Div")},
    "mean less planes": with_mean("Sub", True), "mean over planes": lambda g, x: g.add(
        "Div", g.add("GlobalAveragePool", x), g.add("Add", g.add("Abs", x), F(1))),
    "per channel": constant("Mul", np.linspace(0.5, 2, 6, dtype=F).reshape(6, 1, 1)),
    "per pixel": constant("Add", np.linspace(0, 2, 23 * 27, dtype=F).reshape(1, 1, 23, 27)),
    "all different": constant("Mul", np.linspace(-1, 2, 6 * 23 * 27, dtype=F).reshape(1, 6, 23, 27)),
    **{f"choice by {op}": choice(op) for op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")},
    "square": constant("Pow", F(2)), "cube": constant("Pow", F(3)),
    "Div of two": lambda g, x: g.add("Div", x, g.add("Add", g.add("Abs", x), F(1))),
    **{f"{op} over {where}": reduction(op, axes) for op in (
        "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    ) for where, axes in (("channels", [1]), ("pixels", [2, 3]))},
    "mean over all": lambda g, x: g.add("Sub", x, g.add("ReduceMean", x, axes=[1, 2, 3])),
    **{f"{op} of one channel": (lambda g, x, op=op: g.add(op, g.add("Slice", x, [1], [2], [1]), axes=[1]))
       for op in ("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMax")},
    "axes dropped": reduction("ReduceMax", [2, 3], 0),
    "GlobalMaxPool": unary("GlobalMaxPool"),
    "Softmax": unary("Softmax", axis=1), "LogSoftmax": unary("LogSoftmax", axis=1),
    "Softmax of channels last": channels_last(unary("Softmax", axis=-1)),
    "softmax over pixels": pixel_attention,
    "ceil_mode": pool("MaxPool", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    "means, ceil_mode": pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1),
    "means, padding counts": pool("AveragePool", kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1),
    "maxima, dilated": pool("MaxPool", kernel_shape=[3, 3], dilations=[2, 3]),
    "maxima, SAME_LOWER": pool("MaxPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
    "global by a kernel": pool("AveragePool", kernel_shape=[23, 27]),
    "MaxUnpool": unpool,
    "InstanceNormalization": lambda g, x: g.add(
        "InstanceNormalization", x, g.weight(6, 1)[:, 0] + 1, g.weight(6, 1)[:, 0]),
    "group norm in parts": group_norm,
    "instance norm in parts": moments([2, 3]), "layer norm in parts": moments([1], False),
    "norm over all, in parts": moments([1, 2, 3]),
    "MeanVarianceNormalization": unary("MeanVarianceNormalization"),
    "LpNormalization": unary("LpNormalization", axis=1, p=2),
    "layer norm, channels last": channels_last(
        lambda g, x: g.add("LayerNormalization", x, g.weight(6, 1)[:, 0] + 1, g.weight(6, 1)[:, 0])),
    "tokens": tokens, "channels shuffled": shuffle, "split": split, "slices": slices,
    "vector beside planes": pooled_beside,
    "concat, channels last": channels_last(lambda g, x: g.add("Concat", x, g.add("Neg", x), axis=3)),
    "pad, channels last": channels_last(lambda g, x: g.add("Pad", x, [0, 1, 2, 0, 0, 3, 0, 0], mode="reflect")),
    "pad of channels": lambda g, x: g.add("Pad", x, [0, 1, 0, 0, 0, 2, 0, 0], F(0.5)),
    "pad and crop": lambda g, x: g.add("Pad", x, [0, 0, 2, -1, 0, 0, -3, 1], mode="edge"),
    "SpaceToDepth": lambda g, x: g.add("SpaceToDepth", g.add("Slice", x, [1, 1], [23, 27], [2, 3]), blocksize=2),
    "DepthToSpace": lambda g, x: g.add("DepthToSpace", g.add("Concat", x, x, axis=1), blocksize=2, mode="CRD"),
    "Gather": lambda g, x: g.add("Gather", x, [4, 0, 0, 5], axis=1),
    "transposed, dilated": lambda g, x: g.add(
        "ConvTranspose", x, g.weight(6, 4, 3, 2), strides=[2, 1], dilations=[2, 3], pads=[1, 0, 2, 1]),
    "transposed, output_shape": lambda g, x: g.add(
        "ConvTranspose", x, g.weight(6, 4, 3, 3), strides=[2, 2], output_shape=[46, 53]),
    "transposed, SAME_UPPER": lambda g, x: g.add(
        "ConvTranspose", x, g.weight(6, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv, SAME_LOWER": lambda g, x: g.add("Conv", x, g.weight(4, 6, 4, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    **{f"linear, {t}": resize((1.5, 2.0), mode="linear", coordinate_transformation_mode=t) for t in (
        "half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")},
    **{f"nearest, {t}, {r}": resize((1.5, 0.7), mode="nearest", coordinate_transformation_mode=t, nearest_mode=r)
       for t in ("half_pixel", "asymmetric") for r in ("floor", "ceil", "round_prefer_ceil")},
    "cubic": resize((2.0, 1.3), mode="cubic"),
    "cubic, outside left out": resize((0.6, 1.3), mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    "linear to a size": resize(None, (31, 11), mode="linear"),
}  # fmt: skip


def model_of(case: Case, opset: int = 17) -> Any:
    """The case between two convolutions, so that layouts and borders are exercised."""
    g = Graph(list(SHAPE), opset=opset)
    x = case(g, g.add("Conv", "image", g.weight(6, 6, 3, 3), pads=[1] * 4))
    return g.model(g.add("Mul", x, F(1.25)))


def run_onnx(model: Any, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": x})[0]


@pytest.mark.parametrize("name", CASES)
def test_operator_agrees_with_onnxruntime(name: str, tmp_path: Path) -> None:
    model = model_of(CASES[name])
    path = tmp_path / "x.pyengine"
    pyengine.build(
        model, path, task="classification", activation="none", executor="cpu", tolerance=1e-4
    )  # fmt: skip
    x = np.random.default_rng(5).standard_normal(SHAPE, dtype=np.float32)
    want, got = run_onnx(model, x), pyengine.Engine(path).run(x)
    assert got.shape == want.shape
    if name in ("Sign", "Floor", "Ceil", "Round"):  # a rounding may fall to the other side
        assert (np.abs(got - want) > TOLERANCE).mean() < 1e-3
    else:
        assert np.abs(got - want).max() <= TOLERANCE * max(1, np.ptp(want))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (lambda g, x: g.add("MatMul", x, g.add("Transpose", x, perm=[0, 1, 3, 2])),
         ["attention", "both tensors depend on the image"]),
        (lambda g, x: g.add("Transpose", x, perm=[0, 1, 3, 2]), ["in other places"]),
        (lambda g, x: g.add("ReduceMean", x, axes=[2]), ["rows or columns alone"]),
        (lambda g, x: g.add("CumSum", x, np.array(2)), ["CumSum"]),
        (lambda g, x: g.add("Softmax", x, axis=2), ["Softmax", "runs over axes [2]"]),
        (lambda g, x: g.add("GridSample", x, np.zeros((1, 23, 27, 2), F)), ["sampling on a grid"]),
        (lambda g, x: g.add("Einsum", x, g.weight(6, 4), equation="nchw,co->nohw"), ["Einsum"]),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(case: Case, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(pyengine.UnsupportedError) as caught:
        pyengine.build(model_of(case), tmp_path / "x.pyengine", activation="none", executor="cpu")
    for word in (*words, "operator ", "executor='onnxruntime'"):
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_only_onnxruntimes_optimiser_breaks_is_built(tmp_path: Path) -> None:
    """It moves transposes past a cubic resize, whose axes are then not those that it can resize."""

    def dense(g: Graph, x: str) -> str:
        last = g.add("MatMul", g.add("Transpose", x, perm=NHWC), g.weight(6, 6))
        return g.add("Transpose", last, perm=NCHW)

    cubic = resize((1.5, 0.5), mode="cubic")
    model = model_of(lambda g, x: dense(g, cubic(g, dense(g, x))))
    with pytest.raises(Exception, match="Cubic"):
        run_onnx(model, np.zeros(SHAPE, F))
    pyengine.build(model, tmp_path / "x.pyengine", task="classification", tolerance=1e-4)
    x = np.random.default_rng(5).standard_normal(SHAPE, dtype=np.float32)
    session = open_session(model.SerializeToString(), onnxruntime.SessionOptions())
    (want,) = session.run(None, {"image": x})
    got = pyengine.Engine(tmp_path / "x.pyengine").run(x)
    assert np.abs(got - want).max() <= TOLERANCE * np.ptp(want)


def test_a_sample_of_other_axes_is_named(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 8, 8, 8]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    with pytest.raises(ValueError, match="has 5 axes"):
        pyengine.build(
            helper.make_model(graph), tmp_path / "x.pyengine", (1, 1, 8, 8), executor="cpu"
        )

"""ONNX as exporters write it: channels last, old opsets, half precision, int8, layers in parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .network import Network

NCHW, NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


class Graph:
    """Writes a model node by node."""

    def __init__(self, shape: list[int | None], opset: int = 17, kind: str = "FLOAT") -> None:
        self.rng = np.random.default_rng(4)
        self.shape, self.opset, self.kind = shape, opset, kind
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        from onnx import helper

        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        made = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, names, made, name=f"{op}_{len(self.nodes)}", **attributes)
        )
        return made[0] if outputs == 1 else made

    def constant(self, value: Any) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, *shape: int, dtype: Any = np.float32) -> Any:
        scale = 1.5 / np.sqrt(max(1, np.prod(shape[1:])))
        return (self.rng.standard_normal(shape) * scale).astype(dtype)

    def model(self, output: str) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        kind = getattr(TensorProto, self.kind)
        out = kind if self.kind != "UINT8" else TensorProto.FLOAT
        made = helper.make_graph(
            self.nodes, "network",
            [helper.make_tensor_value_info("image", kind, self.shape)],
            [helper.make_tensor_value_info(output, out, [None] * 4)],
            [numpy_helper.from_array(v, k) for k, v in self.constants.items()],
        )  # fmt: skip
        return helper.make_model(
            made, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )


Body = Callable[[Graph, str, int, int], str]


def conv_last(g: Graph, x: str, cin: int, cout: int, **how: Any) -> str:
    """As tf2onnx writes a convolution of channels last."""
    first = g.add("Transpose", x, perm=NCHW)
    made = g.add("Conv", first, g.weight(cout, cin, 3, 3), auto_pad="SAME_UPPER", **how)
    return g.add("Transpose", made, perm=NHWC)


def plain(g: Graph, x: str, cin: int, cout: int) -> str:
    return g.add("Relu", g.add("Add", conv_last(g, x, cin, cout), g.weight(1, cout)[0]))


def batch_norm(g: Graph, x: str, cin: int, cout: int) -> str:
    scaled = g.add("Mul", conv_last(g, x, cin, cout), g.weight(1, cout)[0] + 1)
    return g.add("Relu", g.add("Add", scaled, g.weight(1, cout)[0]))


def _moments(g: Graph, x: str, axes: list[int]) -> tuple[str, str]:
    mean = g.add("ReduceMean", x, axes=axes)
    difference = g.add("Sub", x, mean)
    square = g.add("ReduceMean", g.add("Mul", difference, difference), axes=axes)
    root = g.add("Sqrt", g.add("Add", square, np.float32(1e-3)))
    return mean, g.add("Reciprocal", root)


def layer_norm(g: Graph, x: str, cin: int, cout: int) -> str:
    """As tf.nn.batch_normalization takes it apart."""
    x = conv_last(g, x, cin, cout)
    mean, inverse = _moments(g, x, [3])
    scale = g.add("Mul", inverse, g.weight(1, cout)[0] + 1)
    shift = g.add("Sub", g.weight(1, cout)[0], g.add("Mul", mean, scale))
    return g.add("Relu", g.add("Add", g.add("Mul", x, scale), shift))


def instance_norm(g: Graph, x: str, cin: int, cout: int) -> str:
    """As tensorflow_addons has it."""
    x = conv_last(g, x, cin, cout)
    mean, inverse = _moments(g, x, [1, 2])
    normal = g.add("Mul", g.add("Sub", x, mean), inverse)
    return g.add("LeakyRelu", g.add("Mul", normal, g.weight(1, cout)[0] + 1), alpha=0.2)


def group_norm(g: Graph, x: str, cin: int, cout: int) -> str:
    """As keras.layers.GroupNormalization: a reshape into groups and back."""
    x = conv_last(g, x, cin, cout)
    size = g.add("Shape", x)
    split = g.add("Concat", g.add("Slice", size, [0], [3]), [2, cout // 2], axis=0)
    r = g.add("Reshape", x, split)
    mean = g.add("ReduceMean", r, axes=[1, 2, 4])
    difference = g.add("Sub", r, mean)
    square = g.add("ReduceMean", g.add("Mul", difference, difference), axes=[1, 2, 4])
    root = g.add("Sqrt", g.add("Add", square, np.float32(1e-3)))
    back = g.add("Reshape", g.add("Div", difference, root), size)
    return g.add("Relu", g.add("Mul", back, g.weight(1, cout)[0] + 1))


def squeeze_excite(g: Graph, x: str, cin: int, cout: int) -> str:
    x = plain(g, x, cin, cout)
    mean = g.add("ReduceMean", x, axes=[1, 2], keepdims=0)
    hidden = g.add("Relu", g.add("MatMul", mean, g.weight(cout, 4)))
    gate = g.add("Sigmoid", g.add("MatMul", hidden, g.weight(4, cout)))
    return g.add("Mul", x, g.add("Reshape", gate, [-1, 1, 1, cout]))


def separable(g: Graph, x: str, cin: int, cout: int) -> str:
    first = g.add("Transpose", x, perm=NCHW)
    depth = g.add("Conv", first, g.weight(cin, 1, 3, 3), auto_pad="SAME_UPPER", group=cin)
    point = g.add("Conv", depth, g.weight(cout, cin, 1, 1))
    return g.add("Clip", g.add("Transpose", point, perm=NHWC), np.float32(0), np.float32(6))


def keras_unet(
    body: Body, enlarge: str = "nearest", head: str = "Softmax", size: int | None = None,
    sizes: bool = False,
) -> Any:  # fmt: skip
    """A U-Net of Keras with channels last, as tf2onnx exports it."""
    g = Graph([None if size is None else 1, size, size, 3])
    a = body(g, "image", 3, 6)
    pooled = g.add("MaxPool", g.add("Transpose", a, perm=NCHW), kernel_shape=[2, 2], strides=[2, 2])
    b = body(g, g.add("Transpose", pooled, perm=NHWC), 6, 12)
    first = g.add("Transpose", b, perm=NCHW)
    if enlarge == "transposed":
        first = g.add(
            "ConvTranspose", first, g.weight(12, 12, 2, 2), strides=[2, 2], auto_pad="SAME_UPPER"
        )
    else:
        how = {"mode": enlarge, "coordinate_transformation_mode": "half_pixel"}
        if enlarge == "nearest":
            how |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        first = g.add("Resize", first, "", np.array([1, 1, 2, 2], np.float32), **how)
    joined = g.add("Concat", g.add("Transpose", first, perm=NHWC), a, axis=3)
    last = body(g, joined, 18, 6)
    outputs = 2 if head == "Softmax" else 1
    logits = g.add("Conv", g.add("Transpose", last, perm=NCHW), g.weight(outputs, 6, 1, 1))
    logits = g.add("Transpose", logits, perm=NHWC)
    return g.model(g.add(head, logits, **({"axis": -1} if head == "Softmax" else {})))


def uint8_image() -> Any:
    """Whole numbers go in, channels last, and are scaled inside."""
    g = Graph([1, 64, 64, 3], kind="UINT8")
    x = g.add("Div", g.add("Cast", "image", to=1), np.float32(255))
    x = plain(g, g.add("Sub", x, np.array([0.4, 0.5, 0.6], np.float32)), 3, 6)
    return g.model(conv_last(g, x, 6, 2))


def labels() -> Any:
    """ArgMax at the end."""
    g = Graph([1, 3, 64, 64])
    x = g.add("Relu", g.add("Conv", "image", g.weight(6, 3, 3, 3), pads=[1] * 4))
    return g.model(g.add("ArgMax", g.add("Conv", x, g.weight(3, 6, 1, 1)), axis=1))


def half(dtype: str) -> Any:
    g = Graph([1, 1, 64, 64], kind=dtype.upper())
    kind = {"float16": np.float16, "double": np.float64}[dtype]
    x = g.add("Relu", g.add("Conv", "image", g.weight(6, 1, 3, 3, dtype=kind), pads=[1] * 4))
    return g.model(g.add("Conv", x, g.weight(2, 6, 3, 3, dtype=kind), pads=[1] * 4))


def quantised() -> Any:
    """int8 as QuantizeLinear and DequantizeLinear; a ReLU is left to the limits of uint8."""
    g = Graph([1, 1, 64, 64])

    def steps(x: str, scale: float, zero: Any) -> str:
        scale = np.float32(scale)
        return g.add("DequantizeLinear", g.add("QuantizeLinear", x, scale, zero), scale, zero)

    def weights(*shape: int) -> str:
        whole = g.rng.integers(-127, 128, shape).astype(np.int8)
        return g.add("DequantizeLinear", whole, np.full(shape[0], 0.005, np.float32),
                     np.zeros(shape[0], np.int8), axis=0)  # fmt: skip

    x = steps("image", 0.03, np.uint8(128))
    x = steps(g.add("Conv", x, weights(6, 1, 3, 3), pads=[1] * 4), 0.03, np.uint8(0))
    return g.model(g.add("Conv", x, weights(2, 6, 3, 3), pads=[1] * 4))


def opset(version: int) -> Any:
    """What changed its form between opsets: Clip, Upsample, Pad, Slice, Squeeze, Softmax."""
    g = Graph([1, 3, 64, 64], opset=version)
    x = g.add("Conv", "image", g.weight(6, 3, 3, 3), pads=[1] * 4)
    if version < 11:
        x = g.add("Clip", x, min=0.0, max=6.0)
        x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        if version < 9:
            x = g.add("Upsample", x, scales=[1.0, 1.0, 2.0, 2.0])
        elif version == 9:
            x = g.add("Upsample", x, np.array([1, 1, 2, 2], np.float32))
        else:
            x = g.add("Resize", x, np.array([1, 1, 2, 2], np.float32))
        x = g.add("Pad", x, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    else:
        x = g.add("Clip", x, np.float32(0), np.float32(6))
        x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        x = g.add("Resize", x, np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32),
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
        x = g.add("Pad", x, [0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    x = g.add("Conv", x, g.weight(3, 6, 3, 3))
    if version < 13:
        x = g.add("Unsqueeze", g.add("Squeeze", x, axes=[0]), axes=[0])
        x = g.add("Softmax", g.add("Transpose", x, perm=NHWC), axis=3)
    else:
        x = g.add("Unsqueeze", g.add("Squeeze", x, [0]), [0])
        x = g.add("Softmax", g.add("Transpose", x, perm=NHWC), axis=-1)
    return g.model(g.add("Transpose", x, perm=NCHW))


def unpooled() -> Any:
    """SegNet and ReLayNet: maxima go back to where they were."""
    g = Graph([1, 1, 64, 64])
    a = g.add("Relu", g.add("Conv", "image", g.weight(6, 1, 3, 3), pads=[1] * 4))
    pooled, places = g.add("MaxPool", a, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    b = g.add("Relu", g.add("Conv", pooled, g.weight(6, 6, 3, 3), pads=[1] * 4))
    up = g.add("MaxUnpool", b, places, kernel_shape=[2, 2], strides=[2, 2])
    joined = g.add("Concat", a, up, axis=1)
    return g.model(g.add("Conv", joined, g.weight(2, 12, 3, 3), pads=[1] * 4))


def nuclei() -> Any:
    """A network of the BioImage Model Zoo, where the shared files are."""
    shared = Path(__file__).resolve().parents[3] / "shared"
    data = Path(os.environ.get("PYENGINE_DATA", shared / "data"))
    folder = data.parent / "networks"
    files = sorted((folder / "unet2d_nuclei_broad").rglob("*.onnx"))
    if not files:
        raise ImportError(f"no ONNX file of unet2d_nuclei_broad in {folder}; set PYENGINE_DATA")
    return files[0]


_LAST = {"shape": (1, 3, 64, 64), "needs": ("onnx",)}
NETWORKS = [
    Network("Keras U-Net", partial(keras_unet, plain), **_LAST),
    Network("Keras U-Net of one size", partial(keras_unet, plain, size=64), **_LAST),
    Network("Keras U-Net, batch norm", partial(keras_unet, batch_norm), **_LAST),
    Network("Keras U-Net, bilinear", partial(keras_unet, plain, "linear"), **_LAST),
    Network("Keras U-Net, transposed", partial(keras_unet, plain, "transposed"), **_LAST),
    Network("Keras U-Net, sigmoid", partial(keras_unet, plain, head="Sigmoid"), **_LAST),
    Network("Keras U-Net, separable", partial(keras_unet, separable), **_LAST),
    Network("Keras U-Net, layer norm", partial(keras_unet, layer_norm), **_LAST),
    Network("Keras U-Net, instance norm", partial(keras_unet, instance_norm), "whole", **_LAST),
    Network("Keras U-Net, group norm", partial(keras_unet, group_norm), "whole", **_LAST),
    Network("Keras U-Net, squeeze and excitation", partial(keras_unet, squeeze_excite), "whole", **_LAST),
    Network("uint8 image, channels last", uint8_image, **_LAST),
    Network("labels at the end", labels, **_LAST),
    Network("float16", partial(half, "float16"), needs=("onnx",)),
    Network("float64", partial(half, "double"), needs=("onnx",)),
    Network("int8 as QDQ", quantised, needs=("onnx",)),
    *(
        Network(f"opset {n}", partial(opset, n), **_LAST)
        for n in (7, 8, 9, 10, 11, 12, 13, 15, 17)
    ),
    Network("SegNet, max-unpooling", unpooled, "exact", needs=("onnx",)),
    Network("unet2d_nuclei_broad", nuclei, "exact", (1, 1, 512, 512), ("onnx",)),
]  # fmt: skip

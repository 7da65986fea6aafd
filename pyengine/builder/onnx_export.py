"""From the graph of an engine file back to ONNX, strongly typed: each layer in a type of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine.builder.container import array_identity

if TYPE_CHECKING:
    import onnx

INPUT = "image"
OUTPUT = "logits"
# The first in which Gelu is one operator; its parts overflow float16.
_OPSET = 20
_IR_VERSION = 9
_BORDERS = {"reflect": "reflect", "replicate": "edge", "zero": "constant", "constant": "constant"}

Node = dict[str, Any]
LayerType = Literal["float32", "float16", "int8"]


def export_onnx(
    graph: dict[str, Any],
    weights: dict[str, npt.NDArray[Any]],
    types: Mapping[str, LayerType] | None = None,
    scales: Mapping[str, float] | None = None,
    expose: bool = False,
) -> onnx.ModelProto:
    """The network as ONNX.

    Vectors are planes of 1 x 1 here, so that every tensor has shape (N, C, H, W).

    Parameters
    ----------
    graph : dict
        As in ``csrc/ENGINE_FORMAT.md``.
    weights : dict of ndarray
        By the names in the graph.
    types : mapping of str, optional
        By layer, what it computes in. "int8" is for convolutions and linear layers: their input and
        weights go through QuantizeLinear and DequantizeLinear, their results are float16.
        Default: all compute in float32.
    scales : mapping of float, optional
        By tensor of the graph, the value of one step of int8; for the inputs of int8 layers.
    expose : bool
        Make the result of the graph's i-th node an output too, as float32 and named ``layer<i>``.

    Returns
    -------
    onnx.ModelProto
        Input ``image`` (N, C, H, W), float16 if nothing reads it as float32; output ``logits``
        (N, K, H', W') float32.
    """
    return _Exporter(graph, weights, types or {}, scales or {}).model(expose)


class _Exporter:
    def __init__(
        self,
        graph: dict[str, Any],
        weights: dict[str, npt.NDArray[Any]],
        types: Mapping[str, LayerType],
        scales: Mapping[str, float],
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.types = {node["name"]: types.get(node["name"], "float32") for node in graph["nodes"]}
        self.half = {name: kind != "float32" for name, kind in self.types.items()}
        self.scales = scales
        self.nodes: list[Any] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.equal: dict[tuple[Any, ...], str] = {}  # constants by content: nodes may share weights
        self.is_half: dict[str, bool] = {}
        self.casts: dict[tuple[str, bool], str] = {}

    def model(self, expose: bool) -> onnx.ModelProto:
        from onnx import TensorProto, helper, numpy_helper

        image = self.graph["input"]["name"]
        readers = [n for n in self.graph["nodes"] if image in n["inputs"]]
        self.is_half[INPUT] = all(self.half[n["name"]] for n in readers)
        self.names = {image: INPUT}
        for i, node in enumerate(self.graph["nodes"]):
            self.names[node["output"]] = f"t{i}"
            self.is_half[f"t{i}"] = self.half[node["name"]]
            _EXPORT[node["op"]](self, node, *[self.read(x, node) for x in node["inputs"]])
        result = self.names[self.graph["output"]]
        self.nodes.append(helper.make_node("Cast", [result], [OUTPUT], to=TensorProto.FLOAT))
        outputs = [OUTPUT]
        if expose:
            for i, node in enumerate(self.graph["nodes"]):
                inner, outer = self.names[node["output"]], f"layer{i}"
                self.nodes.append(helper.make_node("Cast", [inner], [outer], to=TensorProto.FLOAT))
                outputs.append(outer)
        channels = self.graph["input"]["channels"]
        kind = TensorProto.FLOAT16 if self.is_half[INPUT] else TensorProto.FLOAT
        made = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info(INPUT, kind, ["n", channels, "h", "w"])],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(
            made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )

    def read(self, tensor: str, node: Node) -> str:
        """A tensor in the type that `node` computes in."""
        from onnx import TensorProto, helper

        name, wanted = self.names[tensor], self.half[node["name"]]
        if self.is_half[name] == wanted:
            return name
        if (name, wanted) not in self.casts:
            cast = f"{name}_{'half' if wanted else 'float'}"
            kind = TensorProto.FLOAT16 if wanted else TensorProto.FLOAT
            self.nodes.append(helper.make_node("Cast", [name], [cast], to=kind))
            self.casts[name, wanted] = cast
        return self.casts[name, wanted]

    def values(self, node: Node, key: str, shape: tuple[int, ...] | None = None) -> str:
        """A weight as a constant of the node's type; '' if the node has none."""
        if key not in node:
            return ""
        value = np.asarray(self.weights[node[key]], np.float32)
        return self.constant(node, key, value if shape is None else value.reshape(shape))

    def constant(self, node: Node, key: str, value: npt.NDArray[Any]) -> str:
        if value.dtype == np.float32 and self.half[node["name"]]:
            with np.errstate(over="ignore"):  # infinities are found by whoever runs the network
                value = value.astype(np.float16)
        own = f"{self.names[node['output']]}.{key}"
        name = self.equal.setdefault(array_identity(value), own)
        if name == own:
            self.constants[name] = np.ascontiguousarray(value)
        return name

    def add(self, op: str, node: Node, inputs: list[str], out: str = "", **attributes: Any) -> str:
        """Append an operator; without `out` it gives the node's result."""
        from onnx import helper

        result = self.names[node["output"]]
        result = f"{result}.{out}" if out else result
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.nodes.append(helper.make_node(op, inputs, [result], name=result, **attributes))
        return result

    def kernel(self, node: Node, shape: tuple[int, ...] | None = None, axis: int = 0) -> str:
        """The node's weights; int8 with a scale for each output channel, which lies on `axis`."""
        if self.types[node["name"]] != "int8":
            return self.values(node, "weight", shape)
        value = np.asarray(self.weights[node["weight"]], np.float32)
        value = value if shape is None else value.reshape(shape)
        others = tuple(i for i in range(value.ndim) if i != axis)
        step = np.maximum(np.abs(value).max(axis=others, keepdims=True) / 127, 1e-12)
        steps = self.constant(node, "weight_scale", step.astype(np.float32).reshape(-1))
        whole = self.constant(node, "weight", np.rint(value / step).astype(np.int8))
        zero = self.constant(node, "weight_zero", np.zeros(step.size, np.int8))
        return self.add("DequantizeLinear", node, [whole, steps, zero], "weights", axis=axis)

    def quantised(self, node: Node, x: str) -> str:
        """`x` rounded to int8, if the node computes so."""
        if self.types[node["name"]] != "int8":
            return x
        scale = np.array(self.scales[node["inputs"][0]], np.float32)
        step = self.constant(node, "input_scale", scale)
        zero = self.constant(node, "input_zero", np.array(0, np.int8))
        whole = self.add("QuantizeLinear", node, [x, step, zero], "quantised")
        return self.add("DequantizeLinear", node, [whole, step, zero], "input")

    def border(self, node: Node, x: str, out: str = "") -> str:
        """`x` with the node's amounts of made-up pixels."""
        top, left, bottom, right = node["amounts"]
        pads = self.constant(node, "pads", np.array([0, 0, top, left, 0, 0, bottom, right]))
        fill = self.constant(node, "fill", np.array(node.get("border_value", 0), np.float32))
        mode = _BORDERS[node.get("border", "zero")]
        return self.add("Pad", node, [x, pads, fill if mode == "constant" else ""], out, mode=mode)

    def conv(self, node: Node, x: str) -> None:
        pads = node.get("amounts", [0, 0, 0, 0])
        if node.get("border", "zero") != "zero" and any(pads):
            x, pads = self.border(node, x, "padded"), [0, 0, 0, 0]
        x = self.quantised(node, x)
        self.add(
            "Conv", node, [x, self.kernel(node), self.values(node, "bias")],
            kernel_shape=node["kernel"], strides=node.get("stride", [1, 1]), pads=pads,
            dilations=node.get("dilation", [1, 1]), group=node.get("groups", 1),
        )  # fmt: skip

    def conv_transpose(self, node: Node, x: str) -> None:
        x = self.quantised(node, x)
        self.add(
            "ConvTranspose", node, [x, self.kernel(node, axis=1), self.values(node, "bias")],
            kernel_shape=node["kernel"], strides=node.get("stride", [1, 1]),
            pads=node.get("amounts", [0, 0, 0, 0]), group=node.get("groups", 1),
            output_padding=node.get("output_padding", [0, 0]),
        )  # fmt: skip

    def linear(self, node: Node, x: str) -> None:
        x = self.quantised(node, x)
        weight = self.kernel(node, (node["out_channels"], node["in_channels"], 1, 1))
        self.add("Conv", node, [x, weight, self.values(node, "bias")], kernel_shape=[1, 1])

    def affine(self, node: Node, x: str) -> None:
        scaled = self.add("Mul", node, [x, self.values(node, "weight", (1, -1, 1, 1))], "scaled")
        self.add("Add", node, [scaled, self.values(node, "bias", (1, -1, 1, 1))])

    def activation(self, node: Node, x: str) -> None:
        kind = node["kind"]
        alpha, beta = node.get("alpha", 0.0), node.get("beta", 0.0)
        if kind == "leaky_relu":
            self.add("LeakyRelu", node, [x], alpha=alpha)
        elif kind == "prelu":
            self.add("PRelu", node, [x, self.values(node, "weight", (-1, 1, 1))])
        elif kind == "elu":
            self.add("Elu", node, [x], alpha=alpha)
        elif kind == "silu":
            self.add("Mul", node, [x, self.add("Sigmoid", node, [x], "gate")])
        elif kind in ("gelu", "gelu_tanh"):
            self.add("Gelu", node, [x], approximate="tanh" if kind == "gelu_tanh" else "none")
        elif kind == "hard_sigmoid":
            self.add("HardSigmoid", node, [x], alpha=alpha, beta=beta)
        elif kind == "clip":
            limits = [
                self.constant(node, k, np.array(v, np.float32))
                for k, v in (("min", alpha), ("max", beta))
            ]
            self.add("Clip", node, [x, *limits])
        else:
            plain = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish",
                     "erf": "Erf"}  # fmt: skip
            self.add(plain[kind], node, [x])

    def pool(self, node: Node, x: str) -> None:
        shared = {
            "kernel_shape": node["kernel"], "strides": node.get("stride", [1, 1]),
            "pads": node.get("amounts", [0, 0, 0, 0]),
        }  # fmt: skip
        if node["op"] == "max_pool":
            self.add("MaxPool", node, [x], **shared)
        else:
            counted = int(node.get("count_include_pad", True))
            self.add("AveragePool", node, [x], count_include_pad=counted, **shared)

    def upsample(self, node: Node, x: str) -> None:
        # Scales are float32 whatever the data's type.
        name = f"{self.names[node['output']]}.scales"
        self.constants[name] = np.array([1, 1, *node["stride"]], np.float32)
        if node["op"] == "upsample_nearest":
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
                   "nearest_mode": "floor"}  # fmt: skip
        else:
            corners = node.get("align_corners", False)
            how = {"mode": "linear",
                   "coordinate_transformation_mode": "align_corners" if corners else "half_pixel"}  # fmt: skip
        self.add("Resize", node, [x, "", name], **how)

    def crop(self, node: Node, x: str) -> None:
        top, left, bottom, right = node["amounts"]
        end = np.iinfo(np.int64).max
        starts = self.constant(node, "starts", np.array([top, left]))
        ends = self.constant(node, "ends", np.array([-bottom or end, -right or end]))
        self.add("Slice", node, [x, starts, ends, self.constant(node, "axes", np.array([2, 3]))])

    def flatten(self, node: Node, x: str) -> None:
        self.add("Reshape", node, [x, self.constant(node, "shape", np.array([0, -1, 1, 1]))])


_EXPORT: dict[str, Callable[..., Any]] = {
    "conv2d": _Exporter.conv,
    "conv_transpose2d": _Exporter.conv_transpose,
    "linear": _Exporter.linear,
    "affine": _Exporter.affine,
    "activation": _Exporter.activation,
    "max_pool": _Exporter.pool,
    "avg_pool": _Exporter.pool,
    "global_avg_pool": lambda e, node, x: e.add("GlobalAveragePool", node, [x]),
    "upsample_nearest": _Exporter.upsample,
    "upsample_bilinear": _Exporter.upsample,
    "concat": lambda e, node, *x: e.add("Concat", node, list(x), axis=1),
    "add": lambda e, node, a, b: e.add("Add", node, [a, b]),
    "mul": lambda e, node, a, b: e.add("Mul", node, [a, b]),
    "crop": _Exporter.crop,
    "pad": _Exporter.border,
    "flatten": _Exporter.flatten,
    "softmax": lambda e, node, x: e.add("Softmax", node, [x], axis=1),
}

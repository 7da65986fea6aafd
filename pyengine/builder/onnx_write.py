"""Writes an ONNX graph, strongly typed: each layer in a type of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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
# Appends what computes one node from its inputs.
ExportFn: TypeAlias = "Callable[..., Any]"


class OnnxWriter:
    """Writes the nodes of a graph; the operators say as what.

    Parameters
    ----------
    graph, weights, types, scales
        As of `export_onnx`.
    operators : mapping of ExportFn
        By the name in the engine file; see `pyengine.builder.ops`.
    """

    def __init__(
        self,
        graph: dict[str, Any],
        weights: dict[str, npt.NDArray[Any]],
        types: Mapping[str, LayerType],
        scales: Mapping[str, float],
        operators: Mapping[str, ExportFn],
    ) -> None:
        self.operators = operators
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
            self.operators[node["op"]](self, node, *[self.read(x, node) for x in node["inputs"]])
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

    def number(self, node: Node, x: str) -> None:
        """The node's result from integers or truths."""
        from onnx import TensorProto

        half = self.half[node["name"]]
        self.add("Cast", node, [x], to=TensorProto.FLOAT16 if half else TensorProto.FLOAT)

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
        """`x` with the node's padding."""
        top, left, bottom, right = node["amounts"]
        pads = self.constant(node, "pads", np.array([0, 0, top, left, 0, 0, bottom, right]))
        fill = self.constant(node, "fill", np.array(node.get("border_value", 0), np.float32))
        mode = _BORDERS[node.get("border", "zero")]
        return self.add("Pad", node, [x, pads, fill if mode == "constant" else ""], out, mode=mode)

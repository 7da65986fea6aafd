"""Networks of int8 in the form QuantizeLinear, DequantizeLinear become networks of float.

Weights keep the values that int8 gave them. Values are no longer rounded to steps, but still
limited to what int8 could hold: quantisers leave it to the limits to do a ReLU's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.onnx_nodes import ONNX_DOMAINS, attributes_of, evaluate

if TYPE_CHECKING:
    import onnx

# Operators that move int8 values without changing them.
_MOVES = {
    "Identity", "MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice",
}  # fmt: skip


def dequantise(model: onnx.ModelProto) -> str:
    """Take all pairs of QuantizeLinear and DequantizeLinear out of a model.

    Returns
    -------
    str
        That it was done, for the build's report.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    if not any(node.op_type == "DequantizeLinear" for node in graph.node):
        return ""
    opset = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 0)
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    quantised: dict[str, tuple[Any, ...]] = {}  # by tensor, the scale and zero of its numbers
    nodes: list[onnx.NodeProto] = []
    limits = 0
    for node in graph.node:
        if node.op_type == "Constant":
            constants |= evaluate(node, constants, opset)
            nodes.append(node)
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            value = _dequantised(node, constants)
            if value is None:
                return ""  # the importer refuses it by name
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        elif node.op_type == "QuantizeLinear" and (step := _step(node, constants)) is not None:
            scale, zero, low, high = step
            quantised[node.output[0]] = (scale, zero)
            ends = []
            for end, number in (("low", (low - zero) * scale), ("high", (high - zero) * scale)):
                ends.append(f"{node.output[0]}.{end}")
                graph.initializer.append(
                    numpy_helper.from_array(np.array(number, np.float32), ends[-1])
                )
            nodes.append(
                helper.make_node("Clip", [node.input[0], *ends], node.output, name=node.name)
            )
            limits += 1
        elif node.op_type == "DequantizeLinear" and node.input[0] in quantised:
            step = _step(node, constants)
            if step is None or step[:2] != quantised[node.input[0]]:
                return ""  # the importer refuses it by name
            nodes.append(helper.make_node("Identity", [node.input[0]], node.output))
        else:
            if node.op_type in _MOVES and node.input[0] in quantised:
                quantised[node.output[0]] = quantised[node.input[0]]
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    _drop_unused(graph)
    return (
        f"the network's int8 was taken out at {limits} places: weights keep the values that int8 "
        "gave them, and values between layers are no longer rounded"
    )


def _step(node: onnx.NodeProto, constants: dict[str, Any]) -> tuple[float, int, int, int] | None:
    """Scale, zero and the least and largest number; None if they differ between channels."""
    scale = constants.get(node.input[1])
    zero = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else np.uint8(0)
    if scale is None or zero is None or np.size(scale) != 1 or np.size(zero) != 1:
        return None
    dtype = np.asarray(zero).dtype
    if not np.issubdtype(dtype, np.integer):
        return None
    ends = np.iinfo(dtype)
    return float(np.reshape(scale, ())), int(np.reshape(zero, ())), int(ends.min), int(ends.max)


def _dequantised(node: onnx.NodeProto, constants: dict[str, Any]) -> Any:
    """The float32 values of constants; None where blocks have scales of their own."""
    scale, zero = (
        np.asarray(constants[node.input[i]]) if len(node.input) > i and node.input[i] else None
        for i in (1, 2)
    )
    whole = np.asarray(constants[node.input[0]])
    assert scale is not None, "ONNX asks for it"
    if scale.ndim > 1:
        return None
    if scale.size > 1:
        axis = attributes_of(node).get("axis", 1)
        column = [-1 if i == axis % whole.ndim else 1 for i in range(whole.ndim)]
        scale = scale.reshape(column)
        zero = None if zero is None else zero.reshape(column)
    shifted = whole.astype(np.float32) - (0 if zero is None else zero.astype(np.float32))
    return shifted * scale.astype(np.float32)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Constants that nobody reads any longer."""
    read = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    kept = [t for t in graph.initializer if t.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)

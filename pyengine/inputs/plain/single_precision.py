"""Weights and values of half and double precision become float32, in which the engine computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def single_precision(model: onnx.ModelProto) -> str:
    """Make all floating-point tensors float32.

    Returns
    -------
    str
        Which types there were, for the build's report; empty if none.
    """
    from onnx import TensorProto

    names = {
        TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16",
        TensorProto.DOUBLE: "float64",
    }  # fmt: skip
    found: set[str] = set()
    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            _convert(tensor, names, found)
        for value in (*graph.input, *graph.output):
            kind = value.type.tensor_type
            if kind.elem_type in names:
                found.add(names[kind.elem_type])
                kind.elem_type = TensorProto.FLOAT
        del graph.value_info[:]
        for node in graph.node:
            _convert_node(node, names, found)
    # Some exporters keep a few constants of another precision in a float32 network.
    inputs = [names[t] for t in names if names[t] in found and names[t] != "float64"]
    if not inputs:
        return ""
    return (
        f"the network's {' and '.join(inputs)} numbers are computed with in float32, which "
        "is what it is compared in, too"
    )


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and the branches in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def _convert(tensor: onnx.TensorProto, names: dict[int, str], found: set[str]) -> None:
    from onnx import numpy_helper

    if tensor.data_type in names:
        found.add(names[tensor.data_type])
        value = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _convert_node(node: onnx.NodeProto, names: dict[int, str], found: set[str]) -> None:
    from onnx import TensorProto

    for attribute in node.attribute:
        if attribute.HasField("t"):
            _convert(attribute.t, names, found)
        elif attribute.name in ("to", "dtype", "stash_type") and attribute.i in names:
            attribute.i = TensorProto.FLOAT

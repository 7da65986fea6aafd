"""An ONNX graph at one image size: what follows from shapes and constants is computed away.

All shapes follow from the sample's, so whatever an exporter computes from shapes becomes a
constant here, by ONNX's own reference operators. What is left is what depends on the image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pyengine.onnx_nodes import ONNX_DOMAINS, Array, attributes_of, check_axes, evaluate

if TYPE_CHECKING:
    import onnx

# Their results differ from run to run, so they are no constants.
_RANDOM = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
    "Bernoulli",
}  # fmt: skip


@dataclass
class FoldedGraph:
    """What depends on the image, in order.

    Attributes
    ----------
    input : str
        Name of the image.
    outputs : list of str
    opset : int
        Of ONNX's own operators.
    nodes : list of onnx.NodeProto
        Each has an input that depends on the image.
    constants : dict of ndarray
        All other tensors that are known, by name.
    shapes : dict of tuple of int
        Of tensors that depend on the image, where they could be inferred.
    types : dict of int
        Of the same tensors, by ``onnx.TensorProto``'s numbers.
    failures : dict of str
        By the name of an output whose shape or value could not be found: why.
    """

    input: str
    outputs: list[str]
    opset: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def producers(self) -> dict[str, onnx.NodeProto]:
        """By tensor, the node that computes it."""
        return {name: node for node in self.nodes for name in node.output if name}

    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """By tensor, the nodes that read it."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(filter(None, node.input)):
                found.setdefault(name, []).append(node)
        return found


def fold(model: onnx.ModelProto, sample_shape: tuple[int, ...]) -> FoldedGraph:
    """Walk a model once, at one image size.

    Raises
    ------
    ValueError
        The model is no network from one image to tensors.
    """
    return _Folder(model, sample_shape).run()


class _Folder:
    def __init__(self, model: onnx.ModelProto, sample_shape: tuple[int, ...]) -> None:
        from onnx import TensorProto, numpy_helper

        graph = model.graph
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        inputs = [i for i in graph.input if i.name not in constants]
        if len(inputs) != 1 or len(graph.output) < 1:
            raise ValueError(f"the network must have one input, it has {[i.name for i in inputs]}")
        check_axes(inputs[0])
        opset = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 0)
        self.found = FoldedGraph(inputs[0].name, [o.name for o in graph.output], opset)
        self.found.constants = constants
        self.found.shapes[inputs[0].name] = sample_shape
        kind = inputs[0].type.tensor_type.elem_type
        self.found.types[inputs[0].name] = kind or TensorProto.FLOAT
        self.waiting = deque(needed(graph.node, self.found.outputs))

    def run(self) -> FoldedGraph:
        found = self.found
        while self.waiting:
            node = self.waiting.popleft()
            if node.op_type == "If" and node.input[0] in found.constants:
                self._take_branch(node)
            elif node.op_type in ("Shape", "Size") and node.input[0] in found.shapes:
                self._fold_shape(node)
            elif all(i in found.constants for i in node.input if i) and self._may_fold(node):
                self._fold(node)
            else:
                self._infer(node)
                found.nodes.append(node)
        return found

    def _may_fold(self, node: onnx.NodeProto) -> bool:
        return node.op_type not in _RANDOM and not any(a.HasField("g") for a in node.attribute)

    def _take_branch(self, node: onnx.NodeProto) -> None:
        """The branch that is taken at every image: its condition is a constant."""
        import onnx

        chosen = bool(self.found.constants[node.input[0]])
        branch = attributes_of(node)["then_branch" if chosen else "else_branch"]
        for tensor in branch.initializer:
            self.found.constants[tensor.name] = onnx.numpy_helper.to_array(tensor)
        same = [
            onnx.helper.make_node("Identity", [inner.name], [outer], name=node.name)
            for inner, outer in zip(branch.output, node.output, strict=True)
        ]
        self.waiting.extendleft(reversed([*branch.node, *same]))

    def _fold_shape(self, node: onnx.NodeProto) -> None:
        shape = np.array(self.found.shapes[node.input[0]], np.int64)
        if node.op_type == "Size":
            self.found.constants[node.output[0]] = np.array(shape.prod(), np.int64)
            return
        attributes = attributes_of(node)
        start, end = attributes.get("start", 0), attributes.get("end", len(shape))
        self.found.constants[node.output[0]] = shape[start:end]

    def _fold(self, node: onnx.NodeProto) -> None:
        try:
            values = evaluate(node, self.found.constants, self.found.opset)
        except Exception as error:
            self.found.failures[node.output[0]] = f"a constant could not be computed ({error})"
            self.found.nodes.append(node)
            return
        self.found.constants.update(values)

    def _infer(self, node: onnx.NodeProto) -> None:
        """Shapes and types of a node's outputs, from its inputs; constants are known by value."""
        import onnx
        from onnx import numpy_helper

        types, data = {}, {}
        for name in filter(None, node.input):
            value = self.found.constants.get(name)
            if value is None:
                if name not in self.found.shapes:
                    return  # the node that made it is refused
                kind, shape = self.found.types[name], self.found.shapes[name]
            else:
                kind, shape = onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
                data[name] = numpy_helper.from_array(value, name)
            types[name] = onnx.helper.make_tensor_type_proto(kind, shape)
        try:
            schema = onnx.defs.get_schema(node.op_type, self.found.opset, node.domain)
            outputs = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data,
                opset_imports=[onnx.helper.make_opsetid("", self.found.opset)],
            )  # fmt: skip
        except Exception as error:
            self.found.failures[node.output[0]] = (
                f"its output's shape could not be inferred ({error})"
            )
            return
        for name, kind in outputs.items():
            dims = kind.tensor_type.shape.dim
            if kind.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
                self.found.shapes[name] = tuple(d.dim_value for d in dims)
                self.found.types[name] = kind.tensor_type.elem_type


def needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs depend on, in their order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(_reads(node))
            kept.append(node)
    return kept[::-1]


def _reads(node: onnx.NodeProto) -> set[str]:
    """What a node reads, its branches included."""
    names = set(filter(None, node.input))
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names |= _reads(inner)
            names.update(o.name for o in attribute.g.output)
    return names

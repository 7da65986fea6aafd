"""Walks an ONNX graph: constants by value, shapes by inference, operators by name.

Shapes are static (the sample shape), so whatever the exporter computes from shapes folds to
constants here, by ONNX's own reference operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.builder.graph import GraphBuilder

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
# Translates one node with these attributes.
ImportFn: TypeAlias = "Callable[[OnnxWalker, onnx.NodeProto, dict[str, Any]], None]"

_WHOLE_IMAGE = {
    "InstanceNormalization": "normalises with the mean and variance of the whole image",
    "GroupNormalization": "normalises with the mean and variance of the whole image",
    "LayerNormalization": "normalises with the mean and variance of the whole image",
    "Attention": "mixes all pixels of the image",
    "GlobalMaxPool": "takes the maximum over the whole image",
}


def refuse(node: onnx.NodeProto, why: str = "") -> _core.UnsupportedError:
    """The error for an operator that the CPU executor does not run, by name."""
    name = node.name or (node.output[0] if node.output else "?")
    reason = f": {why}" if why else ""
    text = f"operator {node.op_type} ('{name}') is not one that the CPU executor runs{reason}"
    if node.op_type in _WHOLE_IMAGE:
        text += f". It {_WHOLE_IMAGE[node.op_type]}, so the network cannot be tiled exactly either"
    return _core.UnsupportedError(
        text + ". onnxruntime runs the ONNX file as it is; pyengine cannot build it yet"
    )


class OnnxWalker:
    """Visits nodes in order, and lets the operators translate them.

    Parameters
    ----------
    model : onnx.ModelProto
    sample_shape : tuple of int
        (1, C, H, W); all shapes follow from it.
    operators : mapping of ImportFn
        By ONNX's name of the operator; see `pyengine.builder.ops`.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        sample_shape: tuple[int, ...],
        operators: Mapping[str, ImportFn],
    ) -> None:
        from onnx import numpy_helper

        self.operators = operators
        graph = model.graph
        self.constants: dict[str, Array] = {
            t.name: numpy_helper.to_array(t) for t in graph.initializer
        }
        inputs = [i for i in graph.input if i.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) < 1:
            raise ValueError(f"the network must have one input, it has {[i.name for i in inputs]}")
        dims = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
        if len(dims) != 4:
            raise ValueError(f"the network's input must have 4 axes (N, C, H, W), it has {dims}")
        self.shapes: dict[str, tuple[int, ...]] = {inputs[0].name: sample_shape}
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
        self.nodes = list(graph.node)
        self.alias: dict[str, str] = {}
        self.builder = GraphBuilder(inputs[0].name, sample_shape[1])
        self.tensors = {inputs[0].name}
        self.outputs = [value.name for value in graph.output]

    def run(self) -> GraphBuilder:
        for node in self.nodes:
            self._node(node)
        self.builder.outputs = [self._tensor_name(name) for name in self.outputs]
        for name, tensor in zip(self.outputs, self.builder.outputs, strict=True):
            if tensor not in self.tensors:
                raise ValueError(f"the network's output '{name}' does not depend on the image")
        self.builder.output = self.builder.outputs[0]
        return self.builder

    # -- helpers -------------------------------------------------------------------------------

    def _tensor_name(self, name: str) -> str:
        while name in self.alias:
            name = self.alias[name]
        return name

    def shape(self, node: onnx.NodeProto, name: str) -> tuple[int, ...]:
        if name in self.constants:
            return self.constants[name].shape
        if name not in self.shapes:
            raise refuse(node, f"the shape of '{name}' is not known at build time")
        return self.shapes[name]

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> Array:
        name = node.input[index]
        if name not in self.constants:
            raise refuse(node, f"{what} must be a constant")
        return self.constants[name]

    def optional(self, node: onnx.NodeProto, index: int) -> Array | None:
        if len(node.input) <= index or not node.input[index]:
            return None
        return self.constant(node, index, f"input {index}")

    def emit(
        self, node: onnx.NodeProto, op: str, inputs: list[str] | None = None, **attr: Any
    ) -> None:
        sources = [self._tensor_name(i) for i in (inputs or [node.input[0]])]
        name = node.name or f"{op}_{len(self.builder.nodes)}"
        self.builder.add(op, name, sources, node.output[0], **attr)
        self.tensors.add(node.output[0])

    def pass_through(self, node: onnx.NodeProto) -> None:
        self.alias[node.output[0]] = self._tensor_name(node.input[0])

    # -- dispatch ------------------------------------------------------------------------------

    def _node(self, node: onnx.NodeProto) -> None:
        live = [i for i in node.input if i and i not in self.constants]
        if node.op_type == "Shape" and node.input[0] in self.shapes:
            attributes = attributes_of(node)
            shape = np.array(self.shapes[node.input[0]], np.int64)
            start, end = attributes.get("start", 0), attributes.get("end", len(shape))
            self.constants[node.output[0]] = shape[start:end]
        elif not live:
            self._fold(node)
        else:
            handler = self.operators.get(node.op_type)
            if handler is None or node.domain not in ("", "ai.onnx"):
                raise refuse(node)
            self._infer(node)
            handler(self, node, attributes_of(node))

    def _infer(self, node: onnx.NodeProto) -> None:
        """Shapes of a node's outputs, from its inputs; constants are known by value."""
        import onnx
        from onnx import numpy_helper

        types, data = {}, {}
        for name in filter(None, node.input):
            value = self.constants.get(name)
            dtype = np.dtype(np.float32) if value is None else value.dtype
            shape = self.shapes.get(name) if value is None else value.shape
            types[name] = onnx.helper.make_tensor_type_proto(
                onnx.helper.np_dtype_to_tensor_dtype(dtype), shape
            )
            if value is not None:
                data[name] = numpy_helper.from_array(value, name)
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opset, node.domain)
            outputs = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data,
                opset_imports=[onnx.helper.make_opsetid("", self.opset)],
            )  # fmt: skip
        except Exception as error:
            raise refuse(node, f"its output's shape could not be inferred ({error})") from error
        for name, kind in outputs.items():
            dims = kind.tensor_type.shape.dim
            if kind.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
                self.shapes[name] = tuple(d.dim_value for d in dims)

    def _fold(self, node: onnx.NodeProto) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        # An unnamed graph around the node: constants become its inputs.
        names = [i for i in node.input if i]
        graph = onnx.helper.make_graph(
            [node],
            "fold",
            [
                onnx.helper.make_tensor_value_info(
                    n, onnx.helper.np_dtype_to_tensor_dtype(self.constants[n].dtype), None
                )
                for n in dict.fromkeys(names)
            ],
            [onnx.ValueInfoProto(name=o) for o in node.output if o],
        )
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", self.opset)]
        )
        try:
            values = ReferenceEvaluator(model).run(None, {n: self.constants[n] for n in names})
        except Exception as error:
            raise refuse(node, f"a constant could not be computed ({error})") from error
        for output, value in zip([o for o in node.output if o], values, strict=True):
            self.constants[output] = np.asarray(value)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}

"""Walks a folded ONNX graph, and lets the operators translate its nodes one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pyengine.builder import axes as looks
from pyengine.builder.axes import Axes
from pyengine.builder.graph import GraphBuilder
from pyengine.builder.onnx_fold import FoldedGraph
from pyengine.builder.refusal import refuse
from pyengine.onnx_nodes import ONNX_DOMAINS, Array, attributes_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Array", "ImportFn", "OnnxWalker", "Stored", "Value", "refuse"]

# Translates one node with these attributes.
ImportFn: TypeAlias = "Callable[[OnnxWalker, onnx.NodeProto, dict[str, Any]], None]"

SettleFn: TypeAlias = "Callable[[OnnxWalker, onnx.NodeProto, Value], Value]"


@dataclass(frozen=True)
class Stored:
    """A tensor of the engine at the sample's size: planes, or a vector."""

    channels: int
    height: int
    width: int
    vector: bool = False
    depth: int | None = None  # slices of a volume

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W), or (D, H, W)."""
        plane = (self.height, self.width)
        return plane if self.depth is None else (self.depth, *plane)

    @property
    def axes(self) -> Axes:
        """The look (N, C, H, W), or (N, C, D, H, W)."""
        return looks.planes(self.channels, *self.size)

    def resized(self, size: Sequence[int]) -> Stored:
        """As many channels, of another size."""
        depth = None if self.depth is None else size[0]
        return replace(self, height=size[-2], width=size[-1], depth=depth)


@dataclass(frozen=True)
class Value:
    """An ONNX tensor that depends on the image.

    Attributes
    ----------
    tensor : str
        What holds it, in the graph that is being built.
    stored : Stored
    axes : Axes
        How ONNX looks at it.
    """

    tensor: str
    stored: Stored
    axes: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        """As ONNX sees it."""
        return tuple(looks.length(axis) for axis in self.axes)


class OnnxWalker:
    """Visits nodes in order, and lets the operators translate them.

    Parameters
    ----------
    graph : FoldedGraph
    operators : mapping of ImportFn
        By ONNX's name of the operator; see `pyengine.builder.ops`.
    settle : callable
        Moves the values of a tensor until its look is (N, C, H, W); see `pyengine.builder.ops.move`.
    """

    def __init__(
        self, graph: FoldedGraph, operators: Mapping[str, ImportFn], settle: SettleFn
    ) -> None:
        self.graph = graph
        self.operators = operators
        self.settle = settle
        self.constants = graph.constants
        self.opset = graph.opset
        _, channels, *size = graph.shapes[graph.input]
        self.spatial = len(size)  # axes: 2, or 3 of volumes
        self.builder = GraphBuilder(graph.input, channels, volume=self.spatial == 3)
        image = self.of_size(channels, size)
        # By the name of a MaxPool's indices: what was pooled, and how.
        self.pooled: dict[str, tuple[Value, dict[str, Any]]] = {}
        self.values: dict[str, Value] = {graph.input: Value(graph.input, image, image.axes)}

    def run(self) -> GraphBuilder:
        """The graph for all outputs; `GraphBuilder.output` is the first."""
        for node in self.graph.nodes:
            self._node(node)
        for name in self.graph.outputs:
            if name not in self.values:
                raise ValueError(f"the network's output '{name}' does not depend on the image")
        self.builder.outputs = [self.result(name) for name in self.graph.outputs]
        self.builder.output = self.builder.outputs[0]
        return self.builder

    def _node(self, node: onnx.NodeProto) -> None:
        handler = self.operators.get(node.op_type)
        if handler is None or node.domain not in ONNX_DOMAINS:
            raise refuse(node)
        if why := self.graph.failures.get(node.output[0]):
            raise refuse(node, why)
        handler(self, node, attributes_of(node))

    # -- what a node reads -----------------------------------------------------------------------

    def shape(self, node: onnx.NodeProto, name: str) -> tuple[int, ...]:
        if name in self.constants:
            return self.constants[name].shape
        if name not in self.graph.shapes:
            raise refuse(node, f"the shape of '{name}' is not known at build time")
        return self.graph.shapes[name]

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> Array:
        name = node.input[index]
        if name not in self.constants:
            raise refuse(node, f"{what} must be a constant")
        return self.constants[name]

    def optional(self, node: onnx.NodeProto, index: int) -> Array | None:
        if len(node.input) <= index or not node.input[index]:
            return None
        return self.constant(node, index, f"input {index}")

    def setting(self, node: onnx.NodeProto, a: dict[str, Any], name: str, index: int) -> Any:
        """What newer opsets have as an input, and older ones as an attribute; None if neither."""
        if name in a:
            return a[name]
        value = self.optional(node, index)
        return None if value is None else value.tolist()

    def value(self, node: onnx.NodeProto, index: int = 0) -> Value:
        """An input that depends on the image."""
        name = node.input[index]
        if name not in self.values:
            raise refuse(node, f"its input '{name}' is a constant, it must depend on the image")
        return self.values[name]

    def planes(self, node: onnx.NodeProto, index: int = 0) -> Value:
        """An input as (N, C, H, W), its values moved if they lie in another order."""
        value = self.value(node, index)
        if len(value.axes) != self.spatial + 2:
            spatial = len(value.axes) - 2
            raise refuse(node, f"it has {spatial} spatial axes, {self.spatial} are supported")
        return self.settle(self, node, value)

    def result(self, name: str) -> str:
        """The tensor that holds an output of the network, as (N, C, H, W) or fewer axes."""
        value = self.values[name]
        node = self.graph.producers().get(name)
        if node is None or value.axes == value.stored.axes:
            return value.tensor
        if len(value.axes) == self.spatial + 2:
            return self.settle(self, node, value).tensor
        if [axis for axis in value.axes if axis] != [axis for axis in value.stored.axes if axis]:
            raise refuse(node, f"the network's output has shape {value.shape}")
        return value.tensor

    # -- what a node writes ----------------------------------------------------------------------

    def emit(
        self,
        node: onnx.NodeProto,
        op: str,
        inputs: Sequence[Value],
        stored: Stored,
        axes: Axes | None = None,
        output: int = 0,
        **attributes: Any,
    ) -> Value:
        """Append what computes an output of `node`; `axes` are (N, C, H, W) by default."""
        made = self.append(node, op, inputs, stored, node.output[output], **attributes)
        return self.alias(node, replace(made, axes=stored.axes if axes is None else axes), output)

    def append(
        self,
        node: onnx.NodeProto,
        op: str,
        inputs: Sequence[Value],
        stored: Stored,
        tensor: str = "",
        **attributes: Any,
    ) -> Value:
        """Append an operator of the engine; without `tensor`, as a step towards the node's result."""
        count = len(self.builder.nodes)
        name = node.name or f"{op}_{count}"
        if not tensor:
            tensor, name = f"{node.output[0]}/{op}_{count}", f"{name}/{op}_{count}"
        self.builder.add(op, name, [v.tensor for v in inputs], tensor, **attributes)
        self.builder.channels_of[tensor] = stored.channels
        return Value(tensor, stored, stored.axes)

    def alias(self, node: onnx.NodeProto, value: Value, output: int = 0) -> Value:
        """An output of `node` is this value."""
        self.values[node.output[output]] = value
        return value

    def like(self, node: onnx.NodeProto, op: str, value: Value, **attributes: Any) -> Value:
        """Append what treats all values of `value` in their places."""
        return self.emit(node, op, [value], value.stored, value.axes, **attributes)

    def output_planes(self, node: onnx.NodeProto, output: int = 0) -> Stored:
        """What an operator on planes gives, from ONNX's own shape (N, C, H, W)."""
        _, channels, *size = self.shape(node, node.output[output])
        return self.of_size(channels, size)

    def of_size(self, channels: int, size: Sequence[int], vector: bool = False) -> Stored:
        """What is stored of a tensor (N, C, H, W), or (N, C, D, H, W)."""
        depth = size[0] if self.spatial == 3 else None
        return Stored(channels, size[-2], size[-1], vector, depth)

    def vector(self, channels: int) -> Stored:
        """One number per channel."""
        return self.of_size(channels, [1] * self.spatial, True)

    def word(self, word: str) -> str:
        """An operator's word in the engine file: conv2d is conv3d in volumes."""
        return looks.VOLUME_WORDS.get(word, word) if self.spatial == 3 else word

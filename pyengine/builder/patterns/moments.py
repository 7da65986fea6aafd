"""A norm in parts: the mean is subtracted, then the root of the mean square divides.

Exporters and hand-written layers spell it in several ways; each ends in a Div by, or a Mul with the
reciprocal of, Sqrt(ReduceMean(square of (x - ReduceMean(x))) + epsilon). TensorFlow writes
x * s + (b - mean * s), where s is that reciprocal, or its product with a scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_fold import FoldedGraph
from pyengine.onnx_nodes import attributes_of

if TYPE_CHECKING:
    import onnx


@dataclass
class _Found:
    image: str  # the tensor that is normalised
    axes: list[int]
    epsilon: float


def join_moments(graph: FoldedGraph) -> None:
    """Replace each Div or Mul that ends such a norm by one node ``Moments``."""
    import onnx

    matcher = _Matcher(graph)
    nodes = []
    joined = False
    for node in graph.nodes:
        found = matcher.norm(node)
        if found is None and (parts := matcher.scaled(node)) is not None:
            joined = True
            found, scale, shift = parts
            normal, scaled = f"{node.output[0]}/normal", f"{node.output[0]}/scaled"
            graph.shapes[normal] = graph.shapes[scaled] = graph.shapes[node.output[0]]
            nodes += [
                onnx.helper.make_node(
                    "Moments", [found.image], [normal], name=f"{node.name}/normal",
                    axes=found.axes, epsilon=found.epsilon,
                ),
                onnx.helper.make_node("Mul", [normal, scale], [scaled], name=f"{node.name}/scaled")
                if scale
                else onnx.helper.make_node("Identity", [normal], [scaled]),
            ]  # fmt: skip
            node = onnx.helper.make_node("Add", [scaled, shift], node.output, name=node.name)
        elif found is not None:
            joined = True
            node = onnx.helper.make_node(
                "Moments", [found.image], node.output, name=node.name, axes=found.axes,
                epsilon=found.epsilon,
            )  # fmt: skip
        nodes.append(node)
    if joined:
        graph.nodes = used(nodes, graph.outputs)


def used(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """Nodes whose results somebody reads."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


class _Matcher:
    def __init__(self, graph: FoldedGraph) -> None:
        self.graph = graph
        self.producers = graph.producers()

    def norm(self, node: onnx.NodeProto) -> _Found | None:
        """What a node normalises, if it is the last of a norm's."""
        if node.op_type == "Div":
            return self._pair(node.input[0], node.input[1], False)
        if node.op_type == "Mul":
            a, b = node.input
            return self._pair(a, b, True) or self._pair(b, a, True)
        return None

    def scaled(self, node: onnx.NodeProto) -> tuple[_Found, str, str] | None:
        """What ``x * s + (b - mean * s)`` normalises, its scale (or "") and its shift b."""
        if node.op_type != "Add":
            return None
        for first, second in (node.input, reversed(list(node.input))):
            product, rest = self._made(first, "Mul"), self._made(second, "Sub")
            if product is None or rest is None or rest.input[0] not in self.graph.constants:
                continue
            back = self._made(rest.input[1], "Mul")
            if back is None:
                continue
            for image, factor in (product.input, reversed(list(product.input))):
                means = [name for name in back.input if name != factor]
                if factor not in back.input or len(means) != 1:
                    continue
                inverse, scale = self._inverse(factor)
                found = None if inverse is None else self._deviation(image, means[0], inverse)
                if found is not None:
                    return found, scale, rest.input[0]
        return None

    def _inverse(self, factor: str) -> tuple[str | None, str]:
        """The tensor whose reciprocal a factor is, and the constant that it is multiplied by."""
        plain = self._made(factor, "Reciprocal")
        if plain is not None:
            return plain.input[0], ""
        product = self._made(factor, "Mul")
        for name, constant in (product.input, product.input[::-1]) if product is not None else ():
            inverse = self._made(name, "Reciprocal")
            if inverse is not None and constant in self.graph.constants:
                return inverse.input[0], constant
        return None, ""

    def _pair(self, centred: str, deviation: str, reciprocal: bool) -> _Found | None:
        difference = self._made(centred, "Sub")
        if difference is None:
            return None
        if reciprocal:
            inverse = self._made(deviation, "Reciprocal")
            if inverse is None:
                return None
            deviation = inverse.input[0]
        image, mean = difference.input
        return self._deviation(image, mean, deviation)

    def _deviation(self, image: str, mean: str, deviation: str) -> _Found | None:
        """The norm, if a tensor is the root of the variance around this mean."""
        root = self._made(deviation, "Sqrt")
        total = self._made(root.input[0], "Add") if root is not None else None
        if total is None:
            return None
        axes = self._mean_axes(mean, image)
        for variance, constant in (total.input, reversed(list(total.input))):
            epsilon = self.graph.constants.get(constant)
            if epsilon is None or np.size(epsilon) != 1 or axes is None:
                continue
            if self._is_variance(variance, image, mean, axes):
                return _Found(image, axes, float(np.reshape(epsilon, ())))
        return None

    def _is_variance(self, name: str, image: str, mean: str, axes: list[int]) -> bool:
        node = self._made(name, "ReduceMean")
        if node is None or self._axes(node) != axes:
            return False
        square = self.producers.get(node.input[0])
        if square is None:
            return False
        if square.op_type == "Pow":
            power = self.graph.constants.get(square.input[1])
            if power is None or np.any(power != 2):
                return False
        elif square.op_type != "Mul" or square.input[0] != square.input[1]:
            return False
        difference = self._made(square.input[0], "Sub")
        return difference is not None and list(difference.input) == [image, mean]

    def _mean_axes(self, mean: str, image: str) -> list[int] | None:
        node = self._made(mean, "ReduceMean")
        if node is None or node.input[0] != image:
            return None
        return self._axes(node)

    def _axes(self, node: onnx.NodeProto) -> list[int] | None:
        a: dict[str, Any] = attributes_of(node)
        if not a.get("keepdims", 1):
            return None
        rank = len(self.graph.shapes[node.input[0]])
        axes = a.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1]:
            value = self.graph.constants.get(node.input[1])
            axes = None if value is None else value.tolist()
        return sorted(int(x) % rank for x in axes) if axes else None

    def _made(self, name: str, op: str) -> onnx.NodeProto | None:
        node = self.producers.get(name)
        while node is not None and node.op_type in ("Identity", "Cast"):
            node = self.producers.get(node.input[0])
        return node if node is not None and node.op_type == op else None

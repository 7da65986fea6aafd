"""Operators that only change how the same values are looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyengine.builder.axes import Axis, Part, length, merged, reshaped
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, refuse

if TYPE_CHECKING:
    import onnx


def import_identity(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.alias(node, w.value(node))


def import_transpose(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    order = a.get("perm", range(len(value.axes))[::-1])
    w.alias(node, replace(value, axes=tuple(value.axes[i] for i in order)))


def import_reshape(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    target = w.shape(node, node.output[0])
    axes = reshaped(value.axes, target)
    if axes is None:
        raise refuse(node, f"from {value.shape} to {target}")
    w.alias(node, replace(value, axes=axes))


def import_expand(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    target = w.shape(node, node.output[0])
    axes = ((),) * (len(target) - len(value.axes)) + value.axes
    repeated = [
        axis if length(axis) == n else (Part("*", 0, n),)
        for axis, n in zip(axes, target, strict=True)
    ]
    w.alias(node, replace(value, axes=tuple(repeated)))


def import_tile(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    times = w.constant(node, 1, "how often it repeats").tolist()

    def repeated(axis: Axis, n: int) -> Axis:
        return merged((Part("*", 0, n), *axis))

    axes = tuple(repeated(axis, n) for axis, n in zip(value.axes, times, strict=True))
    w.alias(node, replace(value, axes=axes))


# By ONNX's name of the operator.
IMPORT: dict[str, ImportFn] = {
    "Identity": import_identity,
    "Dropout": import_identity,
    "Transpose": import_transpose,
    "Reshape": import_reshape,
    "Flatten": import_reshape,
    "Squeeze": import_reshape,
    "Unsqueeze": import_reshape,
    "Expand": import_expand,
    "Tile": import_tile,
}
EXPORT: dict[str, Any] = {}

"""Pooling: maxima and means of windows, and of whole planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.conv import pads_of

if TYPE_CHECKING:
    import onnx


def _pool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], op: str, **values: Any) -> None:
    kernel, stride = a["kernel_shape"], a.get("strides", [1, 1])
    if len(kernel) != 2:
        raise refuse(node, f"it has {len(kernel)} spatial axes, 2 are supported")
    if any(d != 1 for d in a.get("dilations", [1, 1])):
        raise refuse(node, "dilation is not supported")
    pads = pads_of(w, node, a, kernel, stride, [1, 1])
    if a.get("ceil_mode", 0):
        for axis, size in enumerate(w.shape(node, node.input[0])[2:]):
            if (size + pads[axis] + pads[axis + 2] - kernel[axis]) % stride[axis]:
                raise refuse(node, "ceil_mode changes its output size")
    w.emit(node, op, kernel=list(kernel), stride=list(stride), amounts=pads, **values)


def import_maxpool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _pool(w, node, a, "max_pool")


def import_averagepool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _pool(w, node, a, "avg_pool", count_include_pad=bool(a.get("count_include_pad", 0)))


def import_globalaveragepool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.emit(node, "global_avg_pool")


def import_reducemean(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    axes = a.get("axes")
    if axes is None:
        given = w.optional(node, 1)
        axes = [] if given is None else given.tolist()
    if sorted(x % 4 for x in axes) != [2, 3]:
        raise refuse(node, f"it averages over axes {axes}, only both spatial axes are supported")
    w.emit(node, "global_avg_pool")


def export_pool(e: OnnxWriter, node: Node, x: str) -> None:
    shared = {
        "kernel_shape": node["kernel"], "strides": node.get("stride", [1, 1]),
        "pads": node.get("amounts", [0, 0, 0, 0]),
    }  # fmt: skip
    if node["op"] == "max_pool":
        e.add("MaxPool", node, [x], **shared)
    else:
        counted = int(node.get("count_include_pad", True))
        e.add("AveragePool", node, [x], count_include_pad=counted, **shared)


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "MaxPool": import_maxpool,
    "AveragePool": import_averagepool,
    "GlobalAveragePool": import_globalaveragepool,
    "ReduceMean": import_reducemean,
}
EXPORT: dict[str, ExportFn] = {
    "max_pool": export_pool,
    "avg_pool": export_pool,
    "global_avg_pool": lambda e, node, x: e.add("GlobalAveragePool", node, [x]),
}

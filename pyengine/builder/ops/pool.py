"""Pooling: maxima and means of windows, and of whole planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine import _core
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
    if node["op"] == "pool":
        shared |= {"dilations": node.get("dilation", [1, 1]),
                   "ceil_mode": int(node.get("ceil_mode", False))}  # fmt: skip
    if node["op"] == "max_pool" or node.get("kind") == "max":
        e.add("MaxPool", node, [x], **shared)
    else:
        counted = int(node.get("count_include_pad", True))
        e.add("AveragePool", node, [x], count_include_pad=counted, **shared)


def export_adaptive_pool(e: OnnxWriter, node: Node, x: str) -> None:
    raise _core.UnsupportedError(
        f"adaptive_pool ('{node['name']}') has no form in ONNX that fits images of every size"
    )


def _square_blocks(node: Node) -> int:
    kernel, stride = node["kernel"], node.get("stride", [1, 1])
    if kernel != stride or kernel[0] != kernel[1] or any(node.get("amounts", [0, 0, 0, 0])):
        raise _core.UnsupportedError(
            f"{node['op']} ('{node['name']}') goes to ONNX for square windows side by side alone, "
            f"it has a kernel of {kernel}, strides of {stride} and padding of {node.get('amounts')}"
        )
    return int(kernel[0])


def export_max_pool_indices(e: OnnxWriter, node: Node, x: str) -> None:
    block = _square_blocks(node)
    taps = e.add("SpaceToDepth", node, [x], "taps", blocksize=block)  # tap * channels + channel
    size = e.add("Shape", node, [taps], "size", start=2)
    tall = e.add(
        "Concat", node, [e.constant(node, "split", np.array([0, block * block, -1])), size],
        "tall", axis=0,
    )  # fmt: skip
    apart = e.add("Reshape", node, [taps, tall], "apart")
    e.number(node, e.add("ArgMax", node, [apart], "index", axis=1, keepdims=0))


def export_max_unpool(e: OnnxWriter, node: Node, x: str, indices: str, *like: str) -> None:
    block = _square_blocks(node)
    zero = e.constant(node, "zero", np.array(0, np.float32))
    taps = []
    for tap in range(block * block):
        number = e.constant(node, f"tap{tap}", np.array(tap, np.float32))
        here = e.add("Equal", node, [indices, number], f"here{tap}")
        taps.append(e.add("Where", node, [here, x, zero], f"at{tap}"))
    e.add("DepthToSpace", node, [e.add("Concat", node, taps, "taps", axis=1)], blocksize=block)


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
    "pool": export_pool,
    "adaptive_pool": export_adaptive_pool,
    "max_pool_indices": export_max_pool_indices,
    "max_unpool": export_max_unpool,
}

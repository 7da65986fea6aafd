"""Pooling: maxima and means of windows, and of whole planes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine import _core
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.conv import pads_of
from pyengine.builder.ops.reduce import pixels, reduced

if TYPE_CHECKING:
    import onnx


def _pool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], kind: str, **more: Any) -> None:
    kernel = list(a["kernel_shape"])
    spatial = len(kernel)
    if spatial != w.spatial:
        raise refuse(node, f"it has {spatial} spatial axes, {w.spatial} are supported")
    value = w.planes(node)
    ones = [1] * spatial
    stride, dilation = list(a.get("strides", ones)), list(a.get("dilations", ones))
    pads = pads_of(w, node, a, kernel, stride, dilation)
    ceil = False
    if a.get("ceil_mode", 0):
        for axis, size in enumerate(value.shape[2:]):
            taps = (kernel[axis] - 1) * dilation[axis] + 1
            ceil |= (size + pads[axis] + pads[axis + spatial] - taps) % stride[axis] != 0
    if _takes_all(value, kernel, pads) and not any(node.output[1:]):
        how = "max" if kind == "max_pool" else "mean"
        w.alias(node, reduced(w, node, value, how, pixels(value), node.output[0]))
        return
    stored = replace(w.output_planes(node), vector=value.stored.vector)
    fields = {"kernel": kernel, "stride": stride, "amounts": pads, **more}
    if ceil or dilation != ones:
        word = {"max_pool": "max", "avg_pool": "mean"}[kind]
        fields |= {"ceil_mode": ceil, "dilation": dilation}
        w.emit(node, "pool", [value], stored, kind=word, **fields)
    else:
        w.emit(node, kind, [value], stored, **fields)
    if len(node.output) > 1 and node.output[1]:
        if dilation != ones:
            raise refuse(node, "it gives indices, and its taps are dilated")
        if ceil:
            fields.pop("dilation", None)
        w.emit(node, "max_pool_indices", [value], stored, output=1, **fields)
        w.pooled[node.output[1]] = (value, {"kernel": kernel, "stride": stride, "amounts": pads})


def _takes_all(value: Value, kernel: list[int], pads: list[int]) -> bool:
    """Whether one window holds the whole plane: exporters write global pooling so."""
    size = list(value.stored.size)
    return kernel == size and not value.stored.vector and max(size) > 1 and not any(pads)


def import_maxpool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _pool(w, node, a, "max_pool")


def import_averagepool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _pool(w, node, a, "avg_pool", count_include_pad=bool(a.get("count_include_pad", 0)))


def import_maxunpool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if node.input[1] not in w.pooled:
        raise refuse(node, "its indices must be those of a MaxPool")
    pooled, how = w.pooled[node.input[1]]
    value, indices = w.planes(node), w.values[node.input[1]]
    stored = w.output_planes(node)
    if stored.size != pooled.stored.size:
        raise refuse(node, f"to {stored.size}, not the size that was pooled")
    w.emit(node, "max_unpool", [value, indices, pooled], stored, **how)


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
    "MaxUnpool": import_maxunpool,
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

"""Many numbers become one: over the channels of a pixel, or over all pixels of a channel."""

from __future__ import annotations

import numpy as np

from pyengine.builder.onnx_walk import ImportFn
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

_REDUCTIONS = {
    "mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin",
    "l1": "ReduceL1", "l2": "ReduceL2", "sum_square": "ReduceSumSquare",
}  # fmt: skip


def export_reduce(e: OnnxWriter, node: Node, x: str) -> None:
    axes = [1] if node["axes"] == ["c"] else [2, 3]
    e.add(_REDUCTIONS[node["kind"]], node, [x, e.constant(node, "axes", np.array(axes))])


def export_argmax(e: OnnxWriter, node: Node, x: str) -> None:
    e.number(node, e.add("ArgMax", node, [x], "index", axis=1))


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {}
EXPORT: dict[str, ExportFn] = {
    "reduce": export_reduce,
    "argmax": export_argmax,
}

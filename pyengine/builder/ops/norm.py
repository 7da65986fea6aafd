"""Norms: numbers less their mean and over the root of their variance."""

from __future__ import annotations

import numpy as np

from pyengine.builder.onnx_walk import ImportFn
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

_CHANNELS = (1, -1, 1, 1)


def _scaled(e: OnnxWriter, node: Node, x: str, last: str) -> None:
    """`x` times the node's weight plus its bias; `last` gives x under the node's own name."""
    weight, bias = e.values(node, "weight", _CHANNELS), e.values(node, "bias", _CHANNELS)
    if weight:
        x = e.add("Mul", node, [x, weight], "scaled" if bias else "")
    if bias:
        e.add("Add", node, [x, bias])
    if not weight and not bias:
        e.add(last, node, [x])


def export_group_norm(e: OnnxWriter, node: Node, x: str) -> None:
    # One instance of each group: all its channels in one row.
    groups = int(node.get("groups", 1))
    shape = e.add("Shape", node, [x], "shape")
    rows = e.constant(node, "rows", np.array([0, groups, -1]))
    grouped = e.add("Reshape", node, [x, rows], "grouped")
    ones = e.constant(node, "ones", np.ones(groups, np.float32))
    zeros = e.constant(node, "zeros", np.zeros(groups, np.float32))
    normal = e.add("InstanceNormalization", node, [grouped, ones, zeros], "normal",
                   epsilon=float(node.get("epsilon", 1e-5)))  # fmt: skip
    _scaled(e, node, e.add("Reshape", node, [normal, shape], "planes"), "Identity")


def export_layer_norm(e: OnnxWriter, node: Node, x: str) -> None:
    axes = e.constant(node, "axes", np.array([1]))
    if node.get("subtract_mean", True):
        x = e.add("Sub", node, [x, e.add("ReduceMean", node, [x, axes], "mean")], "centred")
    square = e.add("Mul", node, [x, x], "square")
    variance = e.add("ReduceMean", node, [square, axes], "variance")
    epsilon = e.constant(node, "epsilon", np.array(node.get("epsilon", 1e-5), np.float32))
    root = e.add("Sqrt", node, [e.add("Add", node, [variance, epsilon], "sum")], "root")
    _scaled(e, node, e.add("Div", node, [x, root], "normal"), "Identity")


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {}
EXPORT: dict[str, ExportFn] = {
    "group_norm": export_group_norm,
    "layer_norm": export_layer_norm,
}

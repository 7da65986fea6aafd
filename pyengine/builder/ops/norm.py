"""Norms: over groups of channels and all pixels, or over the channels of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import Axes, merged, reshaped, whole
from pyengine.builder.onnx_walk import Array, ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.arithmetic import binary, stored_constant, with_constant
from pyengine.builder.ops.reduce import letters_of, pixels, reduced

if TYPE_CHECKING:
    import onnx

_CHANNELS = (1, -1, 1, 1)


def norm(
    w: OnnxWalker,
    node: onnx.NodeProto,
    value: Value,
    axes: Axes,
    positions: Sequence[int],
    epsilon: float,
    scale: Array | None = None,
    bias: Array | None = None,
    subtract_mean: bool = True,
) -> None:
    """Zero mean and unit variance over some axes, whatever the exporter calls it.

    Parameters
    ----------
    value : Value
    axes : Axes
        The look at it that `positions`, `scale` and `bias` are about.
    positions : sequence of int
        The axes that one mean is taken over.
    epsilon : float
        Added to the variance.
    scale, bias : ndarray, optional
        Broadcast to `axes`; one number per channel.
    subtract_mean : bool
        False: only divided by the root of the mean square.
    """
    stored = value.stored
    parts = merged(sorted(
        (p for i in positions for p in axes[i] if p.letter == "C"), key=lambda p: -p.step
    ))  # fmt: skip
    spatial = [p.letter for i in positions for p in axes[i] if p.letter in "DHW"]
    single = not stored.vector and max(stored.size) == 1
    over_pixels = stored.vector or single or (
        sorted(spatial) == [s for s, n in zip(pixels(value), stored.size, strict=True) if n > 1]
    )  # fmt: skip
    numbers: dict[str, Any] = {
        key: _per_channel(value, axes, array)
        for key, array in (("weight", scale), ("bias", bias))
        if array is not None
    }
    if any(array is None for array in numbers.values()):  # they differ from pixel to pixel
        norm(w, node, value, axes, positions, epsilon, None, None, subtract_mean)
        made = w.values[node.output[0]]
        for op, array in (("mul", scale), ("add", bias)):
            if array is not None:
                made = with_constant(w, node, op, replace(made, axes=axes), array)
        w.alias(node, replace(made, axes=value.axes))
        return
    over_channels = parts == whole("C", stored.channels)
    if over_channels and not spatial and not (single and _spans_pixels(axes, positions)):
        more = {} if subtract_mean else {"subtract_mean": False}
        w.like(node, "layer_norm", value, epsilon=epsilon, **more, **numbers)
        return
    inner = parts[0].size if parts else 1
    if not over_pixels or len(parts) > 1 or (parts and parts[0].step != 1):
        raise refuse(node, f"it runs over axes {list(positions)} of {value.shape}")
    if not subtract_mean:
        raise refuse(node, "it takes the mean square over all pixels")
    w.like(
        node, "group_norm", value, groups=stored.channels // inner, epsilon=epsilon, **numbers
    )  # fmt: skip


def _spans_pixels(axes: Axes, positions: Sequence[int]) -> bool:
    """Whether it names rows and columns that have one pixel at this size."""
    return sum(not axes[i] for i in positions) >= 2


def _per_channel(value: Value, axes: Axes, array: Array) -> Array | None:
    split = stored_constant(array, axes)
    if split is None or split.shape[1:] != (1, 1):
        return None
    return np.broadcast_to(split.reshape(-1), (value.stored.channels,)).copy()


def import_instancenormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    rank = len(value.axes)
    column = (-1, *[1] * (rank - 2))
    norm(
        w, node, value, value.axes, range(2, rank), float(a.get("epsilon", 1e-5)),
        w.constant(node, 1, "the scale").reshape(column),
        w.constant(node, 2, "the bias").reshape(column),
    )  # fmt: skip


def import_groupnormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value, groups = w.planes(node), a["num_groups"]
    channels = value.stored.channels
    size = channels // groups
    axes = reshaped(value.axes, (1, groups, size, *value.shape[2:]))
    assert axes is not None, "the channels are whole"

    def shaped(index: int) -> Array:
        array = w.constant(node, index, "scale and bias")
        # Up to opset 20 one for each group.
        return np.broadcast_to(array.reshape(groups, -1), (groups, size)).reshape(
            groups, size, *[1] * w.spatial
        )

    norm(
        w, node, value, axes, range(2, len(axes)), float(a.get("epsilon", 1e-5)), shaped(1), shaped(2)
    )  # fmt: skip


def import_layernormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if any(node.output[1:]):
        raise refuse(node, "its mean or deviation is an output, too")
    _layer_norm(w, node, a, w.optional(node, 2), True)


def import_rmsnormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _layer_norm(w, node, a, None, False)


def _layer_norm(
    w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], bias: Array | None, mean: bool
) -> None:
    value = w.value(node)
    rank = len(value.axes)
    positions = range(a.get("axis", -1) % rank, rank)
    norm(
        w, node, value, value.axes, positions, float(a.get("epsilon", 1e-5)),
        w.constant(node, 1, "the scale"), bias, mean,
    )  # fmt: skip


def import_meanvariancenormalization(
    w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]
) -> None:
    value = w.value(node)
    positions = [x % len(value.axes) for x in a.get("axes", [0, 2, 3])]
    norm(w, node, value, value.axes, positions, 1e-9)


def import_lpnormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    over = letters_of(w, node, value, [a.get("axis", -1) % len(value.axes)])
    if over != "C":
        raise refuse(node, f"it runs over axis {a.get('axis', -1)} of {value.shape}")
    size = reduced(w, node, value, f"l{a.get('p', 2)}", over)
    w.alias(node, binary(w, node, "div", value, size, node.output[0]))


def import_moments(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    """A norm that the exporter took apart; see `pyengine.builder.patterns.moments`."""
    value = w.value(node)
    positions = [x % len(value.axes) for x in a["axes"]]
    norm(w, node, value, value.axes, positions, float(a["epsilon"]))


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
IMPORT: dict[str, ImportFn] = {
    "InstanceNormalization": import_instancenormalization,
    "GroupNormalization": import_groupnormalization,
    "LayerNormalization": import_layernormalization,
    "RMSNormalization": import_rmsnormalization,
    "MeanVarianceNormalization": import_meanvariancenormalization,
    "LpNormalization": import_lpnormalization,
    "Moments": import_moments,
}
EXPORT: dict[str, ExportFn] = {
    "group_norm": export_group_norm,
    "layer_norm": export_layer_norm,
}

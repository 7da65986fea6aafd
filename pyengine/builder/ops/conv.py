"""Convolutions: plain, transposed, and linear layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import length, split_array, whole
from pyengine.builder.onnx_walk import Array, ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.move import planes_of, spread

if TYPE_CHECKING:
    import onnx


def import_conv(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    weight = w.constant(node, 1, "the weight")
    value = w.value(node)
    spatial = weight.ndim - 2
    kernel = weight.shape[2:]
    groups = a.get("group", 1)
    stride = list(a.get("strides", [1] * spatial))
    one_tap = all(n == 1 for n in (*kernel, *stride)) and not any(a.get("pads", []))
    if spatial != w.spatial and one_tap and groups == 1 and value.axes[1] == value.stored.axes[1]:
        # No neighbours: any look at the pixels will do, with the channels on axis 1.
        weight = weight.reshape(*weight.shape[:2], *[1] * w.spatial)
        _pointwise(w, node, value, 1, weight, w.optional(node, 2))
        return
    if spatial == 1 and _along_channels(w, node, a, weight):
        return
    if spatial != w.spatial:
        raise refuse(node, f"it has {spatial} spatial axes, {w.spatial} are supported")
    value = w.planes(node)
    dilation = list(a.get("dilations", [1] * spatial))
    pads = pads_of(w, node, a, kernel, stride, dilation)
    cropped = [max(0, -n) for n in pads]
    if any(cropped):
        ends = zip(cropped[:spatial], cropped[spatial:], strict=True)
        stored = value.stored.resized(
            [n - sum(end) for n, end in zip(value.stored.size, ends, strict=True)]
        )
        value = w.append(node, "crop", [value], stored, amounts=cropped)
        pads = [max(0, n) for n in pads]
    stored = replace(w.output_planes(node), vector=value.stored.vector)
    w.emit(
        node, w.word("conv2d"), [value], stored, weight=weight, bias=w.optional(node, 2),
        in_channels=weight.shape[1] * groups, out_channels=weight.shape[0], groups=groups,
        kernel=list(kernel), stride=stride, dilation=dilation, amounts=pads,
    )  # fmt: skip


def _along_channels(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], weight: Array) -> bool:
    """A convolution over the channels of a vector, as efficient channel attention has it."""
    value = w.value(node)
    channels = value.stored.channels
    look = ((), (), whole("C", channels))
    if value.axes != look or weight.shape[:2] != (1, 1) or not value.stored.vector:
        return False
    stride, dilation = a.get("strides", [1])[0], a.get("dilations", [1])[0]
    before = a.get("pads", [0, 0])[0]
    outputs = w.shape(node, node.output[0])[2]
    if a.get("auto_pad", "NOTSET") != "NOTSET":
        return False
    matrix = np.zeros((outputs, channels))
    for o in range(outputs):
        for k, tap in enumerate(weight[0, 0]):
            i = o * stride - before + k * dilation
            if 0 <= i < channels:
                matrix[o, i] += tap
    bias = w.optional(node, 2)
    made = _linear(w, node, value, matrix, None if bias is None else np.repeat(bias, outputs))
    w.alias(node, replace(made, axes=((), (), whole("C", outputs))))
    return True


def import_convtranspose(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    weight = w.constant(node, 1, "the weight")
    spatial = weight.ndim - 2
    if spatial != w.spatial:
        raise refuse(node, f"it has {spatial} spatial axes, {w.spatial} are supported")
    value = w.planes(node)
    if value.stored.vector:
        like = planes_of(w, *[1] * spatial)
        if like is None:
            raise refuse(node, "it enlarges a vector to planes of a fixed size")
        value = spread(w, node, value, like)
    kernel, groups = weight.shape[2:], a.get("group", 1)
    stride, dilation = a.get("strides", [1] * spatial), a.get("dilations", [1] * spatial)
    extra = a.get("output_padding", [0] * spatial)
    stored = w.output_planes(node)
    pads = list(a.get("pads", [0] * 2 * spatial))
    auto = a.get("auto_pad", "NOTSET")
    if auto == "VALID":
        pads = [0] * 2 * spatial
    elif auto != "NOTSET" or "output_shape" in a:
        # The result's size is given, and what is too much is cut off.
        sizes = value.stored.size, stored.size
        for axis in range(spatial):
            full = stride[axis] * (sizes[0][axis] - 1) + extra[axis]
            full += (kernel[axis] - 1) * dilation[axis] + 1
            total = full - sizes[1][axis]
            small, large = total // 2, total - total // 2
            upper = auto == "SAME_UPPER"
            pads[axis], pads[axis + spatial] = (small, large) if upper else (large, small)
    cropped = [max(0, -n) for n in pads]
    if any(cropped):
        raise refuse(node, f"negative padding {pads}")
    more: dict[str, Any] = {"dilation": list(dilation)} if any(d != 1 for d in dilation) else {}
    w.emit(
        node, w.word("conv_transpose2d"), [value], stored, weight=weight, bias=w.optional(node, 2),
        in_channels=weight.shape[0], out_channels=weight.shape[1] * groups, groups=groups,
        kernel=list(kernel), stride=list(stride), output_padding=list(extra), amounts=pads, **more,
    )  # fmt: skip


def pads_of(
    w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], kernel: Any, stride: Any, dilation: Any
) -> list[int]:
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        none = [0] * 2 * len(kernel)
        return none if auto == "VALID" else list(a.get("pads", none))
    before, after = [], []
    for axis, size in enumerate(w.shape(node, node.input[0])[2:]):
        outputs = -(-size // stride[axis])
        total = max(
            0, (outputs - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size
        )
        small, large = total // 2, total - total // 2
        before.append(small if auto == "SAME_UPPER" else large)
        after.append(large if auto == "SAME_UPPER" else small)
    return before + after


def import_gemm(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    weight = w.constant(node, 1, "the weight") * a.get("alpha", 1.0)
    if a.get("transA", 0):
        raise refuse(node, "transA is not supported")
    if not a.get("transB", 0):
        weight = weight.T
    bias = w.optional(node, 2)
    if bias is not None:
        bias = np.broadcast_to(bias * a.get("beta", 1.0), (1, weight.shape[0])).reshape(-1)
    value = w.value(node)
    _product(w, node, value, len(value.axes) - 1, weight, bias)


def import_matmul(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    first, second = node.input
    if first in w.values and second in w.values:
        raise refuse(node, "both tensors depend on the image", "attention, a matrix product")
    on_right = second in w.constants
    matrix = w.constants[second if on_right else first]
    value = w.values[first if on_right else second]
    if matrix.ndim != 2:
        raise refuse(node, f"its constant has shape {matrix.shape}")
    axis = len(value.axes) - (1 if on_right else 2)
    _product(w, node, value, axis, matrix.T if on_right else matrix, None)


def _product(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, axis: int, weight: Array, bias: Array | None
) -> None:
    """Each output a weighted sum along one axis; `weight` has shape (outputs, length of axis)."""
    stored = value.stored
    contracted = value.axes[axis]
    everything = [p for other in value.axes for p in other if p.letter != "*"]
    if contracted == whole("C", stored.channels) and (stored.vector or len(everything) > 1):
        _pointwise(w, node, value, axis, weight.reshape(*weight.shape, *[1] * w.spatial), bias)
        return
    if sorted(contracted) != sorted(everything) or any(p.letter == "*" for p in contracted):
        raise refuse(node, f"it adds up along axis {axis} of {value.shape}, which are no channels")
    # All that there is: channels, rows and columns in the order in which ONNX looks at them.
    split = split_array(np.arange(length(contracted)), (contracted,))
    if split is None:
        raise refuse(node, f"it adds up along axis {axis} of {value.shape}, which holds slices")
    count = split.size
    flat = value
    if not stored.vector:
        flat = w.append(node, "flatten", [value], w.vector(count), out_channels=count)
    made = _linear(w, node, flat, weight[:, split.reshape(-1).astype(int)], bias)
    axes = tuple(whole("C", len(weight)) if i == axis else () for i in range(len(value.axes)))
    w.alias(node, replace(made, axes=axes))


def _pointwise(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, axis: int, weight: Array, bias: Array | None
) -> None:
    """A convolution of one tap, or a linear layer, that keeps the look but for the channels."""
    outputs = len(weight)
    axes = (*value.axes[:axis], whole("C", outputs), *value.axes[axis + 1 :])
    if value.stored.vector:
        made = _linear(w, node, value, weight.reshape(outputs, -1), bias)
    else:
        made = w.append(
            node, w.word("conv2d"), [value], replace(value.stored, channels=outputs),
            node.output[0],
            weight=weight, bias=bias, in_channels=weight.shape[1], out_channels=outputs,
            kernel=[1] * w.spatial,
        )  # fmt: skip
    w.alias(node, replace(made, axes=axes))


def _linear(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, weight: Array, bias: Array | None
) -> Value:
    return w.append(
        node, "linear", [value], w.vector(len(weight)), node.output[0], weight=weight,
        bias=bias, in_channels=weight.shape[1], out_channels=weight.shape[0],
    )  # fmt: skip


def export_conv(e: OnnxWriter, node: Node, x: str) -> None:
    pads = node.get("amounts", [0, 0, 0, 0])
    if node.get("border", "zero") != "zero" and any(pads):
        x, pads = e.border(node, x, "padded"), [0, 0, 0, 0]
    x = e.quantised(node, x)
    e.add(
        "Conv", node, [x, e.kernel(node), e.values(node, "bias")],
        kernel_shape=node["kernel"], strides=node.get("stride", [1, 1]), pads=pads,
        dilations=node.get("dilation", [1, 1]), group=node.get("groups", 1),
    )  # fmt: skip


def export_conv_transpose(e: OnnxWriter, node: Node, x: str) -> None:
    x = e.quantised(node, x)
    e.add(
        "ConvTranspose", node, [x, e.kernel(node, axis=1), e.values(node, "bias")],
        kernel_shape=node["kernel"], strides=node.get("stride", [1, 1]),
        pads=node.get("amounts", [0, 0, 0, 0]), group=node.get("groups", 1),
        output_padding=node.get("output_padding", [0, 0]),
        dilations=node.get("dilation", [1, 1]),
    )  # fmt: skip


def export_linear(e: OnnxWriter, node: Node, x: str) -> None:
    x = e.quantised(node, x)
    weight = e.kernel(node, (node["out_channels"], node["in_channels"], 1, 1))
    e.add("Conv", node, [x, weight, e.values(node, "bias")], kernel_shape=[1, 1])


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "Conv": import_conv,
    "ConvTranspose": import_convtranspose,
    "Gemm": import_gemm,
    "MatMul": import_matmul,
}
EXPORT: dict[str, ExportFn] = {
    "conv2d": export_conv,
    "conv_transpose2d": export_conv_transpose,
    "linear": export_linear,
}

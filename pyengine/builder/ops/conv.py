"""Convolutions: plain, transposed, and linear layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_walk import Array, ImportFn, OnnxWalker, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

if TYPE_CHECKING:
    import onnx


def import_conv(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    weight = w.constant(node, 1, "the weight")
    if weight.ndim != 4:
        raise refuse(node, f"it has {weight.ndim - 2} spatial axes, 2 are supported")
    kernel = weight.shape[2:]
    stride, dilation = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    groups = a.get("group", 1)
    pads = pads_of(w, node, a, kernel, stride, dilation)
    w.emit(
        node, "conv2d", weight=weight, bias=w.optional(node, 2),
        in_channels=weight.shape[1] * groups, out_channels=weight.shape[0], groups=groups,
        kernel=list(kernel), stride=list(stride), dilation=list(dilation), amounts=pads,
    )  # fmt: skip


def import_convtranspose(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    weight = w.constant(node, 1, "the weight")
    if weight.ndim != 4:
        raise refuse(node, f"it has {weight.ndim - 2} spatial axes, 2 are supported")
    if a.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in a:
        raise refuse(node, "auto_pad and output_shape are not supported")
    if any(d != 1 for d in a.get("dilations", [1, 1])):
        raise refuse(node, "dilation is not supported")
    groups = a.get("group", 1)
    w.emit(
        node, "conv_transpose2d", weight=weight, bias=w.optional(node, 2),
        in_channels=weight.shape[0], out_channels=weight.shape[1] * groups, groups=groups,
        kernel=list(weight.shape[2:]), stride=list(a.get("strides", [1, 1])),
        output_padding=list(a.get("output_padding", [0, 0])),
        amounts=list(a.get("pads", [0, 0, 0, 0])),
    )  # fmt: skip


def pads_of(
    w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any], kernel: Any, stride: Any, dilation: Any
) -> list[int]:
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        pads = [0, 0, 0, 0] if auto == "VALID" else list(a.get("pads", [0, 0, 0, 0]))
        if min(pads) < 0:
            raise refuse(node, f"negative padding {pads}")
        return pads
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
    _linear(w, node, weight, bias)


def import_matmul(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if len(w.shape(node, node.input[0])) != 2:
        raise refuse(node, "only vectors (N, C) can be multiplied by a matrix")
    _linear(w, node, w.constant(node, 1, "the matrix").T, None)


def _linear(w: OnnxWalker, node: onnx.NodeProto, weight: Array, bias: Array | None) -> None:
    w.emit(
        node, "linear", weight=weight, bias=bias, in_channels=weight.shape[1],
        out_channels=weight.shape[0],
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

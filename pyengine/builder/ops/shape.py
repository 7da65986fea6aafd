"""Operators that only say where values lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

if TYPE_CHECKING:
    import onnx


def import_concat(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if any(i in w.constants for i in node.input):
        raise refuse(node, "it joins a constant")
    if a["axis"] % len(w.shape(node, node.input[0])) != 1:
        raise refuse(node, f"it joins along axis {a['axis']}, only channels are supported")
    w.emit(node, "concat", list(node.input))


def import_slice(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    shape = w.shape(node, node.input[0])
    if w.opset < 10:
        starts, ends = a["starts"], a["ends"]
        axes, steps = a.get("axes"), None
    else:
        starts = w.constant(node, 1, "starts").tolist()
        ends = w.constant(node, 2, "ends").tolist()
        given, strides = w.optional(node, 3), w.optional(node, 4)
        axes = None if given is None else given.tolist()
        steps = None if strides is None else strides.tolist()
    crop = [0, 0, 0, 0]
    for i, axis in enumerate(axes if axes is not None else range(len(starts))):
        size = shape[axis]
        begin, end, step = slice(starts[i], ends[i], steps[i] if steps else 1).indices(size)
        if (begin, end, step) == (0, size, 1):
            continue
        if axis % len(shape) < 2 or len(shape) != 4 or step != 1:
            raise refuse(node, f"it cuts axis {axis} with step {step}")
        crop[axis % 4 - 2], crop[axis % 4] = begin, size - end
    if any(crop):
        w.emit(node, "crop", amounts=crop)
    else:
        w.pass_through(node)


def import_pad(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    mode = a.get("mode", "constant")
    rank = len(w.shape(node, node.input[0]))
    pads = a["pads"] if "pads" in a else w.constant(node, 1, "the padding").tolist()
    axes = w.optional(node, 3)
    full = [0] * (2 * rank)
    which = range(rank) if axes is None else [int(x) % rank for x in axes]
    for i, axis in enumerate(which):
        full[axis], full[axis + rank] = pads[i], pads[i + len(pads) // 2]
    if not any(full):
        w.pass_through(node)
        return
    if rank != 4 or any(full[i] for i in (0, 1, 4, 5)):
        raise refuse(node, f"it pads axes other than height and width ({full})")
    amounts = [full[2], full[3], full[6], full[7]]
    border = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(mode)
    if border is None:
        raise refuse(node, f"mode {mode}")
    if min(amounts) < 0:
        if max(amounts) > 0:
            raise refuse(node, f"it pads and crops at once ({amounts})")
        w.emit(node, "crop", amounts=[-n for n in amounts])
        return
    value = w.optional(node, 2)
    fill = float(a.get("value", 0.0) if value is None else value)
    w.emit(node, "pad", amounts=amounts, border=border, border_value=fill)


def _reshape(w: OnnxWalker, node: onnx.NodeProto) -> None:
    source, target = w.shape(node, node.input[0]), w.shape(node, node.output[0])
    trailing = [n for n in source[2:] if n != 1]
    if source == target or (
        not trailing and [n for n in source if n != 1] == [n for n in target if n != 1]
        and source[:2] == target[:2]
    ):  # fmt: skip
        w.pass_through(node)
    elif len(source) == 4 and len(target) == 2 and target[0] == source[0]:
        w.emit(node, "flatten", out_channels=int(np.prod(source[1:])))
    else:
        raise refuse(node, f"from {source} to {target}")


def import_flatten(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if a.get("axis", 1) != 1:
        raise refuse(node, f"axis {a['axis']}")
    _reshape(w, node)


def import_reshape(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _reshape(w, node)


def import_identity(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.pass_through(node)


def import_cast(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    import onnx

    if a["to"] not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
        raise refuse(node, "it changes the type of the image")
    w.pass_through(node)


def export_crop(e: OnnxWriter, node: Node, x: str) -> None:
    top, left, bottom, right = node["amounts"]
    end = np.iinfo(np.int64).max
    starts = e.constant(node, "starts", np.array([top, left]))
    ends = e.constant(node, "ends", np.array([-bottom or end, -right or end]))
    e.add("Slice", node, [x, starts, ends, e.constant(node, "axes", np.array([2, 3]))])


def export_flatten(e: OnnxWriter, node: Node, x: str) -> None:
    e.add("Reshape", node, [x, e.constant(node, "shape", np.array([0, -1, 1, 1]))])


def export_select(e: OnnxWriter, node: Node, x: str) -> None:
    channels = e.constant(node, "channels", np.array(node["channels"], np.int64))
    e.add("Gather", node, [x, channels], axis=1)


def export_expand(e: OnnxWriter, node: Node, x: str, like: str) -> None:
    channels = e.add("Shape", node, [x], "channels", end=2)
    size = e.add("Shape", node, [like], "size", start=2)
    e.add("Expand", node, [x, e.add("Concat", node, [channels, size], "shape", axis=0)])


def export_constant(e: OnnxWriter, node: Node, like: str) -> None:
    batch = e.add("Shape", node, [like], "batch", end=1)
    one = e.constant(node, "one", np.array([1, 1, 1]))
    shape = e.add("Concat", node, [batch, one], "shape", axis=0)
    e.add(
        "Expand", node, [e.values(node, "weight", (1, node["out_channels"], *node["size"])), shape]
    )


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "Concat": import_concat,
    "Slice": import_slice,
    "Pad": import_pad,
    "Flatten": import_flatten,
    "Reshape": import_reshape,
    "Squeeze": import_reshape,
    "Unsqueeze": import_reshape,
    "Identity": import_identity,
    "Dropout": import_identity,
    "Cast": import_cast,
}
EXPORT: dict[str, ExportFn] = {
    "concat": lambda e, node, *x: e.add("Concat", node, list(x), axis=1),
    "crop": export_crop,
    "pad": lambda e, node, x: e.border(node, x),
    "flatten": export_flatten,
    "select": export_select,
    "expand": export_expand,
    "constant": export_constant,
}

"""Operators on one tensor that look at a pixel at a time: activations, functions, softmax."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import whole
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.arithmetic import affine, binary, stored_constant, with_constant
from pyengine.builder.ops.reduce import letters_of, reduced

if TYPE_CHECKING:
    import onnx


def import_batchnormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if a.get("training_mode", 0):
        raise refuse(
            node, "it is in training mode: its statistics are those of the image", "batch norm"
        )
    gamma, beta, mean, variance = (
        w.constant(node, i, "batch norm's parameters").astype(np.float64) for i in range(1, 5)
    )
    scale = gamma / np.sqrt(variance + a.get("epsilon", 1e-5))
    value = w.value(node)
    if len(value.axes) > 1 and value.axes[1] != whole("C", value.stored.channels):
        raise refuse(node, f"its axis 1 of {value.shape} is not the channels", "batch norm")
    w.like(node, "affine", value, weight=scale, bias=beta - mean * scale)


def _activation(kind: str, **defaults: float) -> ImportFn:
    """An activation of that kind; `defaults` are ONNX's, for the attributes that it reads."""

    def import_(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        values = {key: float(a.get(key, value)) for key, value in defaults.items()}
        w.like(node, "activation", w.value(node), kind=kind, **values)

    return import_


def _function(kind: str) -> ImportFn:
    def import_(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        w.like(node, "function", w.value(node), kind=kind)

    return import_


def import_prelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    slope = stored_constant(w.constant(node, 1, "the slope"), value.axes)
    if slope is None or slope.shape[1:] != (1, 1):
        raise refuse(node, "its slope differs from pixel to pixel")
    slopes = np.broadcast_to(slope.reshape(-1), (value.stored.channels,)).copy()
    w.like(node, "activation", value, kind="prelu", weight=slopes)


def import_gelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    tanh = a.get("approximate", "none") == "tanh"
    w.like(node, "activation", w.value(node), kind="gelu_tanh" if tanh else "gelu")


def import_swish(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value, alpha = w.value(node), float(a.get("alpha", 1.0))
    if alpha == 1.0:
        w.like(node, "activation", value, kind="silu")
        return
    gate = chain(w, node, value, ("affine", {"weight": alpha}), ("activation", {"kind": "sigmoid"}))
    w.alias(node, binary(w, node, "mul", value, gate, node.output[0]))


def chain(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, *steps: tuple[str, dict[str, Any]]
) -> Value:
    """Operators one after the other, each on the values in their places."""
    for op, given in steps:
        attributes = dict(given)
        if op == "affine":
            for key, default in (("weight", 1.0), ("bias", 0.0)):
                number = attributes.get(key, default)
                attributes[key] = np.full(value.stored.channels, number, np.float64)
        made = w.append(node, op, [value], value.stored, **attributes)
        value = replace(made, axes=value.axes)
    return value


def import_selu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    alpha, gamma = a.get("alpha", 1.6732631921768188), a.get("gamma", 1.0507010221481323)
    made = chain(
        w, node, w.value(node),
        ("activation", {"kind": "elu", "alpha": float(alpha)}), ("affine", {"weight": gamma}),
    )  # fmt: skip
    w.alias(node, made)


def import_celu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    alpha = float(a.get("alpha", 1.0))
    made = chain(
        w, node, w.value(node), ("affine", {"weight": 1 / alpha}),
        ("activation", {"kind": "elu", "alpha": 1.0}), ("affine", {"weight": alpha}),
    )  # fmt: skip
    w.alias(node, made)


def import_thresholdedrelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    above = with_constant(w, node, "greater", value, np.array(a.get("alpha", 1.0)))
    zeros = np.zeros(value.stored.channels)
    w.emit(node, "where", [above, value], value.stored, value.axes, bias=zeros)


def import_clip(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    low, high = w.optional(node, 1), w.optional(node, 2)
    limit = float(np.finfo(np.float32).max)
    w.like(
        node, "activation", w.value(node), kind="clip",
        alpha=float(a.get("min", -limit if low is None else low)),
        beta=float(a.get("max", limit if high is None else high)),
    )  # fmt: skip


def import_softmax(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value, over = _softmax_axes(w, node, a)
    if not over:  # alone among one
        w.alias(node, affine(w, node, value, 0.0, 1.0, node.output[0]))
        return
    if over == "C":
        w.like(node, "softmax", value)
        return
    # Attention over pixels: the same in parts.
    top = reduced(w, node, value, "max", over)
    powers = chain(
        w, node, binary(w, node, "sub", value, top), ("activation", {"kind": "exp"})
    )  # fmt: skip
    total = reduced(w, node, powers, "sum", over)
    w.alias(node, binary(w, node, "div", powers, total, node.output[0]))


def import_logsoftmax(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value, over = _softmax_axes(w, node, a)
    if not over:
        w.alias(node, affine(w, node, value, 0.0, 0.0, node.output[0]))
        return
    below = binary(w, node, "sub", value, reduced(w, node, value, "max", over))
    powers = chain(w, node, below, ("activation", {"kind": "exp"}))
    total = reduced(w, node, powers, "sum", over)
    logs = chain(w, node, total, ("function", {"kind": "log"}))
    w.alias(node, binary(w, node, "sub", below, logs, node.output[0]))


def _softmax_axes(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> tuple[Value, str]:
    """The tensor, and which of C, H, W the sum runs over."""
    value = w.value(node)
    rank = len(value.axes)
    axis = a.get("axis", -1 if w.opset >= 13 else 1) % rank
    # Up to opset 12 it runs over all axes from this one on.
    positions = range(axis, axis + 1 if w.opset >= 13 else rank)
    over = letters_of(w, node, value, positions)
    if over not in ("", "C", "HW", "CHW"):
        raise refuse(node, f"it runs over axes {list(positions)} of {value.shape}")
    return value, over


def export_affine(e: OnnxWriter, node: Node, x: str) -> None:
    scaled = e.add("Mul", node, [x, e.values(node, "weight", (1, -1, 1, 1))], "scaled")
    e.add("Add", node, [scaled, e.values(node, "bias", (1, -1, 1, 1))])


def export_activation(e: OnnxWriter, node: Node, x: str) -> None:
    kind = node["kind"]
    alpha, beta = node.get("alpha", 0.0), node.get("beta", 0.0)
    if kind == "leaky_relu":
        e.add("LeakyRelu", node, [x], alpha=alpha)
    elif kind == "prelu":
        e.add("PRelu", node, [x, e.values(node, "weight", (-1, 1, 1))])
    elif kind == "elu":
        e.add("Elu", node, [x], alpha=alpha)
    elif kind == "silu":
        e.add("Mul", node, [x, e.add("Sigmoid", node, [x], "gate")])
    elif kind in ("gelu", "gelu_tanh"):
        e.add("Gelu", node, [x], approximate="tanh" if kind == "gelu_tanh" else "none")
    elif kind == "softplus":
        sharpness = e.constant(node, "alpha", np.array(node.get("alpha", 1.0), np.float32))
        scaled = e.add("Mul", node, [x, sharpness], "scaled")
        e.add("Div", node, [e.add("Softplus", node, [scaled], "soft"), sharpness])
    elif kind == "hard_sigmoid":
        e.add("HardSigmoid", node, [x], alpha=alpha, beta=beta)
    elif kind == "clip":
        limits = [
            e.constant(node, k, np.array(v, np.float32)) for k, v in (("min", alpha), ("max", beta))
        ]
        e.add("Clip", node, [x, *limits])
    else:
        plain = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish",
                 "erf": "Erf", "abs": "Abs", "exp": "Exp", "mish": "Mish", "softsign": "Softsign"}  # fmt: skip
        e.add(plain[kind], node, [x])


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "BatchNormalization": import_batchnormalization,
    "Relu": _activation("relu"),
    "LeakyRelu": _activation("leaky_relu", alpha=0.01),
    "PRelu": import_prelu,
    "Elu": _activation("elu", alpha=1.0),
    "Selu": import_selu,
    "Celu": import_celu,
    "ThresholdedRelu": import_thresholdedrelu,
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Erf": _activation("erf"),
    "Exp": _activation("exp"),
    "Abs": _activation("abs"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Mish": _activation("mish"),
    "HardSwish": _activation("hard_swish"),
    "HardSigmoid": _activation("hard_sigmoid", alpha=0.2, beta=0.5),
    "Gelu": import_gelu,
    "Swish": import_swish,
    "Clip": import_clip,
    "Softmax": import_softmax,
    "LogSoftmax": import_logsoftmax,
    "Sqrt": _function("sqrt"),
    "Reciprocal": _function("reciprocal"),
    "Log": _function("log"),
    "Sign": _function("sign"),
    "Floor": _function("floor"),
    "Ceil": _function("ceil"),
    "Round": _function("round"),
    "Sin": _function("sin"),
    "Cos": _function("cos"),
}
EXPORT: dict[str, ExportFn] = {
    "affine": export_affine,
    "activation": export_activation,
    "add": lambda e, node, a, b: e.add("Add", node, [a, b]),
    "mul": lambda e, node, a, b: e.add("Mul", node, [a, b]),
    "softmax": lambda e, node, x: e.add("Softmax", node, [x], axis=1),
}

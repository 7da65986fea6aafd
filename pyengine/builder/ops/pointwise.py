"""Operators that look at one pixel at a time: arithmetic, activations, softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.onnx_walk import Array, ImportFn, OnnxWalker, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

if TYPE_CHECKING:
    import onnx


def import_batchnormalization(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    gamma, beta, mean, variance = (
        w.constant(node, i, "batch norm's parameters").astype(np.float64) for i in range(1, 5)
    )
    scale = gamma / np.sqrt(variance + a.get("epsilon", 1e-5))
    w.emit(node, "affine", weight=scale, bias=beta - mean * scale)


def _affine(w: OnnxWalker, node: onnx.NodeProto, tensor: str, scale: Any, shift: Any) -> None:
    channels = w.shape(node, tensor)[1]

    def per_channel(value: Any) -> Array:
        array = np.asarray(value, np.float64)
        # (C, 1, 1), (1, C, 1, 1), (1, C) or a scalar, aligned from the right as ONNX does.
        rank = len(w.shape(node, tensor))
        shape = (1,) * (rank - array.ndim) + array.shape
        if len(shape) != rank or any(n != 1 for i, n in enumerate(shape) if i != 1):
            raise refuse(node, f"a constant of shape {array.shape} is not one per channel")
        return np.broadcast_to(array.reshape(-1), (channels,)).copy()

    w.emit(node, "affine", [tensor], weight=per_channel(scale), bias=per_channel(shift))


def _arithmetic(w: OnnxWalker, node: onnx.NodeProto, op: str) -> None:
    x, y = node.input
    fixed = {n: w.constants[n] for n in (x, y) if n in w.constants}
    if not fixed:
        if op not in ("add", "mul"):
            raise refuse(node, "only a constant may be subtracted or divide")
        w.emit(node, op, [x, y])
    elif op == "add":
        _affine(w, node, x if y in fixed else y, 1.0, next(iter(fixed.values())))
    elif op == "mul":
        _affine(w, node, x if y in fixed else y, next(iter(fixed.values())), 0.0)
    elif op == "sub":
        if y in fixed:
            _affine(w, node, x, 1.0, -np.asarray(fixed[y], np.float64))
        else:
            _affine(w, node, y, -1.0, fixed[x])
    elif y in fixed:
        _affine(w, node, x, 1 / np.asarray(fixed[y], np.float64), 0.0)
    else:
        raise refuse(node, "only a constant may divide")


def import_add(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _arithmetic(w, node, "add")


def import_mul(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _arithmetic(w, node, "mul")


def import_sub(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _arithmetic(w, node, "sub")


def import_div(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _arithmetic(w, node, "div")


def import_neg(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _affine(w, node, node.input[0], -1.0, 0.0)


def _activation(w: OnnxWalker, node: onnx.NodeProto, kind: str, **values: Any) -> None:
    w.emit(node, "activation", kind=kind, **values)


def import_relu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "relu")


def import_leakyrelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "leaky_relu", alpha=float(a.get("alpha", 0.01)))


def import_prelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    slope = w.constant(node, 1, "the slope").reshape(-1)
    channels = w.shape(node, node.input[0])[1]
    _activation(w, node, "prelu", weight=np.broadcast_to(slope, (channels,)).copy())


def import_elu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "elu", alpha=float(a.get("alpha", 1.0)))


def import_sigmoid(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "sigmoid")


def import_tanh(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "tanh")


def import_erf(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "erf")


def import_hardswish(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "hard_swish")


def import_hardsigmoid(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(
        w, node, "hard_sigmoid", alpha=float(a.get("alpha", 0.2)), beta=float(a.get("beta", 0.5))
    )


def import_gelu(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _activation(w, node, "gelu_tanh" if a.get("approximate", "none") == "tanh" else "gelu")


def import_swish(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    if a.get("alpha", 1.0) != 1.0:
        raise refuse(node, f"alpha is {a['alpha']}, 1 is supported")
    _activation(w, node, "silu")


def import_clip(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    low, high = w.optional(node, 1), w.optional(node, 2)
    limit = float(np.finfo(np.float32).max)
    _activation(w,
        node, "clip",
        alpha=float(a.get("min", -limit if low is None else low)),
        beta=float(a.get("max", limit if high is None else high)),
    )  # fmt: skip


def import_softmax(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    rank = len(w.shape(node, node.input[0]))
    axis = a.get("axis", -1 if w.opset >= 13 else 1)
    if axis % rank != 1:
        raise refuse(node, f"it runs over axis {axis}, only channels (axis 1) are supported")
    w.emit(node, "softmax")


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
    "Add": import_add,
    "Mul": import_mul,
    "Sub": import_sub,
    "Div": import_div,
    "Neg": import_neg,
    "Relu": import_relu,
    "LeakyRelu": import_leakyrelu,
    "PRelu": import_prelu,
    "Elu": import_elu,
    "Sigmoid": import_sigmoid,
    "Tanh": import_tanh,
    "Erf": import_erf,
    "HardSwish": import_hardswish,
    "HardSigmoid": import_hardsigmoid,
    "Gelu": import_gelu,
    "Swish": import_swish,
    "Clip": import_clip,
    "Softmax": import_softmax,
}
EXPORT: dict[str, ExportFn] = {
    "affine": export_affine,
    "activation": export_activation,
    "add": lambda e, node, a, b: e.add("Add", node, [a, b]),
    "mul": lambda e, node, a, b: e.add("Mul", node, [a, b]),
    "softmax": lambda e, node, x: e.add("Softmax", node, [x], axis=1),
}

"""Operators on two or more tensors, value by value: sums, products, comparisons, choices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import Axes, broadcast, split_array, whole
from pyengine.builder.onnx_walk import Array, ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

if TYPE_CHECKING:
    import onnx

_CHANNELS = (1, -1, 1, 1)
_ARITHMETIC = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
}  # fmt: skip
_COMPARISONS = {
    "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual", "equal": "Equal",
}  # fmt: skip
_FUNCTIONS = {
    "sqrt": "Sqrt", "reciprocal": "Reciprocal", "log": "Log", "sign": "Sign", "floor": "Floor",
    "ceil": "Ceil", "round": "Round", "sin": "Sin", "cos": "Cos",
}  # fmt: skip


def stored_constant(value: Array, axes: Axes) -> Array | None:
    """A constant as (C or 1, H or 1, W or 1) of a tensor; planes that are flat become one value."""
    split = split_array(np.asarray(value, np.float64), axes)
    if split is None:
        return None
    flat: Array = split[:, :1, :1]
    return flat if np.array_equal(np.broadcast_to(flat, split.shape), split) else split


def affine(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, scale: Any, shift: Any, tensor: str = ""
) -> Value:
    """Append ``value * scale + shift``, numbers or one per channel."""
    channels = value.stored.channels
    made = w.append(
        node, "affine", [value], value.stored, tensor,
        weight=np.broadcast_to(scale, (channels,)).copy(),
        bias=np.broadcast_to(shift, (channels,)).copy(),
    )  # fmt: skip
    return replace(made, axes=value.axes)


def binary(
    w: OnnxWalker, node: onnx.NodeProto, op: str, first: Value, second: Value, tensor: str = ""
) -> Value:
    """Append an operator on two tensors that broadcast to one another."""
    axes = broadcast(first.axes, second.axes)
    a, b = first.stored, second.stored
    planes = [s for s in (a, b) if not s.vector]
    if axes is None or len({s.size for s in planes}) > 1:
        raise refuse(
            node, f"tensors of {first.shape} and {second.shape} meet, not all along the same axes"
        )
    size = planes[0] if planes else a
    stored = replace(size, channels=max(a.channels, b.channels))
    word, kind = (op, {}) if op in ("add", "mul") else ("binary", {"kind": op})
    made = w.append(node, word, [first, second], stored, tensor, **kind)
    return replace(made, axes=axes)


def with_constant(
    w: OnnxWalker, node: onnx.NodeProto, op: str, value: Value, constant: Array,
    first: bool = False, tensor: str = "",
) -> Value:  # fmt: skip
    """Append an operator on a tensor and a constant; `first`: the constant is on the left."""
    split = stored_constant(constant, value.axes)
    if split is None:
        value, split = _grown(w, node, value, constant)
    if split.shape[1:] != (1, 1):
        like = _constant_planes(w, node, value, split)
        pair = (like, value) if first else (value, like)
        return binary(w, node, op, *pair, tensor)
    number = split.reshape(-1)
    if op == "add":
        return affine(w, node, value, 1.0, number, tensor)
    if op == "mul":
        return affine(w, node, value, number, 0.0, tensor)
    if op == "sub":
        scale, shift = (-1.0, number) if first else (1.0, -number)
        return affine(w, node, value, scale, shift, tensor)
    if op == "div" and not first:
        with np.errstate(divide="ignore"):  # infinities are refused with the weights
            return affine(w, node, value, 1 / number, 0.0, tensor)
    more: dict[str, Any] = {"constant_first": True} if first else {}
    made = w.append(
        node, "binary", [value], value.stored, tensor, kind=op,
        weight=np.broadcast_to(number, (value.stored.channels,)).copy(), **more,
    )  # fmt: skip
    return replace(made, axes=value.axes)


def _constant_planes(w: OnnxWalker, node: onnx.NodeProto, value: Value, planes: Array) -> Value:
    """Numbers that differ from pixel to pixel, as position embeddings have them."""
    stored = value.stored
    if stored.vector:
        raise refuse(node, "a constant of planes meets a vector")
    if stored.depth is not None:  # equal in all slices
        planes = planes[:, None]
    weight = np.broadcast_to(planes, (planes.shape[0], *stored.size)).copy()
    kept = replace(stored, channels=planes.shape[0])
    made = w.append(
        node, "constant", [value], kept, weight=weight, out_channels=planes.shape[0],
        size=list(stored.size),
    )  # fmt: skip
    # Seen like the tensor that it meets; one channel broadcasts.
    if planes.shape[0] == stored.channels:
        return replace(made, axes=value.axes)
    look = tuple(tuple(p for p in axis if p.letter != "C") for axis in value.axes)
    return replace(made, axes=look)


def _grown(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, constant: Array
) -> tuple[Value, Array]:
    """A tensor of one channel that meets one number for each of several."""
    shape = (1,) * (len(value.axes) - constant.ndim) + constant.shape
    long = [i for i, n in enumerate(shape) if n != 1]
    if len(shape) == len(value.axes) and len(long) == 1 and not value.axes[long[0]]:
        (position,) = long
        count = shape[position]
        if value.stored.channels == 1 and position == _channel_axis(value):
            stored = replace(value.stored, channels=count)
            made = w.append(node, "select", [value], stored, channels=[0] * count)
            look = (*value.axes[:position], whole("C", count), *value.axes[position + 1 :])
            return replace(made, axes=look), constant.reshape(-1, 1, 1)
    raise refuse(
        node, f"a constant of shape {constant.shape} meets a tensor of {value.shape}"
    )  # fmt: skip


def _channel_axis(value: Value) -> int:
    """Where ONNX sees the channel of a tensor of one: beside rows and columns, or after them."""
    seen = [axis[0].letter if axis else "" for axis in value.axes]
    return 3 if seen[1:3] == ["H", "W"] else 1


def _arithmetic(op: str) -> ImportFn:
    def import_(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        combine(w, node, op, list(node.input), node.output[0])

    return import_


def combine(
    w: OnnxWalker, node: onnx.NodeProto, op: str, names: list[str], output: str = ""
) -> None:
    """Two inputs of a node, of which one may be a constant."""
    x, y = names
    if x in w.constants:
        made = with_constant(w, node, op, w.values[y], w.constants[x], True, output)
    elif y in w.constants:
        made = with_constant(w, node, op, w.values[x], w.constants[y], False, output)
    else:
        made = binary(w, node, op, w.value(node, 0), w.value(node, 1), output)
    w.alias(node, made)


def _variadic(op: str) -> ImportFn:
    def import_(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        fixed = [w.constants[name] for name in node.input if name in w.constants]
        live = [w.values[name] for name in node.input if name in w.values]
        made = live[0]
        for i, value in enumerate(live[1:]):
            last = i == len(live) - 2 and not fixed
            made = binary(w, node, op, made, value, node.output[0] if last else "")
        if fixed:
            joined = fixed[0]
            for other in fixed[1:]:
                joined = {"add": np.add, "max": np.maximum, "min": np.minimum}[op](joined, other)
            made = with_constant(w, node, op, made, joined, tensor=node.output[0])
        w.alias(node, made)

    return import_


def import_mean(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _variadic("add")(w, node, a)
    w.alias(node, affine(w, node, w.values[node.output[0]], 1 / len(node.input), 0.0))


def import_pow(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    exponent = np.unique(w.constant(node, 1, "the exponent"))
    if exponent.size != 1:
        raise refuse(node, "the exponent must be one number")
    value, power = w.value(node), float(exponent[0])
    if power == 1:
        w.alias(node, value)
    elif power == 2:
        w.emit(node, "mul", [value, value], value.stored, value.axes)
    elif power in (0.5, -1):
        w.like(node, "function", value, kind="sqrt" if power == 0.5 else "reciprocal")
    else:
        w.like(node, "function", value, kind="pow", alpha=power)


def import_neg(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.alias(node, affine(w, node, w.value(node), -1.0, 0.0, node.output[0]))


def import_not(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    w.alias(node, affine(w, node, w.value(node), -1.0, 1.0, node.output[0]))


def import_where(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    condition = node.input[0]
    if condition in w.constants:
        chosen = np.unique(w.constants[condition])
        if chosen.size != 1:
            raise refuse(node, "its condition is a constant that differs from place to place")
        w.alias(node, w.value(node, 1 if chosen[0] else 2))
        return
    value = w.value(node)
    inputs = [value]
    fixed: dict[str, Any] = {}
    stored, axes = value.stored, value.axes
    for index, key in ((1, "weight"), (2, "bias")):
        name = node.input[index]
        if name in w.values:
            other = w.values[name]
            look = broadcast(axes, other.axes)
            if look is None:
                raise refuse(node, f"tensors of {value.shape} and {other.shape} meet")
            axes = look
            channels = max(stored.channels, other.stored.channels)
            stored = replace(other.stored if stored.vector else stored, channels=channels)
            inputs.append(other)
        else:
            split = stored_constant(w.constants[name], axes)
            if split is None or split.shape[1:] != (1, 1):
                raise refuse(node, f"a constant of shape {w.constants[name].shape} is chosen from")
            fixed[key] = split.reshape(-1)
    channels = max(stored.channels, *(v.size for v in fixed.values()), 1)
    if channels != stored.channels:
        raise refuse(node, f"it chooses from {channels} numbers for a tensor of one channel")
    given: dict[str, Any] = {k: np.broadcast_to(v, (channels,)).copy() for k, v in fixed.items()}
    w.emit(node, "where", inputs, stored, axes, **given)


def export_binary(e: OnnxWriter, node: Node, *inputs: str) -> None:
    operands = list(inputs)
    if "weight" in node:
        constant = e.values(node, "weight", _CHANNELS)
        operands.insert(0 if node.get("constant_first") else 1, constant)
    kind = node["kind"]
    if kind in _ARITHMETIC:
        e.add(_ARITHMETIC[kind], node, operands)
    else:
        e.number(node, e.add(_COMPARISONS[kind], node, operands, "truth"))


def export_where(e: OnnxWriter, node: Node, condition: str, *inputs: str) -> None:
    left = list(inputs)
    choices = [
        e.values(node, key, _CHANNELS) if key in node else left.pop(0) for key in ("weight", "bias")
    ]
    zero = e.constant(node, "zero", np.array(0, np.float32))
    e.add("Where", node, [e.add("Greater", node, [condition, zero], "truth"), *choices])


def export_function(e: OnnxWriter, node: Node, x: str) -> None:
    kind = node["kind"]
    if kind == "pow":
        exponent = e.constant(node, "exponent", np.array(node["alpha"], np.float32))
        e.add("Pow", node, [x, exponent])
    elif kind == "trunc":
        size = e.add("Floor", node, [e.add("Abs", node, [x], "size")], "whole")
        e.add("Mul", node, [e.add("Sign", node, [x], "sign"), size])
    else:
        e.add(_FUNCTIONS[kind], node, [x])


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "Add": _arithmetic("add"),
    "Sub": _arithmetic("sub"),
    "Mul": _arithmetic("mul"),
    "Div": _arithmetic("div"),
    "Less": _arithmetic("less"),
    "LessOrEqual": _arithmetic("less_equal"),
    "Greater": _arithmetic("greater"),
    "GreaterOrEqual": _arithmetic("greater_equal"),
    "Equal": _arithmetic("equal"),
    "And": _arithmetic("mul"),
    "Or": _arithmetic("max"),
    "Max": _variadic("max"),
    "Min": _variadic("min"),
    "Sum": _variadic("add"),
    "Mean": import_mean,
    "Pow": import_pow,
    "Neg": import_neg,
    "Not": import_not,
    "Where": import_where,
}
EXPORT: dict[str, ExportFn] = {
    "binary": export_binary,
    "where": export_where,
    "function": export_function,
}

"""Arithmetic and comparisons, a choice between two, and functions of the C library."""

from __future__ import annotations

import numpy as np

from pyengine.builder.onnx_walk import ImportFn
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter

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
IMPORT: dict[str, ImportFn] = {}
EXPORT: dict[str, ExportFn] = {
    "binary": export_binary,
    "where": export_where,
    "function": export_function,
}

"""Reductions over channels or over the pixels of whole planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import LETTERS, Part, merged, whole
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.arithmetic import affine, binary
from pyengine.builder.ops.move import select

if TYPE_CHECKING:
    import onnx

_REDUCTIONS = {
    "mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin",
    "l1": "ReduceL1", "l2": "ReduceL2", "sum_square": "ReduceSumSquare",
}  # fmt: skip


def letters_of(w: OnnxWalker, node: onnx.NodeProto, value: Value, positions: Sequence[int]) -> str:
    """Which stored axes some of ONNX's axes are, all of each: C, HW, CHW or none."""
    found: list[Part] = [p for i in positions for p in value.axes[i] if p.letter != "*"]
    stored = value.stored
    sizes = {"C": stored.channels, **dict(zip(pixels(value), stored.size, strict=True))}
    letters = ""
    for letter, size in sizes.items():
        parts = sorted((p for p in found if p.letter == letter), key=lambda p: -p.step)
        if not parts:
            continue
        count = int(np.prod([p.size for p in parts]))
        if count != size:
            raise refuse(
                node, f"it runs over {count} of {size} indices of a tensor seen as {value.shape}"
            )
        letters += letter
    # At this size planes may have one pixel, at others they have more.
    if not stored.vector and max(stored.size) == 1:
        single = [i for i in positions if not value.axes[i]]
        rank, spatial = len(value.axes), len(stored.size)
        if (rank == spatial + 2 and {*range(2, rank)} <= set(single)) or len(single) > spatial:
            letters += pixels(value)
    # Axes of one index, as that of a volume of one slice, are named with the others.
    if letters.strip("C") and all(n == 1 or c in letters for c, n in sizes.items() if c != "C"):
        letters = ("C" if "C" in letters else "") + pixels(value)
    return letters


def pixels(value: Value) -> str:
    """The letters of all stored axes but the channels: HW, or DHW."""
    return LETTERS[-len(value.stored.size) :]


def reduced(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, kind: str, over: str, tensor: str = ""
) -> Value:
    """A reduction over C, HW or CHW; the axes keep their places, with one index."""
    all_pixels = pixels(value)
    steps = [
        s for s in (all_pixels, "C") if s in over and not (s == all_pixels and value.stored.vector)
    ]  # fmt: skip
    if not steps and kind in ("l1", "l2"):  # of a single number
        made = w.append(node, "activation", [value], value.stored, tensor, kind="abs")
        return replace(made, axes=value.axes)
    if not steps and kind == "sum_square":
        made = w.append(node, "mul", [value, value], value.stored, tensor)
        return replace(made, axes=value.axes)
    for i, step in enumerate(steps):
        name = tensor if i == len(steps) - 1 else ""
        if step == all_pixels:
            stored = replace(value.stored.resized([1] * len(step)), vector=True)
        else:
            stored = replace(value.stored, channels=1)
        look = tuple(tuple(p for p in axis if p.letter not in (*step, "*")) for axis in value.axes)
        if kind == "mean" and step == all_pixels:
            made = w.append(node, "global_avg_pool", [value], stored, name)
        else:
            axes = ["c"] if step == "C" else ["z", "y", "x"][-len(step) :]
            # Norms add up squares once, and take the root at the end.
            made = w.append(node, "reduce", [value], stored, name, kind=kind, axes=axes)
        value = replace(made, axes=look)
    return value


def _reduction(kind: str) -> ImportFn:
    def import_(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        value = w.value(node)
        rank = len(value.axes)
        axes = w.setting(node, a, "axes", 1)
        if not axes and a.get("noop_with_empty_axes", 0):
            w.alias(node, value)
            return
        positions = [int(x) % rank for x in axes] if axes else list(range(rank))
        if (split := _split_part(value, positions)) is not None and kind in _BY_PARTS:
            made = _over_part(w, node, value, kind, split)
            w.alias(node, _without(made, positions, bool(a.get("keepdims", 1))))
            return
        repeats = [p.size for i in positions for p in value.axes[i] if p.letter == "*"]
        if repeats and kind not in ("mean", "max", "min"):
            raise refuse(node, "it adds up values that an Expand repeats")
        over = letters_of(w, node, value, positions)
        everything = pixels(value)
        if over not in ("", "C", everything, "C" + everything):
            raise refuse(
                node, f"it runs over axes {positions} of {value.shape}, rows or columns alone"
            )
        if kind in ("l2", "l1") and over == "C" + everything:
            raise refuse(node, "it runs over channels and pixels at once")
        made = reduced(w, node, value, kind, over, node.output[0])
        w.alias(node, _without(made, positions, bool(a.get("keepdims", 1))))

    return import_


def _without(value: Value, positions: Sequence[int], keep: bool) -> Value:
    """A reduced tensor, whose axes at `positions` have one index or are gone."""
    look = [
        () if i in positions else axis
        for i, axis in enumerate(value.axes)
        if keep or i not in positions
    ]
    return replace(value, axes=tuple(look))


_BY_PARTS = {"mean": "add", "sum": "add", "max": "max", "min": "min"}
_MOST_PARTS = 16


def _split_part(value: Value, positions: Sequence[int]) -> Part | None:
    """The part of the channels that is reduced, where it is one of several."""
    parts = [p for i in positions for p in value.axes[i]]
    if len(parts) != 1 or parts[0].letter != "C" or parts[0].size > _MOST_PARTS:
        return None
    return parts[0] if parts[0].size < value.stored.channels else None


def _over_part(w: OnnxWalker, node: onnx.NodeProto, value: Value, kind: str, part: Part) -> Value:
    """Tensors that a Stack put into one, reduced to one."""
    block = part.step * part.size

    def rest(p: Part) -> Part:
        inside = p.letter != "C" or p.step < block
        return p if inside else Part("C", p.step // part.size, p.size)

    look = tuple(
        merged(rest(p) for p in axis if p != part) for axis in value.axes
    )  # fmt: skip
    made: Value | None = None
    for k in range(part.size):
        channels = [c for c in range(value.stored.channels) if c % block // part.step == k]
        one = replace(select(w, node, value, channels), axes=look)
        made = one if made is None else binary(w, node, _BY_PARTS[kind], made, one)
    assert made is not None, "parts have at least two indices"
    return made if kind != "mean" else affine(w, node, made, 1 / part.size, 0.0)


def import_argmax(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    position = a.get("axis", 0) % len(value.axes)
    if value.axes[position] != whole("C", value.stored.channels):
        raise refuse(node, f"it runs over axis {position} of {value.shape}, not the channels")
    if a.get("select_last_index", 0):
        raise refuse(node, "it takes the last among equals")
    axes = list(value.axes)
    if a.get("keepdims", 1):
        axes[position] = ()
    else:
        del axes[position]
    stored = replace(value.stored, channels=1)
    w.emit(node, "argmax", [value], stored, tuple(axes))


def import_globalaveragepool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _global(w, node, "mean")


def import_globalmaxpool(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    _global(w, node, "max")


def _global(w: OnnxWalker, node: onnx.NodeProto, kind: str) -> None:
    value = w.value(node)
    if value.stored.vector:
        w.alias(node, replace(value, axes=value.stored.axes))
        return
    value = w.planes(node)
    w.alias(node, reduced(w, node, value, kind, pixels(value), node.output[0]))


def export_reduce(e: OnnxWriter, node: Node, x: str) -> None:
    axes = [1] if node["axes"] == ["c"] else [2, 3]
    e.add(_REDUCTIONS[node["kind"]], node, [x, e.constant(node, "axes", np.array(axes))])


def export_argmax(e: OnnxWriter, node: Node, x: str) -> None:
    e.number(node, e.add("ArgMax", node, [x], "index", axis=1))


# By ONNX's name of the operator, and by ours.
IMPORT: dict[str, ImportFn] = {
    "ReduceMean": _reduction("mean"),
    "ReduceSum": _reduction("sum"),
    "ReduceMax": _reduction("max"),
    "ReduceMin": _reduction("min"),
    "ReduceL1": _reduction("l1"),
    "ReduceL2": _reduction("l2"),
    "ReduceSumSquare": _reduction("sum_square"),
    "ArgMax": import_argmax,
    "GlobalAveragePool": import_globalaveragepool,
    "GlobalMaxPool": import_globalmaxpool,
}
EXPORT: dict[str, ExportFn] = {
    "reduce": export_reduce,
    "argmax": export_argmax,
}

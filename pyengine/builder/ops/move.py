"""Values in another order: what Transpose and Reshape left to be done before planes are needed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from pyengine.builder.axes import Axis, Part, is_repeated, length, whole
from pyengine.builder.onnx_walk import OnnxWalker, Stored, Value, refuse

if TYPE_CHECKING:
    import onnx


def settle(w: OnnxWalker, node: onnx.NodeProto, value: Value) -> Value:
    """The same values with the look (N, C, H, W).

    Raises
    ------
    UnsupportedError
        Rows, columns and channels would have to change places.
    """
    if value.axes == value.stored.axes:
        return value
    stored = value.stored
    if stored.depth is not None:
        if stored.vector and not value.axes[0] and all(is_repeated(a) for a in value.axes[2:]):
            return _spread(w, node, _selected(w, node, value, value.axes[1]), *value.axes[2:])
        raise refuse(node, f"it looks at a volume of {stored.size} as {value.shape}")
    images, channels, rows, columns = value.axes
    if not images:
        if stored.vector and is_repeated(rows) and is_repeated(columns):
            return _spread(w, node, _selected(w, node, value, channels), rows, columns)
        tall, wide = whole("H", stored.height), whole("W", stored.width)
        begins = rows[: len(tall)] == tall, columns[: len(wide)] == wide
        if all(begins):
            tails = rows[len(tall) :], columns[len(wide) :]
            if all(part.letter == "C" for part in tails[0] + tails[1]):
                return _from_depth(w, node, value, channels, *tails)
            if is_repeated(tails[0] + tails[1]):
                return _repeated(w, node, _selected(w, node, value, channels), *tails)
        block = _block(rows, "H", stored.height), _block(columns, "W", stored.width)
        if block[0] and block[1]:
            return _to_depth(w, node, value, channels, (block[0], block[1]))
    raise refuse(
        node,
        f"it looks at planes of {stored.channels} x {stored.height} x {stored.width} as "
        f"{value.shape}, with channels, rows and columns in other places",
    )


def select(w: OnnxWalker, node: onnx.NodeProto, value: Value, channels: list[int]) -> Value:
    """Some channels of stored planes, in this order; nothing is done if these are all."""
    stored = value.stored
    if channels == list(range(stored.channels)):
        return value
    kept = replace(stored, channels=len(channels))
    return w.append(node, "select", [value], kept, channels=channels)


def spread(w: OnnxWalker, node: onnx.NodeProto, value: Value, like: Value) -> Value:
    """A vector at every pixel of planes."""
    stored = replace(like.stored, channels=value.stored.channels)
    return w.append(node, "expand", [value, like], stored)


def planes_of(w: OnnxWalker, *size: int) -> Value | None:
    """Some planes of this size."""
    planes = (v for v in w.values.values() if not v.stored.vector)
    return next((v for v in planes if v.stored.size == size), None)


def indices(axis: Axis) -> list[int]:
    """Where the values of an axis lie, in the order in which the axis shows them."""
    steps = [range(0, part.step * part.size, part.step) if part.step else [0] * part.size
             for part in axis]  # fmt: skip
    return [sum(places) for places in itertools.product(*steps)]


def _selected(w: OnnxWalker, node: onnx.NodeProto, value: Value, channels: Axis) -> Value:
    if not all(part.letter in "C*" for part in channels):
        raise refuse(node, f"it looks at rows or columns as channels, as {value.shape}")
    return select(w, node, value, indices(channels))


def _spread(w: OnnxWalker, node: onnx.NodeProto, vector: Value, *axes: Axis) -> Value:
    size = tuple(length(axis) for axis in axes)
    if max(size) == 1:
        return Value(vector.tensor, vector.stored, vector.stored.axes)
    like = planes_of(w, *size)
    if like is None:
        raise refuse(
            node, f"it spreads a vector over {' x '.join(map(str, size))} px, a fixed size"
        )
    return spread(w, node, vector, like)


def _repeated(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, rows: Axis, columns: Axis
) -> Value:
    """Each pixel several times, as an Expand between two Reshapes does."""
    times = [length(rows), length(columns)]
    stored = value.stored
    if times == [1, 1]:
        return Value(value.tensor, stored, stored.axes)
    larger = Stored(stored.channels, stored.height * times[0], stored.width * times[1])
    return w.append(node, "upsample_nearest", [value], larger, stride=times)


def _from_depth(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, channels: Axis, rows: Axis, columns: Axis
) -> Value:
    """Pixels that lie in channels, as a pixel shuffle has them."""
    block = [length(rows), length(columns)]
    ordered = _selected(w, node, value, channels + rows + columns)
    stored = value.stored
    if block == [1, 1]:
        return Value(ordered.tensor, ordered.stored, ordered.stored.axes)
    larger = Stored(length(channels), stored.height * block[0], stored.width * block[1])
    return w.append(
        node, "depth_to_space", [ordered], larger, stride=block, order="channels_first"
    )  # fmt: skip


def _block(axis: Axis, letter: str, size: int) -> int:
    """Every how many-th index of a stored axis an axis shows, from the first; 0: other things."""
    if not axis:
        return size
    part = axis[0]
    whole_blocks = len(axis) == 1 and part.letter == letter and part.step * part.size == size
    return part.step if whole_blocks else 0


def _to_depth(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, channels: Axis, block: tuple[int, int]
) -> Value:
    """Channels that lie in pixels."""
    stored = value.stored
    pixels = block[0] * block[1]
    deep = w.append(
        node, "space_to_depth", [value],
        Stored(stored.channels * pixels, stored.height // block[0], stored.width // block[1]),
        stride=list(block), order="channels_first",
    )  # fmt: skip
    step = {"C": pixels, "H": block[1], "W": 1, "*": 0}
    parts = tuple(Part(p.letter, p.step * step[p.letter], p.size) for p in channels)
    return select(w, node, deep, indices(parts))

"""Parts of tensors, and tensors side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.builder.axes import (
    LETTERS,
    Axes,
    Axis,
    Part,
    broadcast,
    is_repeated,
    length,
    merged,
    whole,
)
from pyengine.builder.onnx_walk import ImportFn, OnnxWalker, Stored, Value, refuse
from pyengine.builder.onnx_write import ExportFn, Node, OnnxWriter
from pyengine.builder.ops.move import indices, select, spread

if TYPE_CHECKING:
    import onnx


def import_concat(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    rank = len(w.shape(node, node.output[0]))
    position = a["axis"] % rank
    live = [name for name in node.input if name in w.values]
    values = [
        w.values[name] if name in w.values else _constant_planes(w, node, name, w.values[live[0]])
        for name in node.input
    ]
    values = [_channels_in_order(w, node, value, position) for value in values]
    axes = [value.axes[position] for value in values]
    others = [value.axes[:position] + value.axes[position + 1 :] for value in values]
    look: Axes | None = others[0]
    for other in others[1:]:
        look = None if look is None else broadcast(look, other)
    if all(a == whole("C", v.stored.channels) for a, v in zip(axes, values, strict=True)):
        joined = whole("C", sum(v.stored.channels for v in values))
    elif not any(axes) and len({v.stored.channels for v in values}) == 1:
        # A new axis: one tensor's channels after the other's.
        joined = merged([Part("C", values[0].stored.channels, len(values))])
    else:
        look = None
    if look is None:
        shapes = [v.shape for v in values]
        raise refuse(node, f"it joins {shapes} along axis {position}, which are no channels")
    planes = [v for v in values if not v.stored.vector]
    if planes and len(planes) < len(values):
        values = [spread(w, node, v, planes[0]) if v.stored.vector else v for v in values]
    channels = sum(v.stored.channels for v in values)
    w.emit(
        node, "concat", values, replace(values[0].stored, channels=channels),
        (*look[:position], joined, *look[position:]),
    )  # fmt: skip


def _channels_in_order(w: OnnxWalker, node: onnx.NodeProto, value: Value, position: int) -> Value:
    """The same values; channels that an axis shows in another order are put into it."""
    axis = value.axes[position]
    if len(axis) < 2 or not all(part.letter == "C" for part in axis):
        return value
    made = select(w, node, value, indices(axis))
    return _looked_at(replace(made, axes=value.axes), position, made.stored.axes[1])


def _constant_planes(w: OnnxWalker, node: onnx.NodeProto, name: str, like: Value) -> Value:
    """A constant beside tensors that depend on the image."""
    array = w.constants[name]
    if like.stored.vector or not array.ndim == len(like.axes) == w.spatial + 2:
        raise refuse(node, f"it joins a constant of shape {array.shape}")
    _, channels, *size = array.shape
    if like.axes != like.stored.axes or tuple(size) != like.stored.size:
        raise refuse(node, f"it joins a constant of shape {array.shape}")
    return w.append(
        node, "constant", [like], w.of_size(channels, size), weight=array[0],
        out_channels=channels, size=size,
    )  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """Some indices along one axis, evenly apart."""

    axis: int
    begin: int
    end: int
    step: int = 1

    @property
    def indices(self) -> list[int]:
        return list(range(self.begin, self.end, self.step))


def cut(w: OnnxWalker, node: onnx.NodeProto, value: Value, wanted: Cut) -> Value:
    """Part of a tensor along one of its axes; its look keeps the axis."""
    axis = value.axes[wanted.axis]
    kept = wanted.indices
    if kept == list(range(length(axis))):
        return value
    if is_repeated(axis):
        return _looked_at(value, wanted.axis, (Part("*", 0, len(kept)),))
    letters = {part.letter for part in axis}
    if letters == {"C"} and len(axis) == 1:
        return _cut_channels(w, node, value, wanted.axis, kept)
    letter = next(iter(letters))
    size = _sizes(value.stored).get(letter, 0)
    if axis == whole(letter, size) and wanted.step > 0 and kept:
        return _cut_planes(w, node, value, wanted)
    raise refuse(node, f"it takes {_told(kept)} of {length(axis)} along axis {wanted.axis}")


def _told(kept: list[int]) -> str:
    return f"{kept[0]} to {kept[-1]}" if kept else "nothing"


def _looked_at(value: Value, position: int, axis: Axis) -> Value:
    axes = (*value.axes[:position], merged(axis), *value.axes[position + 1 :])
    return replace(value, axes=axes)


def _cut_channels(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, position: int, kept: list[int]
) -> Value:
    (part,) = value.axes[position]
    block = part.step * part.size
    channels = [
        c for c in range(value.stored.channels) if c % block // part.step in set(kept)
    ]  # fmt: skip
    if kept != sorted(set(kept)):  # another order, or some twice
        if block != value.stored.channels:
            raise refuse(node, f"it takes {kept} of groups of channels")
        channels = [k * part.step + inner for k in kept for inner in range(part.step)]
    made = select(w, node, value, channels)
    # Parts of C outside this one lie closer together now.
    look = tuple(
        merged(
            Part("C", p.step // block * part.step * len(kept), p.size)
            if p.letter == "C" and p.step >= block
            else p
            for p in axis
        )
        for axis in value.axes
    )
    axis = merged([Part("C", part.step, len(kept))])
    return replace(made, axes=(*look[:position], axis, *look[position + 1 :]))


def _cut_planes(w: OnnxWalker, node: onnx.NodeProto, value: Value, wanted: Cut) -> Value:
    """Slices, rows or columns: a crop, and where some are left out a pooling of single pixels."""
    letter = value.axes[wanted.axis][0].letter
    sizes = _sizes(value.stored)
    i, spatial = list(sizes).index(letter), len(sizes)
    amounts = [0] * 2 * spatial
    amounts[i], amounts[i + spatial] = wanted.begin, sizes[letter] - wanted.end
    made = value
    if any(amounts):
        made = w.append(
            node, "crop", [value], _resized(value, letter, wanted.end - wanted.begin),
            amounts=amounts,
        )  # fmt: skip
    count = len(wanted.indices)
    if wanted.step > 1:
        stride = [wanted.step if k == i else 1 for k in range(spatial)]
        made = w.append(
            node, "max_pool", [made], _resized(value, letter, count), kernel=[1] * spatial,
            stride=stride,
        )  # fmt: skip
    axis = whole(letter, count)
    return replace(made, axes=(*value.axes[: wanted.axis], axis, *value.axes[wanted.axis + 1 :]))


def _resized(value: Value, letter: str, size: int) -> Stored:
    return value.stored.resized(list((_sizes(value.stored) | {letter: size}).values()))


def _sizes(stored: Stored) -> dict[str, int]:
    """By letter, in order: slices of volumes, rows, columns."""
    return dict(zip(LETTERS[-len(stored.size) :], stored.size, strict=True))


def import_slice(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    starts, ends = w.setting(node, a, "starts", 1), w.setting(node, a, "ends", 2)
    axes, steps = w.setting(node, a, "axes", 3), w.setting(node, a, "steps", 4)
    crop = [0] * 2 * w.spatial
    cuts = []
    for i, axis in enumerate(axes if axes is not None else range(len(starts))):
        position = axis % len(value.axes)
        size = length(value.axes[position])
        begin, end, step = slice(starts[i], ends[i], steps[i] if steps else 1).indices(size)
        if (begin, end, step) == (0, size, 1):
            continue
        if step == 1 and position >= 2 and value.axes == value.stored.axes:
            crop[position - 2], crop[position - 2 + w.spatial] = begin, size - end
        else:
            cuts.append(Cut(position, begin, end, step))
    if any(crop) and not value.stored.vector:
        kept = w.output_planes(node)
        kept = replace(kept, channels=value.stored.channels)
        ends = zip(crop[: w.spatial], crop[w.spatial :], strict=True)
        stored = value.stored.resized(
            [n - sum(end) for n, end in zip(value.stored.size, ends, strict=True)]
        )
        if not cuts:
            w.emit(node, "crop", [value], stored, amounts=crop)
            return
        value = w.append(node, "crop", [value], stored, amounts=crop)
    for wanted in cuts:
        value = cut(w, node, value, wanted)
    w.alias(node, value)


def import_split(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    position = a.get("axis", 0) % len(value.axes)
    begin = 0
    for i, name in enumerate(node.output):
        size = w.shape(node, name)[position] if name else 0
        if name:
            w.alias(node, cut(w, node, value, Cut(position, begin, begin + size)), i)
        begin += size


def import_gather(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    position = a.get("axis", 0) % len(value.axes)
    chosen = w.constant(node, 1, "what it takes")
    axis = value.axes[position]
    size = length(axis)
    kept = [int(i) % size for i in chosen.reshape(-1)]
    if chosen.ndim > 1:
        raise refuse(node, f"its indices have shape {chosen.shape}")
    if len(axis) == 1 and axis[0].letter == "C":
        made = _cut_channels(w, node, value, position, kept)
    elif kept == list(range(kept[0], kept[0] + len(kept))):
        made = cut(w, node, value, Cut(position, kept[0], kept[-1] + 1))
    else:
        raise refuse(node, f"it takes {kept} along axis {position}")
    if chosen.ndim == 0:
        made = replace(made, axes=made.axes[:position] + made.axes[position + 1 :])
    w.alias(node, made)


def import_pad(w: OnnxWalker, node: onnx.NodeProto, a: dict[str, Any]) -> None:
    value = w.value(node)
    rank = len(value.axes)
    pads = w.setting(node, a, "paddings" if "paddings" in a else "pads", 1)
    axes = w.optional(node, 3)
    which = range(rank) if axes is None else [int(x) % rank for x in axes]
    before, after = [0] * rank, [0] * rank
    for i, position in enumerate(which):
        before[position], after[position] = pads[i], pads[i + len(pads) // 2]
    mode = a.get("mode", "constant")
    fill = w.optional(node, 2)
    border_value = float(a.get("value", 0.0) if fill is None else fill.reshape(-1)[0])
    amounts = [0] * 2 * w.spatial
    wholes = [whole(letter, n) for letter, n in _sizes(value.stored).items()]
    for position, axis in enumerate(value.axes):
        if not (before[position] or after[position]):
            continue
        ends = before[position], after[position]
        if axis == whole("C", value.stored.channels) and axis and mode == "constant":
            value = _more_channels(w, node, value, position, ends, border_value)
            continue
        if not axis or axis not in wholes:
            raise refuse(node, f"it pads axis {position}, which is neither rows nor columns")
        i = wholes.index(axis)
        amounts[i], amounts[i + w.spatial] = before[position], after[position]
    if not any(amounts):
        w.alias(node, value)
        return
    border = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(mode)
    if border is None:
        raise refuse(node, f"mode {mode}")
    cropped, padded = [max(0, -n) for n in amounts], [max(0, n) for n in amounts]
    axes_after, stored = value.axes, value.stored
    for name, how in (("crop", cropped), ("pad", padded)):
        if not any(how):
            continue
        sign = 1 if name == "pad" else -1
        both = zip(how[: w.spatial], how[w.spatial :], strict=True)
        stored = stored.resized(
            [n + sign * sum(end) for n, end in zip(stored.size, both, strict=True)]
        )
        more = {} if name == "crop" else {"border": border, "border_value": border_value}
        last = name == "pad" or not any(padded)
        value = w.append(
            node, name, [value], stored, node.output[0] if last else "", amounts=how, **more
        )  # fmt: skip
    sizes = _sizes(stored)
    look = [
        whole(axis[0].letter, sizes[axis[0].letter])
        if axis and axis[0].letter in sizes and len(axis) == 1
        else axis
        for axis in axes_after
    ]
    w.alias(node, replace(value, axes=tuple(look)))


def _more_channels(
    w: OnnxWalker, node: onnx.NodeProto, value: Value, position: int, ends: tuple[int, int],
    number: float,
) -> Value:  # fmt: skip
    """Channels of one number before and after those that there are."""
    count = value.stored.channels
    if min(ends) < 0:
        raise refuse(node, "it cuts channels off")
    made = select(w, node, value, [0] * ends[0] + list(range(count)) + [0] * ends[1])
    kept = np.pad(np.ones(count), ends)
    filled = w.append(node, "affine", [made], made.stored, weight=kept, bias=number * (1 - kept))
    return _looked_at(replace(filled, axes=value.axes), position, whole("C", len(kept)))


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
    "Split": import_split,
    "Gather": import_gather,
    "Pad": import_pad,
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

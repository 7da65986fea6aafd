"""How an ONNX tensor looks at stored planes: which of its axes runs over channels, rows, columns.

The engine stores one image's channels of rows of columns. ONNX networks look at them in other
ways: Keras with the channels last, group norm as (N, groups, values), transformers as tokens.
A look is a list of axes, each a product of parts of C, H and W. Transposing and reshaping only
change the look; nothing moves until an operator needs another order of the values themselves.
Volumes have slices D between channels and rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

# What is stored, in the order in which it is stored.
LETTERS = "CDHW"


# Words of operators over volumes, by those over images.
VOLUME_WORDS = {
    "conv2d": "conv3d",
    "conv_transpose2d": "conv_transpose3d",
    "upsample_bilinear": "upsample_trilinear",
}


class Part(NamedTuple):
    """`size` indices along a stored axis, `step` apart.

    Attributes
    ----------
    letter : str
        C, D, H or W; or ``*``: the same values again and again, as ONNX's Expand makes.
    step : int
        How far apart neighbours lie on the stored axis.
    size : int
        At least 2; what has one index is left out.
    """

    letter: str
    step: int
    size: int


Axis: TypeAlias = tuple[Part, ...]
Axes: TypeAlias = tuple[Axis, ...]


def whole(letter: str, size: int) -> Axis:
    """All of a stored axis."""
    return (Part(letter, 1, size),) if size > 1 else ()


def planes(channels: int, *size: int) -> Axes:
    """ONNX's usual look (N, C, H, W), or (N, C, D, H, W); there is one image at a time."""
    letters = LETTERS[-len(size) :]
    spatial = (whole(letter, n) for letter, n in zip(letters, size, strict=True))
    return ((), whole("C", channels), *spatial)


def length(axis: Axis) -> int:
    """How many indices the axis has."""
    return math.prod(part.size for part in axis)


def merged(parts: Iterable[Part]) -> Axis:
    """The same parts as few, so that equal axes compare equal."""
    axis: list[Part] = []
    for part in parts:
        before = axis[-1] if axis else None
        if before and before.letter == part.letter and before.step == part.step * part.size:
            axis[-1] = Part(part.letter, part.step, before.size * part.size)
        elif part.size > 1:
            axis.append(part)
    return tuple(axis)


def reshaped(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """The look after a Reshape; None where a new axis would cut a part unevenly."""
    parts = [part for axis in axes for part in axis]
    result = []
    for size in shape:
        taken = []
        while size > 1:
            if not parts:
                return None
            part = parts.pop(0)
            if size % part.size == 0:
                taken.append(part)
                size //= part.size
            elif part.size % size == 0:
                inner = part.size // size
                taken.append(Part(part.letter, part.step * inner, size))
                parts.insert(0, Part(part.letter, part.step, inner))
                size = 1
            else:
                return None
        result.append(merged(taken))
    return None if parts else tuple(result)


def is_repeated(axis: Axis) -> bool:
    """Whether all indices hold the same values, so that the axis broadcasts."""
    return all(part.letter == "*" for part in axis)


def broadcast(first: Axes, second: Axes) -> Axes | None:
    """The look at what an operator on two tensors gives; None where their axes do not agree."""
    rank = max(len(first), len(second))
    first, second = ((),) * (rank - len(first)) + first, ((),) * (rank - len(second)) + second
    result: list[Axis] = []
    for a, b in zip(first, second, strict=True):
        if a == b or is_repeated(b):
            result.append(a if a else b)
        elif is_repeated(a):
            result.append(b)
        else:
            return None
    return tuple(result)


def split_array(value: npt.NDArray[np.generic], axes: Axes) -> npt.NDArray[np.generic] | None:
    """A constant as it lies on the stored axes: shape (C or 1, H or 1, W or 1).

    Parameters
    ----------
    value : ndarray
        Broadcasts to the axes, aligned from the right.
    axes : Axes
        Of the tensor that it is combined with.

    Returns
    -------
    ndarray or None
        None where it varies along some parts of a stored axis but has none of the others, or
        along slices, or is larger than the tensor.
    """
    if value.ndim > len(axes):
        if any(n != 1 for n in value.shape[: value.ndim - len(axes)]):
            return None
        value = value.reshape(value.shape[value.ndim - len(axes) :])
    value = value.reshape((1,) * (len(axes) - value.ndim) + value.shape)
    sizes: list[int] = []
    parts: list[Part] = []
    for n, axis in zip(value.shape, axes, strict=True):
        if n not in (1, length(axis)):
            return None
        for part in axis:
            sizes.append(part.size if n != 1 else 1)
            parts.append(part)
        if not axis and n != 1:
            return None
    value = value.reshape(sizes)
    order = sorted(range(len(parts)), key=lambda i: (_order(parts[i].letter), -parts[i].step))
    value = value.transpose(order)
    shape = []
    for letter in LETTERS:
        mine = [i for i, o in enumerate(order) if parts[o].letter == letter]
        shown = [value.shape[i] for i in mine]
        if any(n != 1 for n in shown):
            full = [parts[order[i]].size for i in mine]
            target = list(value.shape)
            for i, n in zip(mine, full, strict=True):
                target[i] = n
            value = np.broadcast_to(value, target)
            shape.append(math.prod(full))
        else:
            shape.append(1)
    if any(n != 1 for i, n in enumerate(value.shape) if parts[order[i]].letter == "*"):
        return None
    if shape.pop(LETTERS.index("D")) != 1:
        return None
    return np.ascontiguousarray(value).reshape(shape)


def _order(letter: str) -> int:
    return LETTERS.index(letter) if letter in LETTERS else len(LETTERS)
